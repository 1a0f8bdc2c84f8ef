"""Calibrators of the top-label confidence alone: histogram binning and isotonic regression."""

from abc import abstractmethod

import numpy as np
import torch

from calibration import bin_index, bin_stats, equal_mass_edges, top_label
from calibration.checks import as_logits, as_scores, check_num_bins
from calibration.confidence import top_confidence
from posthoc.base import Calibrator


class TopLabelCalibrator(Calibrator):
    """A function from confidence to calibrated confidence, fitted to which predictions were right.

    The predicted class is that of the logits. In `predict_proba` it gets the calibrated confidence, even where that is
    no longer the largest probability. The other classes share the rest in proportion to what they had.
    """

    def fit(self, val_logits, val_labels) -> "TopLabelCalibrator":
        """Fit on [N, K] logits and [N] labels of the validation set; return self.

        Raises:
            ValueError: as `calibration.top_label`.
        """
        self.fit_confidence(*top_label(val_logits, val_labels))
        return self

    @abstractmethod
    def fit_confidence(self, confidence: np.ndarray, correct: np.ndarray) -> None:
        """Fit to [N] confidences and [N] bool."""

    @abstractmethod
    def calibrate(self, confidence: np.ndarray) -> np.ndarray:
        """[N] calibrated confidences in [0, 1]."""

    def confidence(self, logits) -> np.ndarray:
        """[N] calibrated confidence of the class that the logits predict."""
        return self.calibrate(top_confidence(as_logits(logits))[0])

    def predict_proba(self, logits) -> np.ndarray:
        """[N, K] float64; see the class for what it means."""
        scores = as_scores(logits)
        if scores.shape[1] == 1:
            return np.ones(scores.shape)
        new = torch.from_numpy(self.confidence(scores)).to(scores.device)[:, None]
        top, rest = _parts(scores)
        return (torch.softmax(rest, dim=1) * (1 - new)).scatter(1, top, new).cpu().numpy()

    def log_proba(self, logits) -> np.ndarray:
        """[N, K] float64 logarithms of `predict_proba`."""
        scores = as_scores(logits)
        if scores.shape[1] == 1:
            return np.zeros(scores.shape)
        new = torch.from_numpy(self.confidence(scores)).to(scores.device)[:, None]
        top, rest = _parts(scores)
        return (torch.log_softmax(rest, dim=1) + torch.log1p(-new)).scatter(1, top, new.log()).cpu().numpy()


def _parts(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The predicted class [N, 1], and the logits [N, K] of the others: it has -inf there.

    Where no other class can be, all others are alike.
    """
    top = scores.argmax(dim=1, keepdim=True)
    rest = scores.scatter(1, top, -torch.inf)
    alone = torch.isneginf(rest).all(dim=1, keepdim=True)
    return top, torch.where(alone, torch.zeros_like(rest).scatter(1, top, -torch.inf), rest) if alone.any() else rest


class HistogramBinning(TopLabelCalibrator):
    """Every equal-mass bin of the validation confidences answers with its accuracy (Zadrozny and Elkan 2001).

    A bin without validation samples, which ties can leave, answers with the confidence itself.

    Args:
        num_bins: M.

    Attributes:
        bins_: the validation set's `BinStats`.
    """

    def __init__(self, num_bins: int = 15):
        self.num_bins = check_num_bins(num_bins)

    def fit_confidence(self, confidence: np.ndarray, correct: np.ndarray) -> None:
        """Keep the accuracy of every bin."""
        self.bins_ = bin_stats(confidence, correct, equal_mass_edges(confidence, self.num_bins))

    def calibrate(self, confidence: np.ndarray) -> np.ndarray:
        """The accuracy of each confidence's bin."""
        bins = self.fitted("bins_")
        accuracy = bins.accuracy[bin_index(confidence, bins.edges)]
        return np.where(np.isnan(accuracy), confidence, accuracy)


class IsotonicCalibration(TopLabelCalibrator):
    """The non-decreasing function with the least squared error (Zadrozny and Elkan 2002), scikit-learn's.

    Attributes:
        isotonic_: the fitted `sklearn.isotonic.IsotonicRegression`; linear between its points, constant outside.
    """

    def fit_confidence(self, confidence: np.ndarray, correct: np.ndarray) -> None:
        """Fit scikit-learn's regression."""
        from sklearn.isotonic import IsotonicRegression  # takes a second to import

        self.isotonic_ = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        self.isotonic_.fit(confidence, correct.astype(np.float64))

    def calibrate(self, confidence: np.ndarray) -> np.ndarray:
        """The function's value at each confidence."""
        return self.fitted("isotonic_").predict(confidence).clip(0, 1)
