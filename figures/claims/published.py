"""Scores of the published runs, and how the documents show them."""

from collections.abc import Iterable, Sequence
from functools import cache
from statistics import mean, stdev

import pandas as pd

from experiments import grid, records
from experiments.grid import Column, Run
from experiments.methods import METHODS
from experiments.records import PUBLISHED, PUBLISHED_DEMO, Record
from experiments.records.dataframe import frame
from experiments.scales import SCALES, Pair
from figures.tables.table import seeds_text

COUNTED = ("paper", "small", "demo")  # scales whose records count for a claim, the most telling first
ENOUGH = 3  # seeds of every method, below which a pair does not count
NEWSGROUPS = ("newsgroups", "cnn")
Values = dict[str, list[float]]  # a score of one pair's runs, by method, a value a seed


@cache
def runs() -> pd.DataFrame:
    """Every published run, as `experiments.records.dataframe` gives them."""
    return frame(PUBLISHED)


def values(scale: str, pair: Pair, column: str, overrides: str = "") -> Values:
    """A column of `runs` of one pair, by method of the tables.

    Args:
        scale: of the runs.
        pair: dataset and model.
        column: of `runs`.
        overrides: "key=value+..." of the runs; "": recipes as they are.
    """
    found = runs()
    if not len(found):
        return {name: [] for name in grid.TABLE_METHODS}
    found = found[(found["scale"] == scale) & (found["dataset"] == pair[0]) & (found["model"] == pair[1])]
    found = found[found["overrides"] == overrides]
    return {name: list(found[found["method"] == name][column]) for name in grid.TABLE_METHODS}


def measured(scale: str) -> list[Pair]:
    """The pairs of a scale's tables that have enough runs of every method."""
    found = {pair: values(scale, pair, "test_error").values() for pair in SCALES[scale].pairs}
    return [pair for pair, methods in found.items() if min(map(len, methods)) >= ENOUGH]


def column_values(scale: str, pair: Pair, column: Column, score: str) -> list[float]:
    """A score of one column of an ablation, a value a seed."""
    run = Run.make(scale, *pair, column.method, 0, column.overrides)
    return values(scale, pair, score, "+".join(run.overrides))[column.method]


def record(scale: str, pair: Pair, method: str, seed: int = 0, overrides: tuple[str, ...] = ()) -> Record | None:
    """The published record of one run, None where there is none."""
    return records.find(
        Run.make(scale, *pair, method, seed, overrides), PUBLISHED_DEMO if scale == "demo" else PUBLISHED
    )


def label(method: str) -> str:
    """What readers call a method."""
    return METHODS[method].label


def percent(shares: Sequence[float], digits: int = 2) -> str:
    """Mean ± sample standard deviation of shares, in percent without the sign; "–" where there are none."""
    if not shares:
        return "–"
    spread = f" ± {100 * stdev(shares):.{digits}f}" if len(shares) > 1 else ""
    return f"{100 * mean(shares):.{digits}f}{spread}"


def plain(numbers: Sequence[float]) -> str:
    """As `percent`, of numbers as they are."""
    return percent([number / 100 for number in numbers])


def seeds(methods: Values) -> str:
    """How many seeds the methods have: "3", or "1 to 3"."""
    return seeds_text(map(len, methods.values()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table whose columns after the first `text_columns` are numbers, aligned to the right."""
    rules = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rules, *rows))
