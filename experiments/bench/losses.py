"""Forward and backward of the losses against `torch.nn.functional.cross_entropy`, eager."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

import losses
from experiments.bench.timing import Row, side_by_side

SHAPES = ((128, 10), (128, 1000), (1024, 1000))
LIMITS = {"adafocal": (3, 2, 1.5), "flsd53": (3, 2, 1.5), "mmce": (8, None, None)}


def step(loss: Callable, logits: torch.Tensor, targets: torch.Tensor) -> None:
    """One forward and backward pass."""
    logits.grad = None
    loss(logits, targets).backward()


def rows(device: torch.device) -> Iterator[Row]:
    """Every loss at every shape; AdaFocal with the bins and gammas of a first update."""
    for (n, k), place in zip(SHAPES, range(len(SHAPES)), strict=True):
        draws = torch.Generator().manual_seed(0)
        logits = torch.randn(n, k, generator=draws).to(device).requires_grad_()
        targets = torch.randint(0, k, (n,), generator=draws).to(device)
        for name in ("adafocal", "flsd53", "fl3", "brier", "mmce"):
            loss = losses.build(name).to(device)
            if hasattr(loss, "update"):
                loss.update(logits.detach(), targets)
            ours, plain = side_by_side(
                lambda loss=loss, x=logits, y=targets: step(loss, x, y),
                lambda x=logits, y=targets: step(F.cross_entropy, x, y),
                rounds=101,
                calls=10,
            )
            limit = LIMITS.get(name, (None,) * 3)[place]
            yield Row("losses, forward + backward", f"{name} [{n}, {k}]", ours, "cross entropy", plain, limit)
