"""Resuming from a checkpoint that another device may have written, or another process has read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data import Splits
from experiments import records
from experiments.grid import Run
from experiments.training import checkpoint
from experiments.training.distributed import World
from experiments.training.errors import CannotResume


def identity(run: Run, splits: Splits, pretrained_sha256: str | None) -> dict[str, Any]:
    """What a checkpoint must agree on to be resumed."""
    return {
        "recipe": records.deciding(records.as_json(run.recipe)),
        "seed": run.seed,
        "data": [split.fingerprint for split in splits],
        "pretrained": pretrained_sha256,
    }


def load(
    folder: Path, mine: dict[str, Any], parts: dict[str, Any], world: World, say: Callable[[str], None]
) -> dict[str, Any] | None:
    """The newest sound checkpoint of a run's folder, the same one in every process; None where there is none.

    Args:
        folder: the run's.
        mine: `identity` of the run.
        parts: what a checkpoint must hold; only the names count.
        world: the processes that resume together.
        say: gets a line for what the user should know.

    Raises:
        CannotResume: it is of another recipe, seed, data or pretrained encoder, or it lacks a part.
        ValueError: processes that read different checkpoints.
    """
    state = checkpoint.load(folder, say)
    check_same_place(world, state)
    if state is None:
        return None
    path = folder / checkpoint.CURRENT
    state.setdefault("environments", _environments(folder))  # older checkpoints have none
    if lacking := {"identity", *parts} - set(state):
        raise CannotResume(f"{path} is of another version: it lacks {sorted(lacking)}")
    for name, now in mine.items():
        theirs = state["identity"].get(name)
        if (theirs := records.deciding(theirs) if name == "recipe" else theirs) != now:
            raise CannotResume(
                f"{path} was made with another {name}: move the folder away to start again ({_difference(theirs, now)})"
            )
    return state


def _environments(folder: Path) -> list[dict]:
    try:
        return records.environments(json.loads((folder / records.CONFIG).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return []


def with_session(before: list[dict[str, Any]], now: dict[str, Any]) -> list[dict[str, Any]]:
    """The environments of a run's sessions, with the one that begins; in the same place as the last it adds none.

    Args:
        before: of the sessions so far, see `records.environments`.
        now: the new one's.
    """

    def place(environment: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in environment.items() if name not in ("first_epoch", "command")}

    return before if before and place(before[-1]) == place(now) else [*before, now]


def _difference(theirs, mine) -> str:
    if not isinstance(mine, dict):
        return f"{theirs!r}, now {mine!r}"
    return ", ".join(
        f"{name} {theirs.get(name)!r}, now {new!r}" for name, new in mine.items() if theirs.get(name) != new
    )


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give a fresh optimizer a checkpoint's state, without the ways of another device.

    `Optimizer.load_state_dict` takes over how the other device computed, too: `fused`, and tensors in channels-last
    order, whose strides the fused kernel of the CPU ignores. Here every group keeps the flags it was made with,
    and every tensor gets the layout of its parameter. The learning rate, a tensor in a CUDA graph, becomes a number.

    Args:
        optimizer: over the same parameters, in the same groups, as the one that gave `state`.
        state: of `Optimizer.state_dict`, on any device.
    """
    flags = ("fused", "foreach", "capturable")
    groups = [
        theirs | {flag: ours[flag] for flag in flags if flag in ours} | {"lr": float(theirs["lr"])}
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
