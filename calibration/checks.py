"""Checks of what the metrics and calibrators are given: bad input is refused, never scored."""

import numbers
import warnings

import numpy as np
import torch

ROUNDING = 2**-22  # beyond [0, 1]: two steps of float32
NEAR = 1e-3  # of a sum of 1: softmax in a coarse type, nothing to speak of
FAR = 5e-3  # of a sum of 1: still rounding (bfloat16, forests), worth a word
DECIMALS = (2, 3, 4)  # that people round probabilities to; K of them are K / 2 units off at most
FARTHEST = 0.05  # of a sum of 1, whatever K
LARGEST = 2**53  # label that floats hold exactly


def check_count(name: str, value: int, least: int = 1) -> int:
    """Return the argument `name`, or refuse it unless it is an integer >= `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    return int(value)


def check_num_bins(num_bins: int) -> int:
    """Return `num_bins`, or refuse it unless it is an integer >= 1."""
    return check_count("num_bins", num_bins)


def check_level(level: float) -> float:
    """Return the share of intervals that should hold the truth, or refuse it unless it lies in (0, 1)."""
    if not isinstance(level, numbers.Real) or not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level!r}")
    return level


def as_array(values, name: str = "the input") -> np.ndarray:
    """A NumPy array of a tensor (any device, also one that needs a gradient), array or list.

    Raises:
        ValueError: lists of different lengths, or a masked array: naming the argument `name`.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach()
        if values.dtype == torch.bfloat16:  # NumPy has no bfloat16
            values = values.float()
        return values.cpu().numpy()
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked values: leave these samples out")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be one array of numbers: {error}") from None


def as_confidence(confidence) -> np.ndarray:
    """Confidence as [N] float64 in [0, 1], checked; one that float32 rounded beyond 0 or 1 counts as 0 or 1.

    Raises:
        ValueError: not one-dimensional, no samples, NaN, or outside [0, 1].
    """
    confidence = as_array(confidence, "confidence")
    if confidence.ndim != 1:
        raise ValueError(f"confidence must be [N], got shape {confidence.shape}")
    if len(confidence) == 0:
        raise ValueError("confidence is empty: calibration needs at least one sample")
    if confidence.dtype.kind not in "buif":
        raise ValueError(f"confidence must be real numbers, got {confidence.dtype}")
    confidence = confidence.astype(np.float64, copy=False)
    low, high = confidence.min(), confidence.max()  # NaN if any is NaN
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise ValueError(f"confidence must lie in [0, 1] (probabilities, not logits), got values in [{low}, {high}]")
    return confidence if low >= 0 and high <= 1 else confidence.clip(0.0, 1.0)


