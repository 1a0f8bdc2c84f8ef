"""Checks of what the metrics and calibrators are given: bad input is refused, never scored."""

import numbers

import numpy as np
import torch


def check_num_bins(num_bins: int) -> int:
    """Return `num_bins`, or refuse it unless it is an integer >= 1."""
    if not isinstance(num_bins, numbers.Integral) or isinstance(num_bins, bool) or num_bins < 1:
        raise ValueError(f"num_bins must be an integer >= 1, got {num_bins!r}")
    return int(num_bins)


def as_array(values) -> np.ndarray:
    """A NumPy array of a tensor (any device, also one that needs a gradient), array or list."""
    if isinstance(values, torch.Tensor):
        values = values.detach()
        if values.dtype == torch.bfloat16:  # NumPy has no bfloat16
            values = values.float()
        return values.cpu().numpy()
    return np.asarray(values)


def as_confidence(confidence) -> np.ndarray:
    """Confidence as [N] float64, checked.

    Raises:
        ValueError: not one-dimensional, no samples, NaN, or outside [0, 1].
    """
    confidence = as_array(confidence)
    if confidence.ndim != 1:
        raise ValueError(f"confidence must be [N], got shape {confidence.shape}")
    if len(confidence) == 0:
        raise ValueError("confidence is empty: calibration needs at least one sample")
    if confidence.dtype.kind not in "buif":
        raise ValueError(f"confidence must be real numbers, got {confidence.dtype}")
    confidence = confidence.astype(np.float64, copy=False)
    low, high = confidence.min(), confidence.max()  # NaN if any is NaN
    if not (low >= 0 and high <= 1):
        raise ValueError(f"confidence must lie in [0, 1] (probabilities, not logits), got values in [{low}, {high}]")
    return confidence


def as_outcomes(confidence, correct) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and correctness as [N] float64 and [N] bool, checked.

    Raises:
        ValueError: not one-dimensional, shapes that disagree, no samples, a confidence that is NaN or outside [0, 1],
            a correctness other than 0 or 1.
    """
    confidence, correct = as_array(confidence), as_array(correct)
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

    Raises:
        ValueError: not [N, K], no samples or classes, NaN or infinite values; for probabilities also negative values or
            rows that do not sum to 1 (within 1e-3, or a rounding step of a coarser type).
    """
    name = "logits" if from_logits else "probabilities"
    scores = _finite(scores, name)
    rounding = torch.finfo(scores.dtype).eps
    scores = scores.double()
    if not from_logits:
        total = scores.sum(dim=1)
        if (scores < 0).any() or (total - 1).abs().max() > max(1e-3, rounding):
            raise ValueError(
                "probabilities must be >= 0 and sum to 1 in every row, got values from "
                f"{scores.min().item():.4g} and row sums in [{total.min().item():.4g}, {total.max().item():.4g}]"
            )
    return scores


def as_logits(logits) -> torch.Tensor:
    """Logits as `as_scores`, but in the float type they come in: for who takes a part of them to float64 at a time."""
    return _finite(logits, "logits")


def _finite(scores, name: str) -> torch.Tensor:
    scores = _as_tensor(scores, name)
    if scores.ndim != 2 or 0 in scores.shape:
        raise ValueError(f"{name} must be [N, K] with N >= 1 and K >= 1, got shape {tuple(scores.shape)}")
    if not scores.is_floating_point():
        raise ValueError(f"{name} must be floating point, got {scores.dtype}")
    scores = scores.cpu() if scores.device.type == "mps" else scores
    if not torch.isfinite(scores.sum()) and not (finite := torch.isfinite(scores)).all():  # the sum is quick
        row = int((~finite).any(dim=1).nonzero()[0, 0])
        raise ValueError(f"{name} must be finite, got NaN or infinity in row {row}")
    return scores


def as_labels(labels, num_samples: int, num_classes: int, device="cpu") -> torch.Tensor:
    """Labels as a [N] int64 tensor on `device`, checked.

    Raises:
        ValueError: not integers, not [N], or a label outside [0, K).
    """
    labels = _as_tensor(labels, "labels")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be integers, got {labels.dtype}")
    if labels.shape != (num_samples,):
        raise ValueError(f"labels must be [N] = [{num_samples}] like the logits, got shape {tuple(labels.shape)}")
    labels = labels.to(torch.int64)  # torch has no minimum of unsigned integers
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= num_classes:
        raise ValueError(f"labels must lie in [0, {num_classes}), got values from {low} to {high}")
    return labels.to(device)


def _as_tensor(values, name: str) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.detach()
    values = np.require(values, requirements=("C", "W"))  # torch takes neither negative strides nor read-only memory
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers of a type that torch knows, got {values.dtype}") from None
