"""What the audit is given: predictions to report on, predictions to fit calibrators to, and which calibrators."""

import warnings
from pathlib import Path

import numpy as np

from experiments.records import predictions
from experiments.records.predictions import Predictions
from posthoc import CALIBRATORS, build


def part(path: Path, *names: str, probabilities: bool, binary: bool) -> Predictions | None:
    """The first of some parts that a file has (see `predictions.read`), as logits; None where it has none of them.

    Calibrators take logits: log p has the same softmax, and that of 0 is -inf.
    """
    found = next(filter(None, (predictions.read(path, name, probabilities, binary) for name in names)), None)
    if found is None or not probabilities:
        return found
    with np.errstate(divide="ignore"):
        return Predictions(np.log(found.scores), found.labels, found.classes)


def load(path: Path, val_path: Path | None, options) -> tuple[Predictions, Predictions | None, list[str]]:
    """The predictions to report on, those to fit calibrators to, and what is to be said of the files.

    Args:
        path: the file to report on.
        val_path: the file with validation predictions; None for those that `path` may hold.
        options: with `probabilities` and `binary`.
    """
    how = {"probabilities": options.probabilities, "binary": options.binary}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        test = part(path, "test", "", **how)
        val = part(val_path, "val", "", **how) if val_path else part(path, "val", **how)
    try:
        val = val and val.in_order_of(test)
    except ValueError as error:
        raise ValueError(f"{val_path or path}: {error} in {path}") from None
    return test, val, list(dict.fromkeys(f"Note: {warning.message}." for warning in caught))


def choose(names: list[str] | None, num_classes: int) -> tuple[list[str], list[str]]:
    """The calibrators to fit, and what is to be said of those left out; named ones are fitted whatever their size.

    Raises:
        ValueError: an unknown name.
    """
    for name in names or ():
        build(name)
    if names:
        return names, []
    chosen = [name for name, entry in CALIBRATORS.items() if entry.takes(num_classes)]
    left_out = [name for name in CALIBRATORS if name not in chosen]
    return chosen, [
        f"Left out with more than {CALIBRATORS[name].max_classes} classes: {CALIBRATORS[name].label}, whose parameters "
        f"are too many; --calibrators {name} fits it."
        for name in left_out
    ]
