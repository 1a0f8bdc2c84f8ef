"""Ensemble temperature scaling (ETS): a mixture of scaled, raw and uniform probabilities."""

import numpy as np
import torch
from scipy.optimize import minimize

from calibration.checks import as_labels, as_scores
from calibration.search import best_temperature
from posthoc.base import Calibrator

CHUNK = 2**16  # elements worked on at a time: fits a core's cache


class EnsembleTemperatureScaling(Calibrator):
    """w_1 softmax(z / T) + w_2 softmax(z) + w_3 / K with w on the simplex (Zhang et al. 2020, Section 4.1).

    First T is the one with the lowest squared error on the validation set, then w, at that T. The squared error is a
    quadratic form of w, so that w needs the samples' 3x3 products only. The predicted class never changes,
    though all tie where the uniform part alone is left.

    Attributes:
        temperature_: T > 0.
        weights_: [3] float64 >= 0 with sum 1: of the scaled, the raw and the uniform probabilities.
    """

    def fit(self, val_logits, val_labels) -> "EnsembleTemperatureScaling":
        """Fit T, then w, on the validation set.

        Args:
            val_logits: [N, K] floating point array or tensor.
            val_labels: [N] integers in [0, K).

        Returns:
            self. Warns (RuntimeWarning) where T ends at a bound of the search, see `search.best_temperature`.

        Raises:
            ValueError: as `calibration.top_label`.
        """
        logits = as_scores(val_logits)
        labels = as_labels(val_labels, *logits.shape, device=logits.device)
        self.temperature_ = best_temperature(logits, labels, loss="squared")
        products, target = _products(logits, labels, self.temperature_)
        found = minimize(
            lambda w: w @ products @ w - 2 * target @ w,
            x0=[1.0, 0.0, 0.0],
            jac=lambda w: 2 * (products @ w - target),
            bounds=[(0.0, 1.0)] * 3,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(3)},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 200},
        )
        weights = found.x.clip(0, 1)
        self.weights_ = weights / weights.sum()
        return self

    def predict_proba(self, logits) -> np.ndarray:
        """[N, K] float64 probabilities."""
        scaled, raw, uniform = self.fitted("weights_")
        logits = as_scores(logits)
        mixed = scaled * torch.softmax(logits / self.temperature_, dim=1) + raw * torch.softmax(logits, dim=1)
        return (mixed + uniform / logits.shape[1]).clamp(max=1).cpu().numpy()  # the weights' sum may round above 1

    def log_proba(self, logits) -> np.ndarray:
        """[N, K] float64 logarithms of the probabilities."""
        scaled, raw, uniform = torch.from_numpy(self.fitted("weights_")).log().tolist()
        logits = as_scores(logits)
        mixed = torch.log_softmax(logits / self.temperature_, dim=1).add_(scaled)
        mixed = torch.logaddexp(mixed, torch.log_softmax(logits, dim=1).add_(raw))
        flat = torch.tensor(uniform - np.log(logits.shape[1]), dtype=torch.float64, device=logits.device)
        return torch.logaddexp(mixed, flat).clamp(max=0).cpu().numpy()


def _products(logits: torch.Tensor, labels: torch.Tensor, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean over samples of the members' products with each other [3, 3] and with the one-hot label [3]."""
    n, k = logits.shape
    products = torch.zeros(3, 3, dtype=torch.float64, device="cpu")
    target = torch.zeros(3, dtype=torch.float64, device="cpu")
    rows = max(1, CHUNK // k)
    for begin in range(0, n, rows):
        part, own = logits[begin : begin + rows], labels[begin : begin + rows, None]
        scaled, raw = torch.softmax(part / temperature, dim=1), torch.softmax(part, dim=1)
        products[0, 0] += scaled.square().sum().cpu()
        products[0, 1] += (scaled * raw).sum().cpu()
        products[1, 1] += raw.square().sum().cpu()
        target[0] += scaled.gather(1, own).sum().cpu()
        target[1] += raw.gather(1, own).sum().cpu()
    products, target = products / n, target / n
    products[1, 0] = products[0, 1]
    products[2, :] = products[:, 2] = target[2] = 1 / k  # any probabilities times 1 / K, summed over classes
    return products.numpy(), target.numpy()
