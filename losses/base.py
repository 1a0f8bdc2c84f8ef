"""What every loss shares: checks, the per-sample cross entropy in float32 or better, reduction."""

import inspect
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REDUCTIONS = ("mean", "sum", "none")
NO_LABEL = -(1 << 62)  # an ignore_index that no label has: every label outside [0, K) is an error, -100 too


def check_shapes(logits: Tensor, targets: Tensor) -> None:
    """Refuse anything but [N, K] floating logits and [N] integer targets. Reads no values: no device is waited for."""
    if logits.ndim != 2 or targets.shape != logits.shape[:1]:
        raise ValueError(f"need logits [N, K] and targets [N], got {tuple(logits.shape)} and {tuple(targets.shape)}")
    if not logits.is_floating_point():
        raise ValueError(f"logits must be floating point, got {logits.dtype}")
    if targets.is_floating_point() or targets.dtype == torch.bool:
        raise ValueError(f"targets must be integer class labels, got {targets.dtype}")


def refuse_outside(targets: Tensor, num_classes: int) -> None:
    """Refuse labels outside [0, K). Waits for the device: only for when an operation has already failed."""
    low, high = targets.min(), targets.max()
    if low < 0 or high >= num_classes:
        raise ValueError(f"targets must lie in [0, {num_classes}), got values from {low} to {high}") from None


def at_least_float32(logits: Tensor) -> Tensor:
    """float16 and bfloat16 become float32; float32 and float64 stay."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0, reduction: str = "none") -> Tensor:
    """Cross entropy -log p of the true class, in float32 or better.

    Args:
        logits: [N, K] of any float type.
        targets: [N] integers in [0, K). Checked on the CPU; a GPU's own assertion ends the process, as in
            `torch.nn.functional.cross_entropy`.
        label_smoothing: share of the target spread evenly over all classes.
        reduction: "mean", "sum" or "none".

    Returns:
        Nats: [N], or their mean or sum.

    Raises:
        ValueError: shapes or types that do not fit; on the CPU, a label outside [0, K).
    """
    check_shapes(logits, targets)
    try:
        return F.cross_entropy(
            at_least_float32(logits),
            targets.long(),
            ignore_index=NO_LABEL,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    except IndexError:
        refuse_outside(targets, logits.shape[1])
        raise


def check_finite(name: str, value: float) -> float:
    """Refuse a negative, infinite or NaN option."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and >= 0, got {value}")
    return float(value)


def reduced(values: Tensor, reduction: str) -> Tensor:
    """[N] per-sample losses to their mean or sum, or as they are ("none")."""
    if reduction == "mean":
        return values.mean()
    return values.sum() if reduction == "sum" else values


class Loss(nn.Module):
    """Base of the losses: `loss(logits, targets)` with logits [N, K] of any float type and integer targets [N].

    Args:
        reduction: "mean" or "sum" over the batch (a scalar), or "none" ([N]).

    Raises:
        ValueError: another reduction.
    """

    def __init__(self, reduction: str = "mean"):
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}")
        self.reduction = reduction

    def reduce(self, values: Tensor) -> Tensor:
        """[N] per-sample losses to what `reduction` asks for."""
        return reduced(values, self.reduction)

    def extra_repr(self) -> str:
        """The options this loss was made with: every argument of a loss is kept under its own name."""
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in inspect.signature(type(self)).parameters)


class CrossEntropyLoss(Loss):
    """Cross entropy (CE), or label smoothing (LS): torch's own, in float32 or better.

    Args:
        label_smoothing: share of the target spread evenly over all classes; the paper's LS-0.05 has 0.05.
        reduction: see `Loss`.
    """

    def __init__(self, label_smoothing: float = 0.0, reduction: str = "mean"):
        super().__init__(reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError(f"label_smoothing must lie in [0, 1], got {label_smoothing}")
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in nats."""
        return self.reduce(cross_entropy(logits, targets, self.label_smoothing))
