"""Tables of predictions: which of a CSV's columns is the label, which is which class, and which is neither."""

import gzip
import re
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from data.files.foreign import told

SUFFIXES = (".csv", ".tsv")
LABEL = "label"
NO_CLASS = re.compile(  # names of columns, in lower case, that are no class unless a label says so
    r"unnamed: \d+|((row|sample|image|example)_)?id|index|idx|row|split|fold|loss|(y_)?pred|preds|predictions?"
    r"|predicted|pred(icted)?_(label|class)|conf(idence)?|correct|targets?|y_true|ground_truth"
)
FAR = 10  # times as many as there are columns: a number beyond does not count them
MANY = 10  # rows, from which a column of nothing but whole numbers beside others is no chance


def is_table(path: Path) -> bool:
    """Whether a file is called like a table: .csv or .tsv, compressed by gzip or not."""
    name = path.name.lower()
    return name.removesuffix(".gz").endswith(SUFFIXES)


def has_label(path: Path) -> bool:
    """Whether the first line of a table names a column `label`; also where there is none, or it cannot be read."""
    try:
        with (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb") as file:
            head = file.readline(2**20).decode("utf-8-sig")
    except (OSError, EOFError, ValueError):
        return True
    return not head.strip() or LABEL in (name.strip().strip("\"'") for name in re.split(r"[,;\t]", head))


def read(path: Path) -> tuple[tuple[np.ndarray, np.ndarray], tuple[str, ...]]:
    """Scores [N, K] float64, labels [N] and names of the classes, of a table with a first line of names.

    Commas, semicolons or tabs separate. The label's column is called `label`. Class columns that end in numbers go in
    the order of these, others in the file's. Columns of other things (an index, `id`, `pred`) are left out with a
    warning. A label may be a class column's name.

    Raises:
        ValueError: no column `label`, no class column, one that is not of numbers, columns that cannot be told from
            class columns, or labels of which nobody knows whether they count from 0 or from 1.
    """
    table = _table(path)
    if LABEL not in table.columns:
        names = ", ".join(map(str, table.columns[:8]))
        raise ValueError(f"no column 'label': it has {names}; the first line must name the columns")
    labels, scores = table[LABEL], table.drop(columns=LABEL)
    if labels.isna().any():  # a class may be called None, or NA
        labels = _table(path, usecols=[LABEL], keep_default_na=False)[LABEL]
    if (labels == "").any():
        raise ValueError(f"row {int((labels == '').to_numpy().argmax()) + 1} has no label")
    classes = class_columns(scores, frozenset(labels) if not _is_number(labels) else frozenset())
    if left_out := [str(name) for name in scores.columns if name not in classes]:
        warnings.warn(f"left out, for they name no class: columns {', '.join(map(repr, left_out))}")
    if not classes:
        raise ValueError("no column of a class beside 'label'")
    if not _is_number(labels):
        number_of = {str(name): number for number, name in enumerate(classes)}
        for label in labels:
            if str(label) not in number_of:
                raise ValueError(f"column 'label' is not of numbers, and no class column is called {str(label)!r}")
        labels = labels.map(lambda label: number_of[str(label)])
    elif re.search(r"(\D|^)0*1$", str(classes[0])) and len(labels) and 1 <= labels.min() <= labels.max() < len(classes):
        raise ValueError(
            f"the classes' columns begin at {classes[0]!r}, and no label is 0 or {len(classes)}: whether labels begin "
            "at 0 or at 1 cannot be told; give the columns' names as labels"
        )
    return (scores[classes].to_numpy(np.float64), labels.to_numpy()), tuple(map(str, classes))


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)  # bool, too


def _table(path: Path, **options) -> pd.DataFrame:
    zipped = path.name.lower().endswith(".gz")
    if not zipped and (what := told(path)):
        raise ValueError(f"the file {what}")
    with (gzip.open if zipped else open)(path, "rb") as file:
        head, first = file.readline(2**20), file.readline(2**20)
    separator = max(",;\t", key=lambda sign: head.count(sign.encode()))
    decimal = "," if separator != "," and b"," in first and b"." not in first else "."
    return pd.read_csv(path, sep=separator, decimal=decimal, compression="gzip" if zipped else None, **options)


def class_columns(scores: pd.DataFrame, named: frozenset = frozenset()) -> list:
    """The columns of classes, in the classes' order.

    Args:
        scores: the columns that are not the label's.
        named: what the labels say if they are names.

    Raises:
        ValueError: columns of which nobody knows whether, or as what, they count.
    """
    known = [name for name in scores.columns if name in named or not NO_CLASS.fullmatch(str(name).strip().lower())]
    series = defaultdict(dict)  # by what stands before the number
    for name in known:
        if match := re.fullmatch(r"(.*?)(\d+)", str(name)):
            series[match[1]][int(match[2])] = name
    series = {prefix: columns for prefix, columns in series.items() if len(columns) > 1}
    of_named = {prefix for prefix, columns in series.items() if named & set(columns.values())}
    if named and named <= set(known) and of_named == set(series):  # whatever the numbers, they are parts of names
        for columns in map(list, map(dict.values, series.values())):
            if named <= set(columns) and 2 * len(columns) > len(known):
                return _of_numbers(scores[columns])
        _check_whole(scores[_of_numbers(scores[known])])
        return known
    if len(series) > 1:
        raise ValueError(
            f"columns {', '.join(repr(prefix + '...') for prefix in series)} could all be those of the classes: leave "
            "one kind of them"
        )
    for prefix, columns in series.items():
        if 2 * len(columns) > len(known):
            numbers = sorted(columns)
            if numbers[0] > FAR * len(numbers):  # parts of names, as in n01443537
                if list(columns) != numbers:
                    raise ValueError(
                        f"columns {prefix + '...'!r} are not in the order of their numbers: give their names as labels"
                    )
                return _of_numbers(scores[list(columns.values())])
            for expected, number in enumerate(numbers, start=min(numbers[0], 1)):
                if number != expected:
                    raise ValueError(f"column {prefix + str(expected)!r} is missing before {columns[number]!r}")
            return _of_numbers(scores[[columns[number] for number in numbers]])
    _check_whole(scores[_of_numbers(scores[known])])
    return known


def _of_numbers(scores: pd.DataFrame) -> list:
    for name, column in scores.items():
        if not _is_number(column):
            raise ValueError(f"column {name!r} is not of numbers")
    return list(scores.columns)


def _check_whole(scores: pd.DataFrame) -> None:
    """Refuse a column of whole numbers among others of fractions: it counts something."""
    values = scores.to_numpy(np.float64)
    whole = (values == np.round(values)).all(axis=0) & (np.abs(values).max(axis=0, initial=0) > 1)
    if len(values) >= MANY and whole.any() and not whole.all():
        name = scores.columns[int(np.flatnonzero(whole)[0])]
        raise ValueError(
            f"column {name!r} has nothing but whole numbers, unlike others: leave it out if it is no class"
        )
