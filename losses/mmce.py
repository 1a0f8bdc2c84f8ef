"""Cross entropy with the weighted maximum mean calibration error as a penalty."""

import torch
from torch import Tensor

from losses.base import Loss, at_least_float32, check_finite, cross_entropy


class MMCELoss(Loss):
    """Mean cross entropy + lam x weighted MMCE of the batch (Kumar et al. 2018, Section 3.3).

    MMCE compares the confidences c of the m correct and the n wrong predictions of a batch. The kernel is
    k(c, c') = exp(-|c - c'| / kernel_width). S_ab is the sum of k over pairs, times 1 - c of a correct member and c of
    a wrong one. MMCE is the square root of S_cc / m^2 + S_ww / n^2 - 2 S_cw / (m n).

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
        logits = at_least_float32(logits)
        ce = cross_entropy(logits, targets, reduction="mean")
        loss = ce.add(self.mmce(logits, targets), alpha=self.lam)
        return loss * len(targets) if self.reduction == "sum" else loss

    def mmce(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Weighted MMCE of a batch, a scalar >= 0."""
        confidence, predicted = torch.softmax(logits, dim=1).max(dim=1)
        return _Root.apply(confidence, predicted == targets.long(), self.kernel_width, self.form == "code")


class _Root(torch.autograd.Function):
    """The root of the weighted mean over pairs, with its derivative by the confidences in closed form.

    w is 1 - c of the correct and -c of the wrong, w_a that of group a alone, k_ij = exp(-|c_i - c_j| / width) the
    kernel. The square is the sum over both a and b of q_ab (w_a k w_b). Autograd's own way keeps a dozen [N, N] arrays.
    """

    @staticmethod
    def forward(ctx, confidence: Tensor, correct: Tensor, width: float, code: bool) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            root, slope = _root_and_slope(confidence, correct, width, code)
        ctx.save_for_backward(slope, confidence, correct)
        ctx.width, ctx.code = width, code
        return root

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        slope, confidence, correct = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True: the slope is to be differentiated in its turn
            with torch.autocast("cpu", enabled=False):
                slope = _root_and_slope(confidence, correct, ctx.width, ctx.code)[1]
        return gradient * slope, None, None, None


def _root_and_slope(confidence: Tensor, correct: Tensor, width: float, code: bool) -> tuple[Tensor, Tensor]:
    """The root and its derivative by the confidences [N]; to be called without autocast, which rounds matmuls."""
    difference = confidence[:, None] - confidence  # [N, N]
    kernel = difference.abs().div_(-width).exp_()
    right = correct.to(confidence.dtype)
    either = torch.stack((right, 1 - right))  # [2, N]: is correct, is wrong
    signed = right - confidence  # 1 - c of the correct, -c of the wrong
    weight = either * signed  # [2, N]
    size = either.sum(dim=1)  # m, n
    pairs = size[:, None] * size  # [2, 2] m m, m n, n n
    if code:
        pairs = pairs * (pairs + 1e-5)
    both = size.prod() > 0
    q = both / pairs.clamp_min(1e-5)  # 0 without two groups
    mixed = _product(q, _product(weight, kernel))  # [2, N]
    square = (weight * mixed).sum()
    # 1e-10 (theirs) and the clamp keep the root's gradient finite where the two groups agree
    root = (square.clamp_min(0) + 1e-10).sqrt()
    # [2, N], of j: sum over i of w_i k_ij sign(c_i - c_j), the kernel's share of the derivative
    slanted = _product(q, _product(weight, difference.sign().mul_(kernel)))
    slope = (either * (signed * slanted / width - mixed)).sum(dim=0)
    return root * both, slope * ((square > 0) / root)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """[2, M] @ [M, N] in full precision: a GPU may run a matmul in TF32."""
    if a.is_cuda:
        return (a[:, :, None] * b).sum(dim=1)
    return a @ b
