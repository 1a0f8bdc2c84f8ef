"""Cross entropy with the weighted maximum mean calibration error as a penalty."""

import torch
from torch import Tensor

from losses.base import Loss, at_least_float32, check_finite, cross_entropy


class MMCELoss(Loss):
    """Mean cross entropy + lam x weighted MMCE of the batch (Kumar et al. 2018, Section 3.3).

    MMCE compares the confidences c of the m correct and the n wrong predictions of a batch through the kernel
    k(c, c') = exp(-|c - c'| / kernel_width). With S_ab the sum over pairs of k times (1 - c) for a correct and c for a
    wrong member, it is the square root of S_cc / m^2 + S_ww / n^2 - 2 S_cw / (m n).

    Differs from the formula: the published code of Kumar et al. and of Mukhoti et al. takes means over the pairs and
    divides by the pair counts once more. That code most likely gave the paper's baseline: form="code" is the default.
    A batch without correct or without wrong predictions has MMCE 0.

    Args:
        lam: weight of the penalty.
        form: "code" or "formula".
        kernel_width: of the Laplacian kernel.
        reduction: "mean", or "sum" for batch size x that. The penalty belongs to no single sample: "none" is refused.

    Raises:
        ValueError: an unknown form, a kernel width <= 0, reduction="none".
    """

    def __init__(self, lam: float = 2.0, form: str = "code", kernel_width: float = 0.4, reduction: str = "mean"):
        super().__init__(reduction)
        if reduction == "none":
            raise ValueError('MMCELoss has no per-sample value: reduction must be "mean" or "sum", got "none"')
        if form not in ("code", "formula"):
            raise ValueError(f'form must be "code" or "formula", got {form!r}')
        if not kernel_width > 0:
            raise ValueError(f"kernel_width must be > 0, got {kernel_width}")
        self.lam, self.form, self.kernel_width = check_finite("lam", lam), form, kernel_width

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, a scalar."""
        ce = cross_entropy(logits, targets).mean()
        loss = ce + self.lam * self.mmce(at_least_float32(logits), targets)
        return loss * len(targets) if self.reduction == "sum" else loss

    def mmce(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Weighted MMCE of a batch, a scalar >= 0."""
        confidence, predicted = torch.softmax(logits, dim=1).max(dim=1)
        correct = (predicted == targets).to(confidence.dtype)
        kernel = torch.exp((confidence[:, None] - confidence).abs() / -self.kernel_width)  # [N, N]
        weight = torch.stack((correct * (1 - confidence), (1 - correct) * confidence))  # [2, N] correct, wrong
        # sums of products, not a matmul, which autocast would run in half precision and a GPU in TF32
        smoothed = (weight[:, None] * kernel).sum(dim=2)  # [2, N]
        pair_sum = (weight[:, None] * smoothed).sum(dim=2)  # [2, 2]
        m = correct.sum()
        size = torch.stack((m, len(targets) - m))
        pairs = size[:, None] * size  # [2, 2] m m, m n, n n
        if self.form == "code":
            pairs = pairs * (pairs + 1e-5)
        term = pair_sum / pairs.clamp(min=1e-5)
        square = term[0, 0] + term[1, 1] - 2 * term[0, 1]
        # 1e-10 (theirs) and the clamp keep the root's gradient finite where the two groups agree
        root = (square.clamp(min=0) + 1e-10).sqrt()
        return torch.where(size.prod() > 0, root, torch.zeros_like(root))
