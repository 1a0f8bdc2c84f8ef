"""Spline calibration of the top-label confidence."""

import numbers

import numpy as np
from scipy.interpolate import CubicSpline

from posthoc.top_label import TopLabelCalibrator


class SplineCalibration(TopLabelCalibrator):
    """Calibrated confidence from the slope of a spline through the cumulative gap (Gupta et al. 2021, Section 4).

    The validation samples are sorted by confidence, and (correct - confidence) / N is summed over them. A natural
    cubic spline of the samples' rank in [0, 1] is fitted to the sums by least squares. Its slope at a sample is
    accuracy minus confidence there. New confidences are interpolated linearly between the validation samples, get the
    end's value beyond them, and are kept in [0, 1].

    Samples of equal confidence count with their mean correctness and get the mean of their slopes, so that their order
    does not matter.

    Fewer samples than knots leave the spline open; their mean of correct - confidence is then the slope everywhere.

    Differs from the authors' code, which weighs the two neighbours of a new confidence the wrong way round
    (https://github.com/kartikgupta-at-anu/spline-calibration/issues/1) and depends on the order of ties.

    Args:
        num_knots: knots at equal distances in [0, 1]; the paper has 6.

    Attributes:
        knots_: [num_knots] the spline's values at the knots.
        points_: [P, 2] the different validation confidences, ascending, and what each becomes.
    """

    def __init__(self, num_knots: int = 6):
        if not isinstance(num_knots, numbers.Integral) or num_knots < 3:
            raise ValueError(f"num_knots must be an integer >= 3, got {num_knots!r}")
        self.num_knots = int(num_knots)

    def fit_confidence(self, confidence: np.ndarray, correct: np.ndarray) -> None:
        """Fit the spline and keep its slope at every validation confidence."""
        n = len(confidence)
        points, group, count = np.unique(confidence, return_inverse=True, return_counts=True)
        accuracy = np.bincount(group, weights=correct) / count  # of the samples of equal confidence
        gap = np.cumsum(np.repeat(accuracy - points, count)) / n  # [N], in ascending order of confidence
        rank = np.linspace(0.0, 1.0, n)
        knots = np.linspace(0.0, 1.0, self.num_knots)
        basis = CubicSpline(knots, np.eye(self.num_knots), bc_type="natural")
        self.knots_ = gap[-1] * knots if n < self.num_knots else np.linalg.lstsq(basis(rank), gap, rcond=None)[0]
        slope = basis(rank, 1) @ self.knots_  # [N]
        starts = np.concatenate([[0], np.cumsum(count)[:-1]])
        self.points_ = np.stack([points, points + np.add.reduceat(slope, starts) / count], axis=1)

    def calibrate(self, confidence: np.ndarray) -> np.ndarray:
        """The interpolated accuracy, in [0, 1]."""
        return np.interp(confidence, *self.fitted("points_").T).clip(0, 1)
