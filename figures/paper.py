"""The paper's own numbers, from its Tables 1 and 2 (Ghosh et al. 2022; means of 5 runs, percent)."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class PaperCell:
    """A cell of a table of the paper: a value in percent, and the temperature where it gives one."""

    value: float
    temperature: float | None


@cache
def cells() -> dict[tuple[str, str, str, str, str], PaperCell]:
    """All cells, by (table, block, dataset, model, method)."""
    with (Path(__file__).parent / "paper.csv").open() as file:
        return {
            (row["table"], row["block"], row["dataset"], row["model"], row["method"]): PaperCell(
                float(row["value"]), float(row["temperature"]) if row["temperature"] else None
            )
            for row in csv.DictReader(file)
        }
