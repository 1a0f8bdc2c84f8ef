"""Proper scores in two parts: what a temperature would gain, and what is left after it."""

import warnings
from typing import NamedTuple

import numpy as np
import torch

from calibration.checks import as_labels, as_scores, check_count
from calibration.confidence import CHUNK_BYTES, softmax
from calibration.search import best_temperature

FOLDS = 5


class Losses(NamedTuple):
    """Losses of N samples, before and after the temperature that is best on the other folds; NaN where there is none.

    Attributes:
        nll: [N], nats.
        nll_after: [N], nats.
        brier: [N], squared error summed over classes, in [0, 2].
        brier_after: [N], likewise.
    """

    nll: np.ndarray
    nll_after: np.ndarray
    brier: np.ndarray
    brier_after: np.ndarray

    def parts(self, score: str) -> tuple[float, float]:
        """The calibration and the refinement part of "nll" or "brier"; their sum is the score."""
        before, after = getattr(self, score).mean(), getattr(self, f"{score}_after").mean()
        return float(before - after), float(after)


def refinement(logits, labels, score: str = "nll", folds: int = FOLDS, from_logits: bool = True) -> float:
    """The refinement part of a proper score: the score after the best temperature, on held-out folds.

    It tells how well the model separates the classes, however it is calibrated. `calibration_part` is the rest.

    Source: Berta, Holzmüller, Jordan and Bach 2025, "Rethinking early stopping: refine, then calibrate", with the
    temperature that minimises NLL. Samples are dealt to folds by a fixed draw.

    Args:
        logits: [N, K] floating point (probabilities with `from_logits=False`).
        labels: [N] integers in [0, K).
        score: "nll" or "brier".
        folds: F >= 2; the temperature of a fold is that of all others. At most N are taken.
        from_logits: apply the softmax, in float64.

    Returns:
        Nats, or a number in [0, 2]. NaN for fewer than 2 samples, and where a label has probability 0, whose NLL no
        temperature makes finite.

    Raises:
        ValueError: as `top_label`; an unknown score, fewer than 2 folds.
    """
    return _parts(logits, labels, score, folds, from_logits)[1]


def calibration_part(logits, labels, score: str = "nll", folds: int = FOLDS, from_logits: bool = True) -> float:
    """The calibration part of a proper score: what the best temperature of other folds gains; `refinement` is the rest.

    Below 0 where the other folds' temperature is worse than none. Source, arguments and errors as `refinement`.

    Returns:
        Nats, or a number in [-2, 2]; NaN as `refinement`.
    """
    return _parts(logits, labels, score, folds, from_logits)[0]


def _parts(logits, labels, score: str, folds: int, from_logits: bool) -> tuple[float, float]:
    if score not in ("nll", "brier"):
        raise ValueError(f"score must be nll or brier, got {score!r}")
    check_count("folds", folds, least=2)
    scores = as_scores(logits, from_logits)
    found = losses(scores, as_labels(labels, *scores.shape, device=scores.device), folds, from_logits)
    return found.parts(score)


def losses(scores: torch.Tensor, labels: torch.Tensor, folds: int = FOLDS, from_logits: bool = True) -> Losses:
    """The losses of every sample.

    Args:
        scores: [N, K] float64 logits (probabilities with `from_logits=False`), checked.
        labels: [N] int64, checked.
        folds: F >= 2.
        from_logits: see `refinement`.
    """
    n = len(labels)
    logits = scores if from_logits else scores.log()
    own = logits.gather(1, labels[:, None])[:, 0]
    if n < 2 or own.isneginf().any():
        return Losses(*(np.full(n, np.nan) for _ in Losses._fields))
    dealt = torch.empty(n, dtype=torch.int64)
    dealt[torch.randperm(n, generator=torch.Generator().manual_seed(0))] = torch.arange(n) % min(folds, n)
    dealt = dealt.to(labels.device)
    temperature = torch.empty_like(own)
    for fold in range(min(folds, n)):
        rest = dealt != fold
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a temperature at a bound is as good as another
            temperature[~rest] = best_temperature(logits[rest], labels[rest], "nll")
    nll, brier = (np.empty((2, n)) for _ in range(2))  # before and after
    rows = max(1, CHUNK_BYTES // (8 * logits.shape[1]))
    for begin in range(0, n, rows):
        part, own = logits[begin : begin + rows], labels[begin : begin + rows]
        for i, z in enumerate((part, part / temperature[begin : begin + rows, None])):
            nll[i, begin : begin + rows], brier[i, begin : begin + rows] = _losses(z, own)
    return Losses(nll[0], nll[1], brier[0], brier[1])


def _losses(logits: torch.Tensor, labels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """[N] NLL and [N] squared errors of [N, K] logits."""
    own = labels[:, None]
    nll = torch.logsumexp(logits, dim=1) - logits.gather(1, own)[:, 0]
    p = softmax(logits)
    squared = p.square().sum(dim=1) - 2 * p.gather(1, own)[:, 0] + 1
    return nll.cpu().numpy(), squared.cpu().numpy()