def as_outcomes(confidence, correct) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and correctness as [N] float64 and [N] bool, checked.

    Raises:
        ValueError: not one-dimensional, shapes that disagree, no samples, a confidence that is NaN or outside [0, 1],
            a correctness other than 0 or 1.
    """
    confidence, correct = as_array(confidence, "confidence"), as_array(correct, "correct")
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ValueError(f"confidence and correct must both be [N], got {confidence.shape} and {correct.shape}")
    confidence = as_confidence(confidence)
    if correct.dtype != bool:
        if not np.isin(correct, (0, 1)).all():
            raise ValueError("correct must hold only True and False (or 0 and 1)")
        correct = correct.astype(bool)
    return confidence, correct


def as_scores(scores, from_logits: bool = True) -> torch.Tensor:
    """Logits (or probabilities) as a [N, K] float64 tensor, checked; on their device, or the CPU if it has no float64.

    A logit may be -inf: a class that the sample cannot have, of probability 0. Probabilities that rounding keeps from
    a sum of 1 are divided by it, with a warning: up to 0.005 off (bfloat16: 0.008), or what K numbers of two, three or
    four decimals can be off (at most 0.05).

    Raises:
        ValueError: not [N, K], no samples or classes, NaN, +inf or a row without a finite value; for probabilities also
            negative values or rows whose sum is farther from 1.
    """
    name = "logits" if from_logits else "probabilities"
    scores = _checked(scores, name, from_logits)
    rounding = torch.finfo(scores.dtype).eps
    return scores.double() if from_logits else _normalised(scores.double(), rounding)


def impossible_row(scores: torch.Tensor, from_logits: bool = True) -> int | None:
    """The first row of [N, K] numbers that no model can mean: NaN, +inf, no finite one, or -inf among probabilities."""
    if torch.isfinite(scores.sum()):  # quick, and nearly always so
        return None
    finite = torch.isfinite(scores)
    sound = (finite | torch.isneginf(scores)).all(dim=1) & finite.any(dim=1) if from_logits else finite.all(dim=1)
    return None if sound.all() else int((~sound).nonzero()[0, 0])


def _normalised(probabilities: torch.Tensor, rounding: float) -> torch.Tensor:
    total = probabilities.sum(dim=1)
    off = (total - 1).abs()
    row = int(off.argmax())
    worst = off[row].item()
    if (probabilities < -ROUNDING).any() or worst > max(FAR + ROUNDING, rounding, _decimals_off(probabilities)):
        raise ValueError(
            f"probabilities must be >= 0 and sum to 1 in every row, got values from {probabilities.min().item():.4g} "
            f"and a sum of {total[row].item():.4g} in row {row}, the farthest off"
        )
    if (probabilities < 0).any():
        probabilities = probabilities.clamp(min=0)
    if worst > NEAR:
        warnings.warn(
            f"probabilities sum to {total.min().item():.4g} to {total.max().item():.4g}, row {row} being the farthest "
            "off: every row is divided by its sum",
            UserWarning,
            stacklevel=3,
        )
        probabilities = probabilities / total[:, None]
    return probabilities


def _decimals_off(probabilities: torch.Tensor) -> float:
    """How far from 1 a sum of [N, K] probabilities may be that were rounded to few decimals; 0 if they were not."""
    for decimals in DECIMALS:
        units = probabilities * 10**decimals
        if (units - units.round()).abs().max() <= 10**decimals * ROUNDING:  # float32 holds no decimal exactly
            return min(probabilities.shape[1] / 2 * 10**-decimals + ROUNDING, FARTHEST)
    return 0.0


def as_logits(logits) -> torch.Tensor:
    """Logits as `as_scores`, but in the float type they come in: for callers that convert a part at a time."""
    return _checked(logits, "logits", from_logits=True)


def _checked(scores, name: str, from_logits: bool) -> torch.Tensor:
    scores = _as_tensor(scores, name)
    if scores.ndim != 2 or 0 in scores.shape:
        hint = "; for two classes give two columns, [0, z] or [1 - p, p]" if scores.ndim == 1 and len(scores) else ""
        raise ValueError(f"{name} must be [N, K] with N >= 1 and K >= 1, got shape {tuple(scores.shape)}{hint}")
    if not scores.is_floating_point():
        raise ValueError(f"{name} must be floating point, got {scores.dtype}")
    scores = scores.cpu() if scores.device.type == "mps" else scores
    if (row := impossible_row(scores, from_logits)) is not None:
        what = "-inf in every class" if from_logits and torch.isneginf(scores[row]).all() else "NaN or infinity"
        raise ValueError(f"{name} must be finite, got {what} in row {row}")
    return scores


def as_labels(labels, num_samples: int, num_classes: int, device="cpu") -> torch.Tensor:
    """Labels as a [N] int64 tensor on `device`, checked.

    Taken too, for they mean one thing only: [N, 1], whole numbers in floats or Python objects, bool where there are two
    classes, and one-hot rows [N, K].

    Raises:
        ValueError: no whole numbers, not [N], or a label outside [0, K).
    """
    labels = _as_tensor(labels, "labels")
    if labels.shape == (num_samples, 1):
        labels = labels[:, 0]
    if labels.is_complex() or (labels.dtype == torch.bool and num_classes != 2 and labels.ndim == 1):
        raise ValueError(f"labels must be integers, got {labels.dtype}")
    if labels.is_floating_point() and not ((labels == labels.round()) & (labels.abs() <= LARGEST)).all():
        raise ValueError(f"labels must be integers, got fractions, NaN or infinity in {labels.dtype}")
    labels = labels.to(torch.int64)  # torch has no minimum of unsigned integers
    if labels.shape == (num_samples, num_classes) and num_classes > 1:
        if not ((labels == 0) | (labels == 1)).all() or not (labels.sum(dim=1) == 1).all():
            raise ValueError("labels [N, K] must be one-hot, a single 1 among 0s a row; else give the argmax")
        labels = labels.argmax(dim=1)
    if labels.shape != (num_samples,):
        raise ValueError(f"labels must be [N] = [{num_samples}] like the logits, got shape {tuple(labels.shape)}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        binary = "; for two classes give the logits in two columns, [0, z]" if num_classes == 1 and high == 1 else ""
        raise ValueError(f"labels must lie in [0, {num_classes}), got values from {low} to {high}{binary}")
    return labels.to(device)


def _as_tensor(values, name: str) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.detach()
    values = as_array(values, name)
    if values.dtype == object and name == "labels":
        values = _unboxed(values)
    if values.dtype.byteorder not in "=|":  # torch takes neither another byte order,
        values = values.astype(values.dtype.newbyteorder("="))
    values = np.require(values, requirements=("C", "W"))  # nor negative strides, nor read-only memory
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError):
        names = "; give each class's number" if name == "labels" and values.dtype.kind in "OSU" else ""
        raise ValueError(f"{name} must be numbers of a type that torch knows, got {values.dtype}{names}") from None


def _unboxed(values: np.ndarray) -> np.ndarray:
    """An array of Python's numbers as one of numbers; anything else as it is."""
    numbers_only = all(isinstance(value, numbers.Real | np.bool_) for value in values.flat)
    return np.array(values.tolist()) if numbers_only else values
