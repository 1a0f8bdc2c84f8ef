"""Where and how runs are trained: settings that change no number."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from experiments.training.distributed import ALONE, World


def _nothing(row: dict) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Session:
    """Where runs find their data and leave their records, on which device they train, and who is told.

    Attributes:
        data_root: where datasets lie; None takes `data.load`'s default.
        runs: the folder of run records.
        device: where to train.
        download: fetch a missing dataset or pretrained encoder.
        pretrained: folder of the recipe's pretrained encoder; None looks in the data root.
        checkpoint_seconds: shortest time between two checkpoints, which are taken at the end of an epoch.
        say: gets a line for what the user should know.
        on_epoch: called after every epoch with its row of `history.csv`.
        should_stop: asked after every step; once it says yes, the run writes a checkpoint and stops.
        world: the processes that train a run together; the one of rank 0 writes.
    """

    data_root: str | None = None
    runs: Path = Path("runs")
    device: torch.device | str = "cpu"
    download: bool = False
    pretrained: Path | None = None
    checkpoint_seconds: float = 60.0
    say: Callable[[str], None] = print
    on_epoch: Callable[[dict], None] = _nothing
    should_stop: Callable[[], bool] = _never
    world: World = ALONE

    @classmethod
    def of(cls, options, **others) -> "Session":
        """The session of a command's parsed options (see `command.add_session_options`)."""
        names = ("data_root", "runs", "device", "download", "checkpoint_seconds")
        return cls(**{name: getattr(options, name) for name in names}, **others)
