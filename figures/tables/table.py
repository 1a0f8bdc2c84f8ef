"""Tables of a score per method and dataset-model pair, collected from run records.

A table of the paper is a `Table` in `declared.py`; `render.py` writes it as Markdown, CSV and LaTeX.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration import SCORES
from calibration.scores import predictions_of
from experiments import grid
from experiments.grid import Column
from experiments.records import PREDICTIONS, Record, RecordError
from figures import cache, paper
from figures.collect import Collection, Find, collect, how_to_train


@dataclass(frozen=True)
class Block:
    """A group of rows under a title of its own, with a column a method.

    Attributes:
        name: key of the group in `paper.csv` and in the table's CSV.
        title: what the reader sees.
        score: the value of one run; in percent where the title says so. None where the record has no such value.
        temperature: the temperature shown in brackets, or None.
        best: `min` where lower is better, or `max`.
        paper: (table, block) of the paper's numbers in `paper.csv`; None takes the table's and block's own names.
        demo_title: the title at the demo's scale where other data stand in there; "" takes `title`.
        digits: behind the point.
    """

    name: str
    title: str
    score: Callable[[Record], float | None]
    temperature: Callable[[Record], float] | None = None
    best: Callable = min
    paper: tuple[str, str] | None = None
    demo_title: str = ""
    digits: int = 2

    def shown_title(self, scale: str) -> str:
        """The title above the rows of a scale."""
        return (scale == "demo" and self.demo_title) or self.title


@dataclass(frozen=True)
class Table:
    """A table of the paper: `name` is its make target, the name of its files and its key in `grid.EXPERIMENTS`."""

    name: str
    title: str
    notes: str
    blocks: tuple[Block, ...]
    source: str = "the paper's numbers, of 5 runs or of single checkpoints (docs/choices.md)"  # in the rows `paper`
    draw: Callable[["Filled", Path], list[str]] | None = None  # also writes a picture; returns the files' suffixes
    completed_by: str = ""  # the module that adds the blocks' scores to finished records, where training does not

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is compared."""
        return grid.EXPERIMENTS[self.name].columns


@dataclass(frozen=True)
class Cell:
    """One column on one dataset-model pair: statistics over seeds, None where there is no run."""

    mean: float | None
    std: float | None  # of the sample (n - 1), None for a single seed
    seeds: int
    temperature: float | None
    paper: paper.PaperCell | None
    best: bool = False
    digits: int = 2  # behind the point

    def text(self, plus_minus: str = "±", bold: str = "**{}**") -> str:
        """Our part of the cell as it is shown: mean ± std and the mean temperature."""
        if self.mean is None:
            return "–"
        shown = f"{self.mean:z.{self.digits}f}"
        shown += f" {plus_minus} {self.std:.{self.digits}f}" if self.std is not None else ""
        return (bold.format(shown) if self.best else shown) + _in_brackets(self.temperature)

    @property
    def paper_text(self) -> str:
        """The paper's part of the cell as it is shown."""
        return f"{self.paper.value:.2f}{_in_brackets(self.paper.temperature)}" if self.paper else "–"


def _in_brackets(temperature: float | None) -> str:
    return "" if temperature is None else f" ({temperature:.2f})"


def seeds_text(counts: Iterable[int]) -> str:
    """How many seeds there are: "3", or "1 to 3"; "" of none."""
    counts = sorted(set(counts))
    return " to ".join(map(str, counts if len(counts) < 3 else (counts[0], counts[-1])))


@dataclass(frozen=True)
class Filled:
    """A table with its cells, `cells[block][pair][column's key]`, and the records they come from."""

    table: Table
    collection: Collection
    cells: dict[str, dict[tuple[str, str], dict[str, Cell]]]
    unscored: int = 0  # finished runs that lack a block's score, where a command of their own adds it

    @property
    def scale(self) -> str:
        """The scale of the runs."""
        return self.collection.scale


def fill(table: Table, scale: str, find: Find | Path) -> Filled:
    """Collect a table's cells from the records of one scale.

    Args:
        table: the table.
        scale: one of `scales.SCALES`.
        find: gives the record of a run, or the folder of the records.

    Raises:
        ValueError: an unknown scale.
    """
    collection = collect(table.name, scale, find)
    cells = {
        block.name: {
            pair: mark_best(
                {
                    column.key: _cell(table, block, pair, column, collection.records(pair, column))
                    for column in table.columns
                },
                block.best,
            )
            for pair in collection.pairs
        }
        for block in table.blocks
    }
    unscored = {
        run: record
        for run, record in collection.done.items()
        if any(block.score(record) is None for block in table.blocks)
    }
    if table.completed_by:
        return Filled(table, collection, cells, len(unscored))
    left_out = tuple(run for run, record in unscored.items() if record.lacks(PREDICTIONS))
    return Filled(table, replace(collection, left_out=left_out), cells)


