"""Anybody's predictions: logits and labels out of an .npz or a CSV, checked."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from calibration.checks import as_labels, as_scores
from data.errors import DAMAGED_NPZ


class Predictions(NamedTuple):
    """What a model said of N samples.

    Attributes:
        scores: [N, K] float64 logits, or probabilities.
        labels: [N] int64 in [0, K).
    """

    scores: np.ndarray
    labels: np.ndarray


def read(path: Path, part: str = "", probabilities: bool = False) -> Predictions | None:
    """Read predictions.

    Args:
        path: an .npz with `logits` (or `probabilities`) and `labels`, or with `<part>_logits` and `<part>_labels`, as a
            run's `predictions.npz`; or a CSV with a column `label` and a column a class, in the order of the classes.
        part: "val" or "test": which part of an .npz that holds several; "" for the one without a name.
        probabilities: the scores are probabilities, not logits.

    Returns:
        The predictions; None where a named part is not in the file.

    Raises:
        ValueError: one line that names the file: it cannot be read, holds pickles, lacks arrays, or holds NaN,
            infinity, labels outside [0, K) or shapes that disagree.
    """
    try:
        if path.suffix.lower() == ".csv":
            found = None if part else _read_csv(path)
        else:
            found = _read_npz(path, part, probabilities)
        if found is None:
            return None
        scores = as_scores(found[0], from_logits=not probabilities)
        labels = as_labels(found[1], *scores.shape)
        return Predictions(scores.numpy(), labels.numpy())
    except DAMAGED_NPZ as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error


def _read_npz(path: Path, part: str, probabilities: bool) -> tuple[np.ndarray, np.ndarray] | None:
    kind = "probabilities" if probabilities else "logits"
    content = np.load(path, allow_pickle=False)
    if not isinstance(content, np.lib.npyio.NpzFile):
        raise ValueError(f"expected an .npz with {kind} and labels, got a single array")
    with content as arrays:
        names = [f"{part}_{name}" if part else name for name in (kind, "labels")]
        if part and names[0] not in arrays:
            return None
        for name in names:
            if name not in arrays:
                raise ValueError(f"no array {name!r}: it has {', '.join(arrays.files) or 'none'}")
        return arrays[names[0]], arrays[names[1]]


def _read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(path)
    if "label" not in table.columns:
        raise ValueError(f"no column 'label': it has {', '.join(map(str, table.columns[:8]))}")
    scores = table.drop(columns="label")
    for name, column in [("label", table["label"]), *scores.items()]:
        if not pd.api.types.is_numeric_dtype(column):
            raise ValueError(f"column {name!r} is not of numbers")
    return scores.to_numpy(np.float64), table["label"].to_numpy()
