"""What the published records hold, for the documents that quote them."""

from collections.abc import Iterable, Sequence
from functools import cache
from statistics import mean, stdev

import pandas as pd

from experiments import grid, records
from experiments.frame import frame
from experiments.grid import Run
from experiments.recipes import METHODS, recipe
from experiments.records import PUBLISHED, Record

SCALES = ("paper", "quick", "demo")  # the most telling first
NEWSGROUPS = ("newsgroups", "cnn")

# The scores of one cell's runs: a value a seed, as the records have them.
Values = dict[str, list[float]]


@cache
def _frame() -> pd.DataFrame:
    return frame(PUBLISHED)


def values(scale: str, column: str) -> dict[tuple[str, str], Values]:
    """A column of `experiments.frame` by pair and method of the tables, of recipes as they are.

    Pairs without runs of both AdaFocal and cross entropy are left out.
    """
    found = {pair: overridden(scale, pair, "", column) for pair in grid.PAIRS[scale]}
    return {pair: methods for pair, methods in found.items() if methods["adafocal"] and methods["ce"]}


def overridden(scale: str, pair: tuple[str, str], overrides: str, column: str) -> Values:
    """A column of `experiments.frame` of one pair's runs with these overrides ("key=value+..."), by method."""
    runs = _frame()
    runs = runs[(runs["scale"] == scale) & (runs["dataset"] == pair[0]) & (runs["model"] == pair[1])]
    runs = runs[runs["overrides"] == overrides]
    return {name: list(runs[runs["method"] == name][column]) for name in grid.TABLE_METHODS}


def record(method: str, seed: int = 0, scale: str = "paper", overrides: Sequence[str] = ()) -> Record | None:
    """The record of a run of the newsgroups CNN, None where there is none."""
    return records.find(Run.make(scale, *NEWSGROUPS, method, seed, tuple(overrides)), PUBLISHED)


def measured() -> tuple[int, int]:
    """How many of the paper's pairs have records of its schedule, of how many."""
    return len(values("paper", "test_error")), len(grid.PAIRS["paper"])


def epochs(scale: str) -> int:
    """Epochs of the newsgroups CNN."""
    return recipe(*NEWSGROUPS, "ce", scale).epochs


def label(method: str) -> str:
    """What readers call a method."""
    return METHODS[method].label


def percent(shares: Sequence[float], digits: int = 2) -> str:
    """Mean ± sample standard deviation of shares, in percent without the sign."""
    spread = f" ± {100 * stdev(shares):.{digits}f}" if len(shares) > 1 else ""
    return f"{100 * mean(shares):.{digits}f}{spread}"


def seeds(methods: Values) -> str:
    """How many seeds the methods have: "3", or "1 to 3"."""
    counts = sorted({len(shares) for shares in methods.values() if shares})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table whose columns after the first `text_columns` are numbers, aligned to the right."""
    rules = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rules, *rows))
