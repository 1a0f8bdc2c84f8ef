"""Bins of confidence: the one place where bin edges and bin indices are made.

Losses, metrics, figures and the trainer all ask this file, so a sample lies in the same bin wherever it is counted:
bins are [lower, upper), the last one is closed, and samples of equal confidence are never split.
"""

from dataclasses import dataclass

import numpy as np
import torch

from calibration.checks import as_array, as_confidence, as_outcomes, check_num_bins


def equal_width_edges(num_bins: int) -> np.ndarray:
    """Edges of `num_bins` bins of equal width on [0, 1].

    Returns:
        [M + 1] float64, from 0 to 1.

    Raises:
        ValueError: `num_bins` is not an integer >= 1.
    """
    num_bins = check_num_bins(num_bins)
    return np.arange(num_bins + 1) / num_bins  # linspace rounds 3/10 up, and 0.3 would miss its bin


def equal_mass_edges(confidence, num_bins: int) -> np.ndarray:
    """Edges of `num_bins` bins that hold equally many samples, as far as ties allow.

    The edges are the linearly interpolated quantiles, bit for bit those of
    `np.quantile(confidence, np.linspace(0, 1, M + 1))`. Ties make equal edges, and so empty bins: a constant predictor
    has all its samples in the last bin.

    Args:
        confidence: [N] in [0, 1].
        num_bins: M.

    Returns:
        [M + 1] float64, ascending, from the lowest to the highest confidence.

    Raises:
        ValueError: no samples, a confidence that is NaN or outside [0, 1], `num_bins` not an integer >= 1.
    """
    num_bins = check_num_bins(num_bins)
    return quantile_edges(np.sort(as_confidence(confidence)), num_bins, 0, num_bins)


def quantile_edges(ranked: np.ndarray, num_bins: int, first: int, last: int) -> np.ndarray:
    """The edges number `first` to `last` of the equal-mass bins of an ascending sample, without the others."""
    fraction = np.arange(first, last + 1) * (1.0 / num_bins)
    if last == num_bins:
        fraction[-1] = 1.0
    position = fraction * (len(ranked) - 1)
    below = np.floor(position).astype(np.int64)
    a, b = ranked[below], ranked[np.minimum(below + 1, len(ranked) - 1)]
    t = position - below
    # NumPy's own form of a + (b - a) t, which is monotone in t and exact at both ends
    return np.where(t >= 0.5, b - (b - a) * (1 - t), a + (b - a) * t)


def bin_index(values, edges):
    """Index of the bin that each value falls in.

    Values below the first edge belong to the first bin, values above the last edge to the last bin.

    Args:
        values: [...] array or tensor.
        edges: [M + 1] ascending, of the same library, type and device as `values`.

    Returns:
        [...] int64 in 0 .. M - 1, of the library of `values`.
    """
    if isinstance(values, torch.Tensor):
        return torch.bucketize(values, edges[1:-1], right=True)  # [lower, upper), last bin closed
    return np.searchsorted(edges[1:-1], values, side="right")


def equal_width_index(values: np.ndarray, num_bins: int) -> np.ndarray:
    """What `bin_index` gives for values in [0, 1], or a rounding step outside, and the edges of equal width.

    It searches only near an edge.
    """
    scaled = values * num_bins
    index, edge = np.minimum(scaled.astype(np.int64), num_bins - 1), np.rint(scaled)
    near = (np.abs(scaled - edge) <= num_bins * 1e-12) & (edge > 0)  # rounding may have put these beyond the edge
    if near.any():
        index[near] = bin_index(values[near], equal_width_edges(num_bins))
    return index


@dataclass(frozen=True, eq=False)
class BinStats:
    """What is known of each of M bins; every array is [M]. An empty bin has count 0 and NaN for its means.

    Attributes:
        lower: lower edge, inclusive.
        upper: upper edge, exclusive but for the last bin.
        count: number of samples, int64.
        confidence: mean confidence C_b, in [0, 1].
        accuracy: share of correct samples A_b, in [0, 1].
    """

    lower: np.ndarray
    upper: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """Calibration error E_b = C_b - A_b: positive where the model is over-confident."""
        return self.confidence - self.accuracy

    @property
    def edges(self) -> np.ndarray:
        """[M + 1] bin edges."""
        return np.append(self.lower, self.upper[-1])

    @property
    def num_bins(self) -> int:
        """M."""
        return len(self.count)

    @property
    def ece(self) -> float:
        """Expected calibration error of these bins: the mean over samples of |gap|, in [0, 1]."""
        return float(np.nansum(self.count * np.abs(self.gap)) / self.count.sum())


def bin_stats(confidence, correct, edges) -> BinStats:
    """Count, mean confidence and accuracy of every bin.

    Args:
        confidence: [N] in [0, 1].
        correct: [N] bool (or 0 and 1).
        edges: [M + 1] ascending. Samples outside [edges[0], edges[-1]] belong to the first and the last bin, so that
            every sample is counted exactly once.

    Returns:
        BinStats over the M bins.

    Raises:
        ValueError: shapes that disagree, no samples, a confidence outside [0, 1] or NaN, edges that descend.
    """
    confidence, correct = as_outcomes(confidence, correct)
    edges = as_array(edges, "edges").astype(np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) >= 0).all():
        raise ValueError(f"edges must be [M + 1] ascending numbers, got {edges}")
    num_bins = len(edges) - 1
    index = bin_index(confidence, edges)
    count = np.bincount(index, minlength=num_bins)
    total = np.where(count > 0, count, np.nan)  # an empty bin's means are NaN
    return BinStats(
        lower=edges[:-1],
        upper=edges[1:],
        count=count,
        confidence=np.bincount(index, weights=confidence, minlength=num_bins) / total,
        accuracy=np.bincount(index, weights=correct, minlength=num_bins) / total,
    )
