"""Temperature scaling: one number that divides every logit."""

import warnings

import numpy as np
import torch

from calibration import ece_em
from calibration.checks import as_labels, as_logits, as_scores, check_num_bins
from calibration.confidence import top_class, top_confidence
from calibration.search import best_temperature
from posthoc.base import Calibrator, telling

GRID = tuple(k / 10 for k in range(1, 101))  # 0.1, 0.2, ..., 10.0: the paper's (0, 10] in steps of 0.1


class TemperatureScaling(Calibrator):
    """Divide the logits by the temperature T that gives the lowest ECE_EM on the validation set.

    T is searched on a grid, as in the paper's Section 6. Of temperatures with the same ECE_EM the one nearest 1 wins.
    T > 1 lowers confidence. The predicted class never changes.

    Args:
        num_bins: M, of ECE_EM.
        grid: temperatures to try, each > 0.

    Attributes:
        temperature_: T.
        ece_em_: [R] ECE_EM on the validation set at every temperature of the grid, fractions.
    """

    def __init__(self, num_bins: int = 15, grid=GRID):
        self.num_bins = check_num_bins(num_bins)
        self.grid = np.asarray(grid, dtype=np.float64)
        if self.grid.ndim != 1 or len(self.grid) == 0 or not (np.isfinite(self.grid) & (self.grid > 0)).all():
            raise ValueError(f"grid must hold temperatures > 0, got {grid}")

    def fit(self, val_logits, val_labels) -> "TemperatureScaling":
        """Choose T on the validation set.

        Args:
            val_logits: [N, K] floating point array or tensor.
            val_labels: [N] integers in [0, K).

        Returns:
            self. Warns (RuntimeWarning) where T ends at the end of the grid: then the best T may lie beyond it.

        Raises:
            ValueError: as `calibration.top_label`.
        """
        logits = as_logits(val_logits)
        labels = as_labels(val_labels, *logits.shape, device=logits.device)
        confidence, predicted = top_class(logits, self.grid)  # [R, N], [N]
        correct = (predicted == labels).cpu().numpy()
        self.ece_em_ = np.array([ece_em(row, correct, self.num_bins) for row in confidence])
        best = np.flatnonzero(self.ece_em_ == self.ece_em_.min())
        self.temperature_ = float(min(self.grid[best], key=lambda t: abs(t - 1)))
        if len(self.grid) > 1 and self.temperature_ in (self.grid.min(), self.grid.max()):
            warnings.warn(
                f"temperature {self.temperature_} lies at the end of the grid "
                f"[{self.grid.min()}, {self.grid.max()}]: the best one may lie beyond it",
                RuntimeWarning,
                stacklevel=2,
            )
        return self

    def transform(self, logits) -> np.ndarray:
        """[N, K] float64 logits divided by T."""
        return (as_scores(logits) / self.fitted("temperature_")).cpu().numpy()

    def predict_proba(self, logits) -> np.ndarray:
        """[N, K] float64 probabilities softmax(z / T)."""
        return torch.softmax(as_scores(logits) / self.fitted("temperature_"), dim=1).cpu().numpy()

    def log_proba(self, logits) -> np.ndarray:
        """[N, K] float64 log softmax(z / T)."""
        return torch.log_softmax(as_scores(logits) / self.fitted("temperature_"), dim=1).cpu().numpy()

    def confidence(self, logits) -> np.ndarray:
        """[N] float64 confidence of the predicted class at T."""
        temperature = self.fitted("temperature_")
        return top_confidence(as_logits(logits), [temperature])[0]


class NLLTemperatureScaling(TemperatureScaling):
    """Divide the logits by the temperature with the lowest negative log-likelihood (Guo et al. 2017, Section 4.2).

    Attributes:
        temperature_: T > 0, by a bounded search on a log scale.
    """

    def __init__(self):
        super().__init__()

    def fit(self, val_logits, val_labels) -> "NLLTemperatureScaling":
        """Choose T on [N, K] logits and [N] labels of the validation set.

        Returns:
            self. Warns (RuntimeWarning) where T ends at a bound of the search.

        Raises:
            ValueError: as `calibration.top_label`.
        """
        logits = as_scores(val_logits)
        labels = as_labels(val_labels, *logits.shape, device=logits.device)
        self.temperature_ = best_temperature(*telling(logits, labels), loss="nll")
        return self
