"""The shortest vectorised forms of scores and calibrators: no checks, no choices, what ours are timed against.

In float64, on valid input. They agree with ours but for samples on a bin's edge by a rounding step.
"""

import math

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor

CHUNK = 1 << 19  # bytes of float64 logits that are taken at a time: they stay in a core's cache


def ece_ew(confidence: np.ndarray, correct: np.ndarray, num_bins: int = 15) -> float:
    """ECE over bins of equal width."""
    index = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    return np.abs(np.bincount(index, confidence - correct)).sum() / len(index)


def quantiles(ranked: np.ndarray, num_bins: int) -> np.ndarray:
    """[M - 1] inner edges of the equal-mass bins of an ascending sample."""
    return np.interp(np.linspace(0, len(ranked) - 1, num_bins + 1)[1:-1], np.arange(len(ranked)), ranked)


def equal_mass(confidence: np.ndarray, num_bins: int) -> np.ndarray:
    """[N] index of the equal-mass bin."""
    return np.searchsorted(quantiles(np.sort(confidence), num_bins), confidence, side="right")


def ece_em(confidence: np.ndarray, correct: np.ndarray, num_bins: int = 15) -> float:
    """ECE over bins of equal mass."""
    index = equal_mass(confidence, num_bins)
    return np.abs(np.bincount(index, confidence - correct)).sum() / len(index)


def ece_debias(confidence: np.ndarray, correct: np.ndarray, num_bins: int = 15) -> float:
    """Debiased l2 calibration error; no bin may hold fewer than two samples."""
    index = equal_mass(confidence, num_bins)
    count = np.bincount(index)
    gap, accuracy = np.bincount(index, confidence - correct) / count, np.bincount(index, correct) / count
    square = (count * (gap**2 - accuracy * (1 - accuracy) / (count - 1))).sum() / len(index)
    return math.sqrt(max(square, 0))


def ece_sweep(confidence: np.ndarray, correct: np.ndarray) -> float:
    """ECE over as many equal-mass bins as keep the accuracies monotone; no two confidences may be equal."""
    order = np.argsort(confidence)
    ranked, right = confidence[order], np.append(0, np.cumsum(correct[order]))
    place = np.arange(len(ranked))
    for num_bins in range(2, len(ranked)):
        edges = np.interp(np.linspace(0, len(ranked) - 1, num_bins + 1)[1:-1], place, ranked)
        cuts = np.concatenate([[0], np.searchsorted(ranked, edges), [len(ranked)]])
        if (np.diff(np.diff(right[cuts]) / np.diff(cuts)) < 0).any():
            return ece_em(confidence, correct, num_bins - 1)
    return ece_em(confidence, correct, max(1, len(ranked) - 1))


def four_eces(confidence: np.ndarray, correct: np.ndarray) -> list[float]:
    """ECE by equal width and equal mass, debiased, and by sweep."""
    return [score(confidence, correct) for score in (ece_ew, ece_em, ece_debias, ece_sweep)]


def classwise_ece(logits: Tensor, labels: Tensor, num_bins: int = 15) -> float:
    """Mean over classes of ECE_EW; by columns, which is the fast way where classes are few."""
    z = logits.T.double().contiguous()  # [K, N]
    p = (z - z.amax(0)).exp_()
    p = (p / p.sum(0)).numpy()
    index = np.minimum((p * num_bins).astype(int), num_bins - 1) + num_bins * np.arange(len(p))[:, None]
    surplus = np.bincount(index.ravel(), p.ravel(), num_bins * len(p))
    own = index[labels.numpy(), np.arange(len(labels))]
    return np.abs(surplus - np.bincount(own, minlength=len(surplus))).sum() / p.size


def temperature(logits: Tensor, labels: Tensor) -> float:
    """Temperature of the lowest ECE_EM on the paper's grid."""
    grid, z = np.arange(1, 101) / 10, logits.double()
    confidence = torch.empty(len(grid), len(z), dtype=torch.float64)
    rows = CHUNK // (8 * z.shape[1])
    for part, out in zip(z.split(rows), confidence.split(rows, 1), strict=True):
        margin = part - part.amax(1, keepdim=True)
        for row, t in zip(out, grid, strict=True):
            row.copy_((margin / t).exp_().sum(1).reciprocal_())
    correct = (z.argmax(1) == labels).numpy()
    return grid[np.argmin([ece_em(row, correct) for row in confidence.numpy()])]


def ets(logits: Tensor, labels: Tensor) -> tuple[float, np.ndarray]:
    """Temperature of the lowest squared error, then the weights of the scaled, raw and uniform probabilities."""
    z, own = logits.double(), labels[:, None]
    rows = max(1, 2**16 // z.shape[1])

    def error(log_temperature: float) -> float:
        total = 0.0
        for part, y in zip(z.split(rows), own.split(rows), strict=True):
            p = torch.softmax(part / math.exp(log_temperature), 1)
            total += float(torch.linalg.vecdot(p, p).sum() - 2 * p.gather(1, y).sum())
        return total / len(z)

    bounds = math.log(0.02), math.log(50)
    t = math.exp(minimize_scalar(error, bounds=bounds, method="bounded", options={"xatol": 1e-5}).x)
    products, target, k = np.zeros((3, 3)), np.zeros(3), z.shape[1]
    for part, y in zip(z.split(rows), own.split(rows), strict=True):
        p = torch.stack([torch.softmax(part / t, 1), torch.softmax(part, 1), torch.full_like(part, 1 / k)])
        products += (p.flatten(1) @ p.flatten(1).T).numpy() / len(z)
        target += p.gather(2, y.expand(3, -1, 1)).sum((1, 2)).numpy() / len(z)
    simplex = {"type": "eq", "fun": lambda w: w.sum() - 1}
    found = minimize(
        lambda w: w @ products @ w - 2 * target @ w, [1, 0, 0], bounds=[(0, 1)] * 3, constraints=simplex, tol=1e-14
    )
    return t, found.x


def spline(confidence: np.ndarray, correct: np.ndarray, num_knots: int = 6) -> np.ndarray:
    """[N] calibrated confidence of ascending confidences that all differ, by the spline of the cumulative gap."""
    order = np.argsort(confidence)
    gap = np.cumsum(correct[order] - confidence[order]) / len(order)
    rank = np.linspace(0, 1, len(order))
    basis = CubicSpline(np.linspace(0, 1, num_knots), np.eye(num_knots), bc_type="natural")
    knots = np.linalg.lstsq(basis(rank), gap, rcond=None)[0]
    return confidence[order] + basis(rank, 1) @ knots


def one_pass(logits: Tensor) -> tuple[Tensor, Tensor]:
    """[N] top confidence and [N] predicted class, in float64 a chunk at a time."""
    found = [torch.softmax(part.double(), 1).max(1) for part in logits.split(CHUNK // (8 * logits.shape[1]))]
    confidence, predicted = zip(*found, strict=True)
    return torch.cat(confidence), torch.cat(predicted)
