"""Brier loss."""

import torch
from torch import Tensor

from losses.base import Loss, at_least_float32, check_shapes, refuse_outside


class BrierLoss(Loss):
    """Squared error of the probabilities against the one-hot target, summed over the classes (Brier 1950).

    With reduction="mean" it is the mean over the batch, as in the experiments of Mukhoti et al. 2020.
    """

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss of [N, K] logits and [N] targets, in [0, 2] a sample."""
        check_shapes(logits, targets)
        probability = torch.softmax(at_least_float32(logits), dim=1)
        hot = torch.zeros_like(probability)  # [N, K]
        try:  # unlike one_hot, a scatter needs no look at the values on a GPU, whose own assertion refuses bad ones
            hot.scatter_(1, targets.long()[:, None], 1.0)
        except RuntimeError:
            refuse_outside(targets, logits.shape[1])
            raise  # something else
        return self.reduce((probability - hot).square().sum(dim=1))
