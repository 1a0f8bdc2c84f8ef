"""CalFocal: the paper's first, memoryless calibration-aware focal losses."""

import torch
from torch import Tensor

from calibration import BinStats
from losses.base import check_finite
from losses.binned import BinnedLoss
from losses.focal import LARGEST_GAMMA, modulated


class CalFocalLoss(BinnedLoss):
    """Focal loss whose gamma is exp(lam x error) of the training sample (Eq. 2) or of its validation bin (Eq. 3).

    mode="sample": gamma_n = exp(lam (p_n - A_val,b)) with b the bin of p_n. mode="bin": gamma_b = exp(lam (C_val,b -
    A_val,b)). gamma is 1 before the first `update`, a bin without validation samples keeps what it had, and gamma is a
    constant in the backward pass.

    Differs from the paper: gamma is clipped at `gamma_max`, since exp(100) overflows.

    Args:
        lam: lambda >= 0, the paper uses 1, 10, 100.
        mode: "sample" (Eq. 2) or "bin" (Eq. 3).
        num_bins: M equal-mass bins of the validation set.
        gamma_max: upper bound of gamma.
        reduction: see `Loss`.

    Attributes:
        gammas: [M] float32 buffer (mode "bin").
        accuracy: [M] float32 buffer, A_val of every bin, NaN before the first update (mode "sample").
    """

    def __init__(
        self,
        lam: float = 1.0,
        mode: str = "sample",
        num_bins: int = 15,
        gamma_max: float = 20.0,
        reduction: str = "mean",
    ):
        super().__init__(num_bins, reduction)
        if mode not in ("sample", "bin"):
            raise ValueError(f'mode must be "sample" or "bin", got {mode!r}')
        if not gamma_max >= 1:
            raise ValueError(f"gamma_max must be >= 1, the gamma of a calibrated bin, got {gamma_max}")
        self.lam, self.mode = check_finite("lam", lam), mode
        self.gamma_max = min(float(gamma_max), LARGEST_GAMMA)
        if mode == "bin":
            self.register_buffer("gammas", torch.ones(num_bins, dtype=torch.float32))
        else:
            self.register_buffer("accuracy", torch.full((num_bins,), torch.nan, dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in nats."""
        return modulated(logits, targets, self.gamma_of, self.reduction)

    def gamma_of(self, p: Tensor) -> Tensor:
        """Gamma of probabilities of the true class, of their shape."""
        index = self.bins_of(p)
        if self.mode == "bin":
            return self.gammas[index]
        gamma = torch.exp(self.lam * (p - self.accuracy[index])).clamp(max=self.gamma_max)
        return gamma.nan_to_num(nan=1.0)  # no validation sample was ever seen there

    def step(self, bins: BinStats) -> None:
        """Eq. 3's gamma, or Eq. 2's A_val, of every bin with validation samples."""
        if self.mode == "bin":
            state, new = self.gammas, torch.from_numpy(bins.gap).mul(self.lam).exp().clamp(max=self.gamma_max)
        else:
            state, new = self.accuracy, torch.from_numpy(bins.accuracy)
        state.copy_(torch.where(new.isnan(), state.cpu().double(), new))
