"""Anybody's predictions: logits and labels out of an .npz or a CSV, checked."""

import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.checks import as_labels, as_scores
from data.errors import DAMAGED_NPZ
from data.files.foreign import told
from experiments.records import csv_columns


@dataclass(frozen=True)
class Predictions:
    """What a model said of N samples: `scores, labels = predictions`.

    Attributes:
        scores: [N, K] float64 logits, or probabilities.
        labels: [N] int64 in [0, K).
        classes: the names of the K columns of a table; () where the file has none.
    """

    scores: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.scores, self.labels))

    def in_order_of(self, other: "Predictions") -> "Predictions":
        """The same with the classes in the order of another file's.

        Raises:
            ValueError: another number of classes, or others by name.
        """
        if (ours := self.scores.shape[1]) != (theirs := other.scores.shape[1]):
            raise ValueError(f"{ours} classes, there are {theirs}")
        if not self.classes or not other.classes or self.classes == other.classes:
            return self
        if lacking := [name for name in other.classes if name not in self.classes]:
            raise ValueError(f"no class column is called {lacking[0]!r}, as one is")
        order = [self.classes.index(name) for name in other.classes]
        return Predictions(self.scores[:, order], np.argsort(order)[self.labels], other.classes)


def read(path: Path, part: str = "", probabilities: bool = False, binary: bool = False) -> Predictions | None:
    """Read predictions.

    Args:
        path: an .npz with `logits` (or `probabilities`) and `labels`, or with `<part>_logits` and `<part>_labels`, as a
            run's `predictions.npz`; or a table (see `csv_columns`) with a column `label` and a column a class. A single
            column is the score of the second of two classes.
        part: "val" or "test": which part of an .npz that holds several; "" for the one without a name.
        probabilities: the scores are probabilities, not logits.
        binary: they must be a single column.

    Returns:
        The predictions; None where a named part is not in the file. Warns of columns that are left out, and of what
        `calibration.checks.as_scores` warns of.

    Raises:
        ValueError: one line that names the file: it cannot be read, holds pickles, is something else, lacks arrays, or
            holds NaN, +inf, labels outside [0, K) or shapes that disagree.
    """
    try:
        classes = ()
        if csv_columns.is_table(path):
            found, classes = (None, ()) if part else csv_columns.read(path)
        else:
            found = _read_npz(path, part, probabilities)
        if found is None:
            return None
        scores = as_scores(_two_columns(found[0], probabilities, binary), from_logits=not probabilities)
        labels = as_labels(found[1], *scores.shape)
        if not probabilities and _look_like_probabilities(scores.numpy()):
            warnings.warn("the logits look like probabilities: none is negative, and each row adds up to 1")
        return Predictions(scores.numpy(), labels.numpy(), classes if len(classes) == scores.shape[1] else ())
    except DAMAGED_NPZ as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error


def _look_like_probabilities(scores: np.ndarray) -> bool:
    return len(scores) > 1 and bool((scores >= 0).all() and (np.abs(scores.sum(axis=1) - 1) < 1e-3).all())


def _read_npz(path: Path, part: str, probabilities: bool) -> tuple[np.ndarray, np.ndarray] | None:
    kind = "probabilities" if probabilities else "logits"
    with path.open("rb") as file:
        head = file.read(6)
    if head == b"\x93NUMPY":
        raise ValueError(f"expected an .npz with {kind} and labels, got a single array")
    if what := told(path):
        raise ValueError(f"the file {what}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"the file is neither an .npz with {kind} and labels nor called .csv")
    with np.load(path, allow_pickle=False) as arrays:
        names = [f"{part}_{name}" if part else name for name in (kind, "labels")]
        if part and names[0] not in arrays:
            return None
        for name in names:
            if name not in arrays:
                wanted = f"wanted are {names[0]!r} [N, K] and {names[1]!r} [N]"
                raise ValueError(f"no array {name!r}: it has {', '.join(arrays.files) or 'none'}; {wanted}")
        try:
            return arrays[names[0]], arrays[names[1]]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise ValueError(
                f"{names[0]} or {names[1]} holds Python objects, a pickle: save arrays of numbers"
            ) from None


def _two_columns(scores: np.ndarray, probabilities: bool, binary: bool) -> np.ndarray:
    """Scores of one column, [N] or [N, 1], as the two of a binary model; others as they are, or refused if `binary`."""
    kind = "probabilities" if probabilities else "logits"
    is_one = scores.ndim in (1, 2) and scores.shape[1:] in ((), (1,))
    if binary and not is_one:
        raise ValueError(f"a binary model has one column of {kind}, [N] or [N, 1], got shape {scores.shape}")
    if not is_one or scores.dtype.kind != "f":
        return scores
    own = scores.reshape(-1)
    meaning = "p means [1 - p, p]" if probabilities else "z means [0, z]"
    warnings.warn(f"one column of {kind}: taken as those of class 1 of two, {meaning}")
    return np.stack([1 - own if probabilities else np.zeros_like(own), own], axis=1)
