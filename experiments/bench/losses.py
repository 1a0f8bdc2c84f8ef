"""Forward and backward of the losses against `torch.nn.functional.cross_entropy`, eager.

Beside them the plain forms of the focal losses, as autograd differentiates them: not finite everywhere.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

import losses
from experiments.bench.timing import Row, side_by_side

SHAPES = ((128, 10), (128, 1000), (1024, 1000))
LIMITS = {"adafocal": (3, 2, 1.5), "flsd53": (3, 2, 1.5), "mmce": (8, None, None)}


def step(loss: Callable, logits: torch.Tensor, targets: torch.Tensor) -> None:
    """One forward and backward pass."""
    logits.grad = None
    loss(logits, targets).backward()


def plain_adafocal(logits: Tensor, targets: Tensor, gammas: Tensor, edges: Tensor) -> Tensor:
    """Mean of -(1 - p)^gamma log p, or -(1 + p)^|gamma| log p where gamma < 0."""
    ce = F.cross_entropy(logits, targets, reduction="none")
    p = torch.exp(-ce)
    gamma = gammas[torch.bucketize(p.detach(), edges[1:-1], right=True)]
    return (ce * (1 - gamma.sign() * p) ** gamma.abs()).mean()


def plain_flsd53(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean of -(1 - p)^gamma log p with gamma 5 below p = 0.2, else 3."""
    ce = F.cross_entropy(logits, targets, reduction="none")
    p = torch.exp(-ce)
    return (ce * (1 - p) ** torch.where(p < 0.2, 5.0, 3.0)).mean()


def named(logits: Tensor, targets: Tensor) -> Iterator[tuple[str, Callable]]:
    """The losses by name; AdaFocal with the bins and gammas of a first update."""
    for name in ("adafocal", "flsd53", "fl3", "brier", "mmce"):
        loss = losses.build(name).to(logits.device)
        if hasattr(loss, "update"):
            loss.update(logits.detach(), targets)
        yield name, loss
        if name == "adafocal":
            yield "plain adafocal", partial(plain_adafocal, gammas=loss.gammas, edges=loss.edges)
        if name == "flsd53":
            yield "plain flsd53", plain_flsd53


def rows(device: torch.device) -> Iterator[Row]:
    """Every loss at every shape."""
    for (n, k), place in zip(SHAPES, range(len(SHAPES)), strict=True):
        draws = torch.Generator().manual_seed(0)
        logits = torch.randn(n, k, generator=draws).to(device).requires_grad_()
        targets = torch.randint(0, k, (n,), generator=draws).to(device)
        for name, loss in named(logits, targets):
            ours, plain = side_by_side(
                lambda loss=loss, x=logits, y=targets: step(loss, x, y),
                lambda x=logits, y=targets: step(F.cross_entropy, x, y),
                rounds=101,
                calls=10,
            )
            limit = LIMITS.get(name, (None,) * 3)[place]
            yield Row("losses, forward + backward", f"{name} [{n}, {k}]", ours, "cross entropy", plain, limit)
