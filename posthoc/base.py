"""The interface of every post-hoc calibrator."""

from abc import ABC, abstractmethod

import numpy as np
import torch

from calibration import top_label


def telling(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The samples whose label's logit is finite: the likelihood of the others is 0 whatever the parameters."""
    finite = torch.isfinite(logits.gather(1, labels[:, None])[:, 0])
    return (logits, labels) if finite.all() else (logits[finite], labels[finite])


class Calibrator(ABC):
    """Fitted on validation logits and labels, then applied to any logits; a fitted attribute's name ends in `_`.

    Nothing but the validation set may be given to `fit`.
    """

    @abstractmethod
    def fit(self, val_logits, val_labels) -> "Calibrator":
        """Fit on [N, K] logits and [N] labels of the validation set; return self."""

    @abstractmethod
    def predict_proba(self, logits) -> np.ndarray:
        """[N, K] calibrated probabilities, float64, rows summing to 1."""

    @abstractmethod
    def log_proba(self, logits) -> np.ndarray:
        """[N, K] logarithms of `predict_proba`, also where that underflows to 0; -inf where it is 0."""

    def confidence(self, logits) -> np.ndarray:
        """[N] calibrated confidence of the predicted class, float64 in [0, 1]."""
        return self.predict_proba(logits).max(axis=1)

    def top_label(self, logits, labels) -> tuple[np.ndarray, np.ndarray]:
        """Calibrated confidence [N] float64 and correctness [N] bool of the classes that the logits predict.

        The logits are asked because calibrated probabilities can tie: all do where only the uniform part of ETS is
        left. A calibrator that changes the predicted class overrides this.
        """
        return self.confidence(logits), top_label(logits, labels)[1]

    def fitted(self, name: str):
        """The fitted attribute `name`.

        Raises:
            ValueError: `fit` was not called.
        """
        if not hasattr(self, name):
            raise ValueError(f"this {type(self).__name__} is not fitted: call fit(val_logits, val_labels) first")
        return getattr(self, name)