def _cell(table: Table, block: Block, pair: tuple[str, str], column: Column, done: list[Record]) -> Cell:
    scored = [(record, score) for record in done if (score := block.score(record)) is not None]
    scores = np.array([score for _, score in scored])
    temperatures = [block.temperature(record) for record, _ in scored] if block.temperature else []
    return Cell(
        mean=float(scores.mean()) if scored else None,
        std=float(scores.std(ddof=1)) if len(scored) > 1 else None,
        seeds=len(scored),
        temperature=float(np.mean(temperatures)) if temperatures else None,
        paper=paper.cells().get((*(block.paper or (table.name, block.name)), *pair, column.key)),
        digits=block.digits,
    )


def mark_best(row: dict[str, Cell], best: Callable) -> dict[str, Cell]:
    """Mark the best of two or more means of a row, and those that lie within its standard deviation."""
    measured = [cell for cell in row.values() if cell.mean is not None]
    if len(measured) < 2:
        return row
    top = best(measured, key=lambda cell: cell.mean)
    near = {key for key, cell in row.items() if cell in measured and abs(cell.mean - top.mean) <= (top.std or 0)}
    return {key: replace(cell, best=key in near) for key, cell in row.items()}


def to_fill(filled: Filled) -> str:
    """What the user can run to get the missing cells; empty where none is missing."""
    lines = [how_to_train(filled.collection)]
    if filled.unscored:
        command = f"python -m {filled.table.completed_by} --for {filled.table.name} --scale {filled.scale}"
        command += filled.collection.where
        lines.append(f"Finished runs without these scores: {filled.unscored}. To add them:\n  {command}")
    return "\n".join(filter(None, lines))


def shown(part: str, name: str) -> Callable[[Record], float | None]:
    """A score of a record as readers see it, in its unit's measure.

    Args:
        part: of `result.json`: "test", or "test_scaled" after temperature scaling.
        name: a key of `calibration.SCORES`; a record that is older than the score has it from its stored logits.

    Returns:
        A function of a record; None where its logits are missing or damaged.
    """

    def score(record: Record) -> float | None:
        value = record.result[part].get(name)
        if value is None:
            value = _from_logits(record, part, name)
        return None if value is None or value != value else SCORES[name].unit.factor * value

    return score


def _from_logits(record: Record, part: str, name: str) -> float | None:
    try:
        inputs = record.predictions_sha256
    except RecordError:
        return None
    temperature = record.result["temperature"] if part.endswith("_scaled") else 1.0
    num_bins = record.config["recipe"]["num_bins"]

    def compute() -> float:
        arrays = record.predictions
        logits = arrays["test_logits"].astype(np.float64) / temperature
        return SCORES[name].of(predictions_of(logits, arrays["test_labels"], num_bins))

    code = cache.code("calibration", packages=("numpy", "scipy", "torch"))
    return cache.number(f"score {name} {num_bins} {temperature} {inputs} {code}", compute)


def before_after(score: str) -> tuple[Block, Block]:
    """Two blocks with a score of `calibration.SCORES`: before, and after temperature scaling with T."""
    return (
        Block("before", "Before temperature scaling", shown("test", score)),
        Block(
            "after",
            "After temperature scaling",
            shown("test_scaled", score),
            temperature=lambda record: record.result["temperature"],
        ),
    )


def score_table(name: str, notes: str, table: str = "") -> Table:
    """A table of one of the scores that every record has, before and after temperature scaling.

    Args:
        name: the score in `calibration.SCORES`.
        notes: what it is.
        table: the table's name; "" takes the score's.
    """
    return Table(
        name=table or name,
        title=f"Test {SCORES[name].header} before and after temperature scaling",
        notes=f"{notes}, on the test set. In round brackets: the temperature T with the lowest ECE_EM on the "
        "validation set, mean over seeds.",
        blocks=before_after(name),
    )


def ablation_table(name: str, title: str, notes: str) -> Table:
    """A table of ECE_EM before and after temperature scaling, and of the error, over the columns of an ablation."""
    error = Block("error", "Error", shown("test", "error"))
    notes += " ECE_EM (%) over 15 equal-mass bins and error (%), on the test set."
    return Table(name, f"{title}: test ECE_EM and error (%)", notes, (*before_after("ece_em"), error))
