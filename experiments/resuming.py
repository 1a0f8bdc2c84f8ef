"""Going on from a checkpoint that another device, or another process, may have written or read."""

from typing import Any

import torch
from torch import Tensor


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give a fresh optimizer a checkpoint's state, without the ways of another device.

    `Optimizer.load_state_dict` takes over how the other device computed, too: `fused`, and tensors in channels-last
    order, whose strides the fused kernel of the CPU ignores. Here every group keeps the flags it was made with, and
    every tensor gets the layout of its parameter.

    Args:
        optimizer: over the same parameters, in the same groups, as the one that gave `state`.
        state: of `Optimizer.state_dict`, on any device.
    """
    flags = ("fused", "foreach", "capturable")
    groups = [
        theirs | {flag: ours[flag] for flag in flags if flag in ours}
        for theirs, ours in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict(state | {"param_groups": groups})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter).copy_(value)  # in the parameter's memory format
