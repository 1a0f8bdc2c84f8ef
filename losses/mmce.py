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
        correct = predicted == targets.long()
        return _Root.apply(confidence, correct, self.kernel_width, self.form == "code")


class _Root(torch.autograd.Function):
    """The root of the weighted mean over pairs, with its derivative by the confidences in closed form.

    With w_0 = correct (1 - c), w_1 = wrong c and the kernel k_ij = exp(-|c_i - c_j| / width), the square is the sum
    over a, b of q_ab (w_a k w_b), where q_00, q_11 > 0 > q_01. Autograd's own way keeps a dozen [N, N] arrays.
    """

    @staticmethod
    def forward(ctx, confidence: Tensor, correct: Tensor, width: float, code: bool) -> Tensor:
        root, *parts = _root(confidence, correct, width, code)
        ctx.save_for_backward(confidence, correct, *parts)
        ctx.width, ctx.code = width, code
        return root

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        confidence, correct, *parts = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True: the slope is to be differentiated in its turn
            parts = _root(confidence, correct, ctx.width, ctx.code)[1:]
        return gradient * _slope(parts, ctx.width), None, None, None


def _root(confidence: Tensor, correct: Tensor, width: float, code: bool) -> tuple[Tensor, ...]:
    """The root, and what its derivative is made of."""
    difference = confidence[:, None] - confidence  # [N, N]
    kernel = difference.abs().div_(-width).exp_()
    right = correct.to(confidence.dtype)
    either = torch.stack((right, 1 - right))  # [2, N]: is correct, is wrong
    weight = either * (right - confidence).abs()  # 1 - c of the correct, c of the wrong
    smoothed = _product(weight, kernel)  # [2, N]
    size = either.sum(dim=1)  # m, n
    pairs = size[:, None] * size  # [2, 2] m m, m n, n n
    if code:
        pairs = pairs * (pairs + 1e-5)
    signs = 2 * torch.eye(2, dtype=pairs.dtype, device=pairs.device) - 1  # made there: a copy would be waited for
    q = signs / pairs.clamp(min=1e-5)
    mixed = (q[:, :, None] * smoothed).sum(1)  # [2, N]
    square = (weight * mixed).sum()
    # 1e-10 (theirs) and the clamp keep the root's gradient finite where the two groups agree
    root = (square.clamp(min=0) + 1e-10).sqrt()
    both = size.prod() > 0
    inverse = torch.where((square > 0) & both, 1 / root, 0)
    return torch.where(both, root, 0), difference, kernel, right, weight, q, mixed, inverse


def _slope(parts: tuple[Tensor, ...], width: float) -> Tensor:
    difference, kernel, right, weight, q, mixed, inverse = parts
    slanted = _product(weight, difference.sign().mul_(kernel))  # [2, N], of j: sum over i of w_i k_ij sign(c_i - c_j)
    through_kernel = (weight * (q[:, :, None] * slanted).sum(1)).sum(0) / width
    through_weight = (1 - right) * mixed[1] - right * mixed[0]
    return inverse * (through_weight + through_kernel)


def _product(weight: Tensor, kernel: Tensor) -> Tensor:
    """[2, N] @ [N, N] in full precision: a GPU may run a matmul in TF32, autocast in half precision."""
    if weight.is_cuda:
        return (weight[:, :, None] * kernel).sum(dim=1)
    with torch.autocast("cpu", enabled=False):
        return weight @ kernel
