"""The paper's own numbers in percent.

Tables 1 and 2 are those of Ghosh et al. 2022. Table 8 is Table 3 of the earlier version (ICLR 2022 submission,
openreview CoMOKHYWf2), where only AdaFocal's numbers are means of 5 runs; the baselines' are of single checkpoints.
"""

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
    with (Path(__file__).parent / "paper.csv").open(encoding="utf-8") as file:
        return {
            (row["table"], row["block"], row["dataset"], row["model"], row["method"]): PaperCell(
                float(row["value"]), float(row["temperature"]) if row["temperature"] else None
            )
            for row in csv.DictReader(file)
        }
