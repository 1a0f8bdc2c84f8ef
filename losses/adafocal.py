"""AdaFocal: the calibration-aware adaptive focal loss, Algorithm 1 of the paper."""

import math

import torch
from torch import Tensor

from calibration import BinStats
from losses.base import check_finite
from losses.binned import BinnedLoss
from losses.focal import LARGEST_GAMMA, LARGEST_INVERSE_GAMMA, modulated


class AdaFocalLoss(BinnedLoss):
    """Focal loss with a gamma of its own for every confidence bin, moved by the validation set's calibration error.

    In anyone's training loop:

        loss = AdaFocalLoss()
        ...
        loss(model(x), y).backward()            # every step
        loss.update(val_logits, val_labels)     # every epoch, with the model in eval mode

    A training sample whose true class has probability p uses gamma_b of the bin b that p falls in: -(1 - p)^gamma_b
    log p for gamma_b >= 0, and the inverse focal loss -(1 + p)^|gamma_b| log p for gamma_b < 0 (Eq. 5). `update`
    multiplies gamma_b by exp(+-lam (C_b - A_b)), clips it, and switches its sign where |gamma_b| falls below
    `switch_threshold`. gamma is a constant in the backward pass. The state is in `state_dict`.

    With `inverse_focal` False gamma stays positive and is only clipped at `gamma_max`, as in the paper's earlier
    version (ICLR 2022 submission, openreview CoMOKHYWf2): Algorithm 1 without lines 18 to 23.

    Source: Algorithm 1.

    Args:
        num_bins: M equal-mass bins of the validation set (the paper: 10 to 20 work best).
        lam: lambda >= 0, scales the error in the exponent.
        gamma_init: gamma of all bins before the first update.
        gamma_max: upper bound; may be infinite.
        gamma_min: lower bound of the inverse focal loss's negative gamma.
        switch_threshold: S_th.
        inverse_focal: whether to switch; False makes no use of `gamma_min` and `switch_threshold`.
        reduction: "mean", "sum" or "none".

    Attributes:
        gammas: [M] float32 buffer.
        edges: [M + 1] float32 buffer.

    Raises:
        ValueError: options that contradict each other.
    """

    def __init__(
        self,
        num_bins: int = 15,
        lam: float = 1.0,
        gamma_init: float = 1.0,
        gamma_max: float = 20.0,
        gamma_min: float = -2.0,
        switch_threshold: float = 0.2,
        inverse_focal: bool = True,
        reduction: str = "mean",
    ):
        super().__init__(num_bins, reduction)
        if not isinstance(inverse_focal, bool):  # a text, which Python takes for true
            raise ValueError(f"inverse_focal must be True or False, got {inverse_focal!r}")
        if not 0 < switch_threshold < math.inf:
            raise ValueError(f"switch_threshold must be finite and > 0, got {switch_threshold}")
        if not gamma_max >= switch_threshold:
            raise ValueError(f"gamma_max must be >= switch_threshold = {switch_threshold}, got {gamma_max}")
        if not -LARGEST_INVERSE_GAMMA <= gamma_min <= -switch_threshold:
            raise ValueError(
                f"gamma_min must lie in [{-LARGEST_INVERSE_GAMMA:g}, -switch_threshold = {-switch_threshold}], "
                f"got {gamma_min}"
            )
        if not inverse_focal and not 0 < gamma_init <= gamma_max:
            raise ValueError(f"without inverse_focal gamma_init must lie in (0, {gamma_max}], got {gamma_init}")
        if inverse_focal and not (gamma_min <= gamma_init <= gamma_max and abs(gamma_init) >= switch_threshold):
            raise ValueError(
                f"gamma_init must lie in [{gamma_min}, {-switch_threshold}] or [{switch_threshold}, {gamma_max}], "
                f"got {gamma_init}"
            )
        self.lam = check_finite("lam", lam)
        self.gamma_init, self.gamma_min, self.gamma_max = gamma_init, gamma_min, gamma_max
        self.switch_threshold, self.inverse_focal = switch_threshold, inverse_focal
        start = torch.full((num_bins,), float(min(gamma_init, LARGEST_GAMMA)), dtype=torch.float32)
        self.register_buffer("gammas", start)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in nats."""
        return modulated(logits, targets, self.gamma_of, self.reduction)  # lines 9-12

    def gamma_of(self, p: Tensor) -> Tensor:
        """Gamma of the bins that probabilities of the true class (line 7) fall in, of their shape."""
        return self.gammas.take(self.bins_of(p))  # line 8

    def step(self, bins: BinStats) -> None:
        """Move gamma by the validation set's calibration error; a bin without samples keeps its gamma."""
        gamma = self.gammas.cpu().double()  # in this order: Apple's GPUs have no float64
        gap = torch.from_numpy(bins.gap)
        focal = gamma >= 0
        moved = gamma * torch.exp(torch.where(focal, self.lam, -self.lam) * gap)  # lines 17, 21
        lowest = self.gamma_min if self.inverse_focal else torch.finfo(torch.float32).tiny  # above 0 in float32 too
        moved = moved.clamp(lowest, min(self.gamma_max, LARGEST_GAMMA))
        if self.inverse_focal:
            moved = self._switched(moved, focal)
        self.gammas.copy_(torch.where(gap.isnan(), gamma, moved))

    def _switched(self, moved: Tensor, focal: Tensor) -> Tensor:
        """[M] gammas after the switch between focal and inverse focal loss; `focal`: which were focal before."""
        switched = torch.where(focal, -self.switch_threshold, self.switch_threshold)
        # a gamma at the threshold, which float32 may hold rounded down, is not below it
        threshold = min(self.switch_threshold, torch.tensor(self.switch_threshold, dtype=torch.float32).item())
        return torch.where(moved.abs() < threshold, switched, moved)  # lines 18-19, 22-23
