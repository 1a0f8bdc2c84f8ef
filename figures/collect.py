"""The run records that a table or figure is made from, and which of them are missing."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments import grid, records
from experiments.grid import Column, Experiment, Run
from experiments.records import LeftOut, Record, RecordError
from experiments.scales import SCALES

Find = Callable[[Run], Record | None]


@dataclass(frozen=True)
class Collection:
    """What there is of a table's or figure's runs at one scale.

    Attributes:
        name: the table's or figure's key in `grid.EXPERIMENTS`.
        scale: one of `scales.SCALES`.
        found: every run that it is made from, with its record or None.
        runs: the folder of the user's records, where it is known.
        left_out: the runs whose records are published without what is shown here.
    """

    name: str
    scale: str
    found: dict[Run, Record | None]
    runs: Path | None = None
    left_out: tuple[Run, ...] = ()

    @property
    def experiment(self) -> Experiment:
        """What it is made from."""
        return grid.experiment(self.name, self.scale)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The dataset-model pairs."""
        return self.experiment.pairs_at(self.scale)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is compared."""
        return self.experiment.columns

    @property
    def seeds(self) -> int:
        """Runs a cell, when none is missing."""
        return self.experiment.seeds_at(self.scale)

    def records(self, pair: tuple[str, str], column: Column) -> list[Record]:
        """The records of one cell, in the order of their seeds."""
        runs = grid.cell(self.name, self.scale, pair, column)
        return [record for run in runs if (record := self.found[run]) is not None]

    def of_pair(self, pair: tuple[str, str]) -> list[Record]:
        """The records of all columns of a pair."""
        return [record for column in self.columns for record in self.records(pair, column)]

    @property
    def done(self) -> dict[Run, Record]:
        """The runs that have a record."""
        return {run: record for run, record in self.found.items() if record is not None}

    @property
    def missing(self) -> list[Run]:
        """The runs that have none anywhere."""
        return [run for run, record in self.found.items() if record is None and run not in self.left_out]

    @property
    def where(self) -> str:
        """The option of a command that names the folder of the records; "" where it is the usual one."""
        return grid.runs_option(self.runs)

    @property
    def devices(self) -> list[str]:
        """Where and in which precision the records were made."""
        return sorted({device for record in self.done.values() for device in record.computed_on})

    @property
    def data_notes(self) -> list[str]:
        """What the records say of their data, such as the word vectors that were used."""
        return sorted({note for record in self.done.values() if (note := record.config["note"])})


class Reader:
    """Reads each record once.

    Attributes:
        folder: the user's records.
        known: what was asked for so far.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.known: dict[Run, Record | None] = {}

    def __call__(self, run: Run) -> Record | None:
        """The record of a run, None where there is none."""
        if run not in self.known:
            self.known[run] = records.find(run, self.folder)
        return self.known[run]


def collect(name: str, scale: str, find: Find | Path, needs: tuple[str, ...] = ()) -> Collection:
    """Look for the records of a table or figure.

    Args:
        name: its key in `grid.EXPERIMENTS`.
        scale: one of `scales.SCALES`.
        find: gives the record of a run, or the folder of the records.
        needs: the parts of a record without which it is left out; attributes of `Record`.

    Warns:
        UserWarning: a record that is left out because a part of it is damaged.

    Raises:
        ValueError: an unknown name or scale; records of one pair that were made from different data.
    """
    find = find if callable(find) else Reader(find)
    found, left_out = {}, []
    for run in grid.runs_of(name, scale):
        found[run] = find(run)
        try:
            for part in needs if found[run] is not None else ():
                getattr(found[run], part)
        except RecordError as error:
            found[run] = None
            if isinstance(error, LeftOut):
                left_out.append(run)
            else:
                warnings.warn(f"left out: {error}", stacklevel=2)
    return Collection(name, scale, records.of_one_data_set(found), getattr(find, "folder", None), tuple(left_out))


def how_to_train(collection: Collection) -> str:
    """The commands that train what is missing or left out, one a dataset-model pair; empty where nothing is."""
    lines = []
    for what, runs, option in (
        ("Missing runs", collection.missing, ""),
        ("Published without bins or predictions", collection.left_out, " --anew"),
    ):
        lines += [f"{what}: {len(runs)}. To train them:"] if runs else []
        for (dataset, model), which in _of_pairs(collection, runs):
            command = f"python -m experiments.run --for {collection.name} --scale {collection.scale}{option}"
            lines.append(f"  {command}{collection.where} --dataset {dataset} --model {model}  # {which}")
    return "\n".join(lines)


def _of_pairs(collection: Collection, runs: Iterable[Run]) -> Iterator[tuple[tuple[str, str], str]]:
    """The dataset-model pairs of runs, each with which of its methods and seeds they are, and their time if known."""
    pairs: dict[tuple[str, str], dict[str, list[int]]] = {}
    for run in runs:
        method = "+".join((run.method, *run.overrides))
        pairs.setdefault((run.dataset, run.model), {}).setdefault(method, []).append(run.seed)
    for pair, methods in pairs.items():
        hours = SCALES[collection.scale].core_hours.get(pair)
        time = f"; about {hours * sum(map(len, methods.values())):.1f} core-hours" if hours else ""
        yield pair, _lacking(methods) + time


def _lacking(methods: dict[str, list[int]]) -> str:
    """Which seeds of which methods, those of equal seeds together: "ce, ls: seeds 0 to 4; adafocal: seed 3"."""
    of_seeds: dict[tuple[int, ...], list[str]] = {}
    for method, seeds in methods.items():
        of_seeds.setdefault(tuple(seeds), []).append(method)
    return "; ".join(f"{', '.join(names)}: {_seeds(seeds)}" for seeds, names in of_seeds.items())


def _seeds(seeds: tuple[int, ...]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"
