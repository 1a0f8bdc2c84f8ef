"""Going on from a checkpoint that another device, or another process, may have written or read."""

from typing import Any

import torch
from torch import Tensor

from experiments.distributed import World


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


def check_same_place(world: World, state: dict[str, Any] | None) -> None:
    """Refuse processes that go on from different places: a network file system may show each another checkpoint.

    Args:
        world: the processes.
        state: the checkpoint that this one has loaded, if any.

    Raises:
        ValueError: in every process, if they differ.
    """
    mine = [state.get(name, -1) for name in ("epoch", "steps")] if state else [-1, -1]
    places = [tuple(place.tolist()) for place in world.all_of(torch.tensor(mine))]
    if len(set(places)) > 1:
        found = ", ".join(
            f"process {rank}: " + (f"epoch {epoch}, step {steps}" if epoch >= 0 else "none")
            for rank, (epoch, steps) in enumerate(places)
        )
        raise ValueError(f"the processes read different checkpoints ({found}): start the same command again")
