"""Affine maps of the logits, fitted by likelihood: vector scaling and Dirichlet calibration."""

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor

from calibration import top_label
from calibration.checks import as_labels, as_scores
from posthoc.base import Calibrator, telling

MAX_STEPS = 3000
MIN_STEPS = 50
WORK = 1e9  # steps x samples x classes, about a minute of one core: all 3,000 steps up to 5,000 x 66
PART = 2**17  # elements worked on at a time
NO_CHANCE = math.log(1e-12)  # what the map is given in place of the -inf of a class that a sample cannot have


class AffineCalibrator(Calibrator):
    """softmax(A z + b), fitted by the mean negative log-likelihood and a penalty with L-BFGS in float64.

    The search starts from the identity; the predicted class may change. The biases are free of penalty, so a class that
    no label names has no finite best one: its probability becomes next to nothing.

    Args:
        l2: weight of the squared parameters in the loss, >= 0.

    Attributes:
        weight_: of the affine map.
        bias_: [K] float64.
        finished_: whether the search came to its end.
    """

    def __init__(self, l2: float):
        if not 0 <= l2 < np.inf:
            raise ValueError(f"l2 must be finite and >= 0, got {l2}")
        self.l2 = float(l2)

    @abstractmethod
    def identity(self, num_classes: int) -> Tensor:
        """The weight that changes nothing."""

    def features(self, logits: Tensor) -> Tensor:
        """What the map is applied to, [N, K]."""
        return logits

    @abstractmethod
    def apply(self, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """[N, K] new logits of [N, K] features."""

    @abstractmethod
    def penalty(self, weight: Tensor) -> Tensor:
        """What l2 weighs, a scalar."""

    def fit(self, val_logits, val_labels) -> "AffineCalibrator":
        """Fit on [N, K] logits and [N] labels of the validation set; return self.

        Warns where the search ends at its limit of steps: 3,000, fewer for many samples of many classes, of which
        one takes a second.

        Raises:
            ValueError: as `calibration.top_label`.
        """
        features = self.features(as_scores(val_logits).cpu())
        features, labels = telling(features, as_labels(val_labels, *features.shape))
        start = self.identity(features.shape[1])
        size = start.numel()
        if len(features) == 0:
            self.weight_, self.bias_, self.finished_ = start.numpy(), np.zeros(features.shape[1]), True
            return self

        rows = max(1, PART // features.shape[1])
        parts = [
            (self._map(some), own) for some, own in zip(features.split(rows), labels.split(rows), strict=True)
        ]  # each stays in a core's cache

        def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
            x = torch.from_numpy(x).requires_grad_()
            value = self.l2 * self.penalty(x[:size].view_as(start))
            (slope,), value = torch.autograd.grad(value, x), value.item()
            for mapped, own in parts:
                some = F.cross_entropy(mapped(x[:size].view_as(start), x[size:]), own, reduction="sum") / len(labels)
                slope += torch.autograd.grad(some, x)[0]
                value += some.item()
            return value, slope.numpy()

        x = torch.cat([start.flatten(), torch.zeros(features.shape[1], dtype=torch.float64, device="cpu")]).numpy()
        steps = self.max_steps(*features.shape)
        limits = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-10, "gtol": 1e-7}
        found = minimize(loss, x, jac=True, method="L-BFGS-B", options=limits)
        self.finished_ = found.status == 0  # 1: at a limit, 2: no step went down
        if not self.finished_:
            name, steepest = type(self).__name__, np.abs(found.jac).max()
            warnings.warn(
                f"{name} stopped short of its optimum after {found.nit} steps: the loss still has a slope of "
                f"{steepest:.1e}",
                RuntimeWarning,
                stacklevel=2,
            )
        self.weight_, self.bias_ = found.x[:size].reshape(start.shape), found.x[size:]
        return self

    def max_steps(self, num_samples: int, num_classes: int) -> int:
        """The limit of a search."""
        return int(np.clip(WORK / (num_samples * num_classes), MIN_STEPS, MAX_STEPS))

    def predict_proba(self, logits) -> np.ndarray:
        """[N, K] float64 probabilities.

        Raises:
            ValueError: as `calibration.top_label`; another number of classes than in `fit`.
        """
        return torch.softmax(self._new_logits(logits), dim=1).numpy()

    def log_proba(self, logits) -> np.ndarray:
        """[N, K] float64 logarithms of `predict_proba`."""
        return torch.log_softmax(self._new_logits(logits), dim=1).numpy()

    def _new_logits(self, logits) -> Tensor:
        weight, bias = torch.from_numpy(self.fitted("weight_")), torch.from_numpy(self.bias_)
        logits = as_scores(logits).cpu()
        if logits.shape[1] != len(bias):
            raise ValueError(f"fitted to {len(bias)} classes, got logits of {logits.shape[1]}")
        return self._map(self.features(logits))(weight, bias)

    def _map(self, features: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """The new logits of some features as a function of weight and bias; a class that cannot be stays so."""
        impossible = torch.isneginf(features)
        if not impossible.any():
            return lambda weight, bias: self.apply(features, weight, bias)
        filled = features.masked_fill(impossible, NO_CHANCE)
        return lambda weight, bias: self.apply(filled, weight, bias).masked_fill(impossible, -torch.inf)

    def top_label(self, logits, labels) -> tuple[np.ndarray, np.ndarray]:
        """Confidence [N] float64 and correctness [N] bool of the classes that the new probabilities predict."""
        return top_label(self.predict_proba(logits), labels, from_logits=False)


class VectorScaling(AffineCalibrator):
    """softmax(w * z + b) with a weight and a bias a class (Guo et al. 2017, Section 4.2).

    The penalty is the squared distance of w from 1; without one, as in the paper, classes that are always right have no
    finite optimum.

    Args:
        l2: weight of the penalty.

    Attributes:
        weight_: [K] float64.
        bias_: [K] float64.
    """

    def __init__(self, l2: float = 1e-5):
        super().__init__(l2)

    def identity(self, num_classes: int) -> Tensor:
        """[K] ones."""
        return torch.ones(num_classes, dtype=torch.float64, device="cpu")

    def apply(self, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """[N, K] w * z + b."""
        return features * weight + bias

    def penalty(self, weight: Tensor) -> Tensor:
        """Squared distance from 1."""
        return (weight - 1).square().sum()


class DirichletCalibration(AffineCalibrator):
    """softmax(W log p + b), p = softmax(z), with an L2 penalty on W (Kull et al. 2019, L2-regularised).

    It is a multinomial logistic regression on log-probabilities: scikit-learn's `LogisticRegression(C=1 / (2 N l2))`
    fits the same W up to what softmax cannot see.

    Args:
        l2: weight of the sum of the squares of W.

    Attributes:
        weight_: [K, K] float64.
        bias_: [K] float64.
    """

    def __init__(self, l2: float = 1e-3):
        super().__init__(l2)

    def identity(self, num_classes: int) -> Tensor:
        """[K, K] unit matrix."""
        return torch.eye(num_classes, dtype=torch.float64, device="cpu")

    def features(self, logits: Tensor) -> Tensor:
        """[N, K] log p."""
        return torch.log_softmax(logits, dim=1)

    def apply(self, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """[N, K] W log p + b."""
        return features @ weight.T + bias

    def penalty(self, weight: Tensor) -> Tensor:
        """Sum of squares."""
        return weight.square().sum()
