"""Batches the loss tests share."""

import math

import torch

from losses import LOSSES, build

NAMES = tuple(LOSSES)
OPTIONS = {"invfl": {"gamma": 2.0}, "calfocal": {"lam": 10.0, "mode": "bin"}}
GAMMAS = (-2.0, -0.5, -0.2, 0.2, 0.5, 0.99, 1.0, 2.0, 3.0, 5.0, 20.0)


def random_batch(n=32, k=10, seed=0, scale=2.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return logits.to(dtype), torch.randint(0, k, (n,), generator=generator)


def from_confidence(confidence, correct, num_classes=2):
    """Logits (float64) whose top probability is `confidence` on class 0, and labels that make it right or wrong."""
    rows = [[math.log(c)] + [math.log((1 - c) / (num_classes - 1))] * (num_classes - 1) for c in confidence]
    return torch.tensor(rows, dtype=torch.float64), torch.tensor([0 if a else 1 for a in correct])


def make(name, **options):
    """The loss of that name after some history: AdaFocal and CalFocal with uneven gammas and edges."""
    loss = build(name, **(OPTIONS.get(name, {}) | options))
    if hasattr(loss, "update"):
        for seed in range(3):
            loss.update(*random_batch(300, 10, seed=100 + seed, scale=2.0))
    if name == "adafocal":
        loss.gammas.copy_(torch.tensor([GAMMAS[b % len(GAMMAS)] for b in range(loss.gammas.numel())]))
    return loss


def value_and_grad(loss, logits, targets):
    """The loss (summed if it is per sample) and its gradient in the logits."""
    leaf = logits.detach().clone().requires_grad_()
    value = loss(leaf, targets)
    value.sum().backward()
    return value.detach(), leaf.grad
