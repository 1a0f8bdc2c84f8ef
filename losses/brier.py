"""Brier loss."""

import torch
from torch import Tensor

from losses.base import Loss, at_least_float32, check_shapes


class BrierLoss(Loss):
    """Squared error of the probabilities against the one-hot target, summed over the classes (Brier 1950).

    With reduction="mean" it is the mean over the batch, as in the experiments of Mukhoti et al. 2020.
    """

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in [0, 2] a sample."""
        check_shapes(logits, targets)
        classes = torch.arange(logits.shape[1], device=logits.device)
        hot = targets[:, None] == classes  # [N, K]; unlike one_hot it needs no look at the values
        if targets.device.type == "cpu" and not torch.compiler.is_compiling() and not hot.any(dim=1).all():
            raise ValueError(
                f"targets must lie in [0, {len(classes)}), got values from {targets.min()} to {targets.max()}"
            )
        probability = torch.softmax(at_least_float32(logits), dim=1)
        return self.reduce((probability - hot.to(probability.dtype)).square().sum(dim=1))
