"""Tables of a score per method and dataset-model pair, collected from run records.

A table of the paper is a `Table` in a module of its own; `figures.render` writes it as Markdown, CSV and LaTeX.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments import grid, records
from experiments.grid import Run
from experiments.recipes import TABLE_METHODS
from experiments.records import Record
from figures import paper


@dataclass(frozen=True)
class Block:
    """A group of columns, one a method.

    Attributes:
        name: key of the group in `paper.csv` and in the table's CSV.
        title: what the reader sees.
        score: the value of one run; in percent where the title says so.
        temperature: the temperature shown in brackets, or None.
    """

    name: str
    title: str
    score: Callable[[Record], float]
    temperature: Callable[[Record], float] | None = None


@dataclass(frozen=True)
class Table:
    """A table of the paper: `name` is its make target and the name of its files."""

    name: str
    title: str
    notes: str
    blocks: tuple[Block, ...]
    methods: tuple[str, ...] = TABLE_METHODS


@dataclass(frozen=True)
class Cell:
    """One method on one dataset-model pair: statistics over seeds, None where there is no run."""

    mean: float | None
    std: float | None  # of the sample (n - 1), None for a single seed
    seeds: int
    temperature: float | None
    paper: paper.PaperCell | None
    lowest: bool = False

    def text(self, wanted: int, plus_minus: str = "±", bold: str = "**{}**") -> str:
        """The cell as it is shown: mean ± std, the mean temperature, fewer seeds than wanted, the paper's number."""
        if self.mean is None:
            shown = "–"
        else:
            shown = f"{self.mean:.2f}" + (f" {plus_minus} {self.std:.2f}" if self.std is not None else "")
            shown = bold.format(shown) if self.lowest else shown
            shown += f" ({self.temperature:.2f})" if self.temperature is not None else ""
            shown += f" n={self.seeds}" if self.seeds != wanted else ""
        if self.paper is not None:
            shown += f" [{self.paper.value:.2f}" + (
                f" ({self.paper.temperature:.2f})]" if self.paper.temperature else "]"
            )
        return shown


@dataclass(frozen=True)
class Filled:
    """A table with its cells: `cells[block][pair][method]`, the runs that are missing and where the rest was made."""

    table: Table
    scale: str
    cells: dict[str, dict[tuple[str, str], dict[str, Cell]]]
    missing: list[Run]
    devices: list[str]
    data_notes: list[str]  # what the runs' records say of their data, such as the word vectors that were used


def fill(table: Table, scale: str, runs: Path) -> Filled:
    """Collect a table's cells from the records of one scale.

    Raises:
        ValueError: an unknown scale.
    """
    wanted = grid.runs_of(table.name, scale)
    found = {run: records.find(run, runs) for run in wanted}
    cells = {
        block.name: {
            pair: _mark_lowest(
                {
                    method: _cell(table, block, pair, method, [
                        record for run, record in found.items()
                        if record is not None and (run.dataset, run.model) == pair and run.method == method
                    ])
                    for method in table.methods
                }
            )
            for pair in grid.PAIRS[scale]
        }
        for block in table.blocks
    }  # fmt: skip
    done = [record for record in found.values() if record is not None]
    return Filled(
        table,
        scale,
        cells,
        missing=[run for run in wanted if found[run] is None],
        devices=sorted({record.config["environment"]["device"] for record in done}),
        data_notes=sorted({note for record in done if (note := record.config.get("note"))}),
    )


def _cell(table: Table, block: Block, pair: tuple[str, str], method: str, done: list[Record]) -> Cell:
    scores = np.array([block.score(record) for record in done])
    return Cell(
        mean=float(scores.mean()) if done else None,
        std=float(scores.std(ddof=1)) if len(done) > 1 else None,
        seeds=len(done),
        temperature=float(np.mean([block.temperature(r) for r in done])) if done and block.temperature else None,
        paper=paper.cells().get((table.name, block.name, *pair, method)),
    )


def _mark_lowest(row: dict[str, Cell]) -> dict[str, Cell]:
    means = [cell.mean for cell in row.values() if cell.mean is not None]
    return {
        method: Cell(**{**vars(cell), "lowest": len(means) > 1 and cell.mean == min(means)})
        for method, cell in row.items()
    }


def to_fill(filled: Filled) -> str:
    """What the user can run to get the missing cells; empty where none is missing."""
    if not filled.missing:
        return ""
    command = f"python -m experiments.run --for {filled.table.name} --scale {filled.scale}"
    pairs = dict.fromkeys((run.dataset, run.model) for run in filled.missing)
    lines = [f"\n  {command} --dataset {dataset} --model {model}" for dataset, model in pairs]
    return f"{len(filled.missing)} runs are missing. To train them:{''.join(lines)}"
