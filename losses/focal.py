"""Focal loss, its sample-dependent schedule FLSD-53, and inverse focal loss: gammas that training does not move."""

from collections.abc import Callable

import torch
from torch import Tensor

from losses.base import Loss, at_least_float32, check_finite, check_shapes, reduced, refuse_outside

# What gamma = infinity means in float32: (1 - p)^1e30 is 0 for any p a float32 softmax can tell from 0. A still larger
# gamma would overflow in the backward pass.
LARGEST_GAMMA = 1e30
LARGEST_INVERSE_GAMMA = 100.0  # (1 + p)^gamma reaches 2^gamma, and float32 ends at 2^128


def modulated(logits: Tensor, targets: Tensor, gamma: Callable[[Tensor], Tensor] | float, reduction: str) -> Tensor:
    """Focal loss where gamma >= 0, inverse focal loss with |gamma| where gamma < 0 (Eq. 5).

    The factors (1 - p)^gamma and (1 + p)^|gamma| are both exp(|gamma| log(1 - sign(gamma) p)). p is kept one rounding
    step below 1. At 1 the slope of (1 - p)^gamma is infinite for 0 < gamma < 1, which made NaN of the gradient
    (https://github.com/kornia/kornia/issues/918). The loss itself, a multiple of -log p = 0, has no slope there. In
    this form the gradient is also right for very large gamma, where (1 - p) itself would round to 1. gamma is a
    constant to autograd.

    Args:
        logits: [N, K] of any float type.
        targets: [N] integers in [0, K).
        gamma: one number, or the function that gives it of the true class's probability, [N, 1] of [N, 1].
        reduction: "mean", "sum" or "none".

    Returns:
        The mean or sum of the losses, or [N], in nats; gamma = 0 gives the cross entropy itself, bit for bit.

    Raises:
        ValueError: as `base.cross_entropy`.
    """
    check_shapes(logits, targets)
    return _Modulated.apply(at_least_float32(logits), targets.long()[:, None], gamma, reduction)


class _Modulated(torch.autograd.Function):
    """ce x factor, reduced, with its derivative by the logits: one node where autograd would keep eleven.

    At [128, 10] a step's time goes into the number of operations, not into their elements.
    """

    @staticmethod
    def forward(ctx, logits: Tensor, targets: Tensor, gamma: Callable[[Tensor], Tensor] | float, reduction: str):
        log_softmax = torch.log_softmax(logits, 1)
        try:
            log_p = log_softmax.gather(1, targets)  # [N, 1]
        except RuntimeError:
            refuse_outside(targets, logits.shape[1])
            raise  # something else
        p = log_p.exp()
        if callable(gamma):
            gamma = gamma(p)
        loss, slope = _loss_and_slope(-log_p, gamma, p, reduction)
        slopes = log_softmax.exp_().mul_(slope).scatter_add_(1, targets, -slope)  # [N, K]
        ctx.save_for_backward(slopes, logits, targets)
        ctx.gamma, ctx.reduction = gamma, reduction
        return loss[:, 0] if reduction == "none" else loss

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        slopes, logits, targets = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True: the slopes are to be differentiated in their turn
            ce = -torch.log_softmax(logits, 1).gather(1, targets)
            slope = _loss_and_slope(ce, ctx.gamma, torch.exp(-ce), ctx.reduction)[1]
            (slopes,) = torch.autograd.grad(ce, logits, slope, create_graph=True)
        if ctx.reduction == "none":
            gradient = gradient[:, None]
        return gradient * slopes, None, None, None


def _loss_and_slope(ce: Tensor, gamma: Tensor | float, p: Tensor, reduction: str) -> tuple[Tensor, Tensor]:
    against = torch.copysign(p.clamp_max(1 - torch.finfo(ce.dtype).eps), -gamma)  # -p where gamma >= 0, else p
    log = torch.log1p(against)
    size = abs(gamma)
    factor = (log * size).exp_()
    loss = ce * factor
    # dp / dce = -p, so d factor / dce = -factor |gamma| against / (1 + against) = factor |gamma| expm1(-log)
    slope = torch.addcmul(factor, loss, (-log).expm1_() * size)
    return reduced(loss, reduction), slope / len(ce) if reduction == "mean" else slope


class FocalLoss(Loss):
    """Focal loss -(1 - p)^gamma log p with one gamma for all samples (Lin et al. 2017).

    Args:
        gamma: >= 0; 0 is cross entropy.
        reduction: see `Loss`.
    """

    def __init__(self, gamma: float = 3.0, reduction: str = "mean"):
        super().__init__(reduction)
        self.gamma = check_finite("gamma", gamma)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in nats."""
        return modulated(logits, targets, self.gamma, self.reduction)


class InverseFocalLoss(FocalLoss):
    """Inverse focal loss -(1 + p)^gamma log p, which strengthens easy samples (Eq. 1; Wang et al. 2021).

    Args:
        gamma: in [0, 100]; 0 is cross entropy. AdaFocal writes this gamma with a minus sign.
        reduction: see `Loss`.
    """

    def __init__(self, gamma: float = 1.0, reduction: str = "mean"):
        super().__init__(gamma, reduction)
        if gamma > LARGEST_INVERSE_GAMMA:
            raise ValueError(f"gamma must be <= {LARGEST_INVERSE_GAMMA:g}, beyond which float32 overflows, got {gamma}")

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in nats."""
        return modulated(logits, targets, -self.gamma, self.reduction)


class FLSDLoss(Loss):
    """Sample-dependent focal loss FLSD-53: gamma 5 where p < 0.2, else 3 (Mukhoti et al. 2020).

    p is the true class's current probability; gamma is a constant in the backward pass.
    """

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in nats."""
        return modulated(logits, targets, lambda p: torch.where(p < 0.2, 5.0, 3.0), self.reduction)
