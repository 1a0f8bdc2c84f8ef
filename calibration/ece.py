"""Estimates of the expected calibration error: the mean over samples of |confidence - accuracy| of their bin.

All take the top-label confidence and correctness of N samples (see `top_label`) and return a fraction in [0, 1].
Every sample is counted in exactly one bin; no result depends on the order of the samples. All raise ValueError for
shapes that disagree, no samples, a confidence outside [0, 1] or NaN, and fewer than one bin.
"""

from functools import partial

import numpy as np

from calibration.binning import (
    bin_index,
    bin_stats,
    equal_mass_edges,
    equal_width_edges,
    equal_width_index,
    quantile_edges,
)
from calibration.checks import as_labels, as_outcomes, as_scores, check_num_bins
from calibration.confidence import softmax

BLOCK = 2**15  # elements worked on at a time: they stay in a core's cache


def ece_ew(confidence, correct, num_bins: int = 15) -> float:
    """ECE over bins of equal width on [0, 1] (ECE_EW; Guo et al. 2017).

    Args:
        confidence: [N] in [0, 1].
        correct: [N] bool.
        num_bins: M.

    Returns:
        Fraction in [0, 1].
    """
    confidence, correct = as_outcomes(confidence, correct)
    surplus = np.zeros(check_num_bins(num_bins))  # [M] n_b (C_b - A_b): neither counts nor means are needed
    rows = max(BLOCK, num_bins)
    for begin in range(0, len(confidence), rows):
        some = confidence[begin : begin + rows]
        index = equal_width_index(some, num_bins)
        surplus += np.bincount(index, weights=some - correct[begin : begin + rows], minlength=num_bins)
    return float(np.abs(surplus).sum() / len(confidence))


def ece_em(confidence, correct, num_bins: int = 15) -> float:
    """ECE over bins of equal mass (ECE_EM; Nguyen and O'Connor 2015), the score of the paper's tables.

    Samples of equal confidence share a bin, so with ties the masses are only as equal as the ties allow; a constant
    predictor scores |confidence - accuracy| exactly.

    Args:
        confidence: [N] in [0, 1].
        correct: [N] bool.
        num_bins: M.

    Returns:
        Fraction in [0, 1].
    """
    confidence, correct = as_outcomes(confidence, correct)
    edges = quantile_edges(np.sort(confidence), check_num_bins(num_bins), 0, num_bins)
    surplus = np.bincount(bin_index(confidence, edges), weights=confidence - correct)  # n_b (C_b - A_b)
    return float(np.abs(surplus).sum() / len(confidence))


def ece_debias(confidence, correct, num_bins: int = 15) -> float:
    """Debiased l2 calibration error over equal-mass bins (ECE_DEBIAS; Kumar et al. 2019, Section 5), square root taken.

    The square of a bin's gap is lowered by the variance A (1 - A) / (n - 1) of its accuracy. Bins of one sample have no
    such estimate and add nothing; a total below zero counts as 0.

    Args:
        confidence: [N] in [0, 1].
        correct: [N] bool.
        num_bins: M.

    Returns:
        Fraction in [0, 1].
    """
    confidence, correct = as_outcomes(confidence, correct)
    bins = bin_stats(confidence, correct, equal_mass_edges(confidence, num_bins))
    many = bins.count > 1
    count, gap, accuracy = bins.count[many], bins.gap[many], bins.accuracy[many]
    square = (count * (gap**2 - accuracy * (1 - accuracy) / (count - 1))).sum() / len(confidence)
    return float(np.sqrt(max(square, 0.0)))


def ece_sweep(confidence, correct, binning: str = "em") -> float:
    """ECE with as many bins as keep the accuracies monotone (ECE_SWEEP; Roelofs et al. 2021), l1.

    The number of bins grows from 1 while the accuracies of the non-empty bins do not decrease; it stops before the
    first violation, at N - 1 bins at most.

    Args:
        confidence: [N] in [0, 1].
        correct: [N] bool.
        binning: "em" (equal mass) or "ew" (equal width).

    Returns:
        Fraction in [0, 1].
    """
    if binning not in ("em", "ew"):
        raise ValueError(f'binning must be "em" or "ew", got {binning!r}')
    confidence, correct = as_outcomes(confidence, correct)
    edges = equal_width_edges if binning == "ew" else partial(equal_mass_edges, confidence)
    return bin_stats(confidence, correct, edges(sweep_num_bins(confidence, correct, binning))).ece


def sweep_num_bins(confidence: np.ndarray, correct: np.ndarray, binning: str) -> int:
    """The largest number of bins before the first whose accuracies are not monotone."""
    ranked, right, wrong = np.sort(confidence), np.sort(confidence[correct]), confidence[~correct]
    most = max(1, len(ranked) - 1)
    if len(right) == 0 or len(wrong) == 0:
        return most
    # Bins below the lowest right sample have accuracy 0 and bins above the highest wrong one accuracy 1. They break no
    # order, so only the bins between these two places, given as fractions of all bins, are looked at.
    low, high = right[0], wrong.max()
    if binning == "em":
        low, high = np.searchsorted(ranked, low) / most, np.searchsorted(ranked, high, side="right") / most

    def is_monotone(edges: np.ndarray) -> bool:
        count = np.diff(np.searchsorted(ranked, edges))
        full = count > 0
        accuracy = np.diff(np.searchsorted(right, edges))[full] / count[full]
        return bool((np.diff(accuracy) >= 0).all())

    for num_bins in range(2, most + 1):
        first = max(0, int(low * num_bins) - 1)
        last = min(num_bins, int(high * num_bins) + 2)
        if binning == "ew":
            edges = np.arange(first, last + 1) / num_bins
        else:
            edges = quantile_edges(ranked, num_bins, first, last)
        if last == num_bins:
            edges[-1] = np.inf  # the last bin is closed
        if not is_monotone(edges):
            return num_bins - 1
        if num_bins == 100 and is_monotone(np.append(np.unique(ranked), np.inf)):
            break  # monotone with a bin a value, so in every coarser binning: no need to try them all
    return most


def mce(confidence, correct, num_bins: int = 15) -> float:
    """Maximum calibration error: the largest |gap| of a non-empty bin of equal width (Naeini et al. 2015).

    Args:
        confidence: [N] in [0, 1].
        correct: [N] bool.
        num_bins: M.

    Returns:
        Fraction in [0, 1].
    """
    return float(np.nanmax(np.abs(bin_stats(confidence, correct, equal_width_edges(num_bins)).gap)))


def classwise_ece(logits, labels, num_bins: int = 15, from_logits: bool = True) -> float:
    """Mean over the classes k of the ECE_EW of (probability of k, label is k) (Kull et al. 2019).

    Args:
        logits: [N, K] floating point (probabilities with `from_logits=False`); K comes from here, so a class that no
            label names counts too.
        labels: [N] integers in [0, K).
        num_bins: M.
        from_logits: apply the softmax, in float64.

    Returns:
        Fraction in [0, 1].
    """
    scores = as_scores(logits, from_logits).cpu()
    n, k = scores.shape
    labels = as_labels(labels, n, k).cpu().numpy()
    surplus = np.zeros(k * check_num_bins(num_bins))  # [K M] n_b (C_b - A_b), one row of bins a class
    rows = max(1, BLOCK // k, num_bins)
    for begin in range(0, n, rows):
        some, own = scores[begin : begin + rows], labels[begin : begin + rows]
        probability = (softmax(some) if from_logits else some).numpy()
        index = equal_width_index(probability, num_bins) + num_bins * np.arange(k)  # [rows, K]
        surplus += np.bincount(index.ravel(), weights=probability.ravel(), minlength=len(surplus))
        surplus -= np.bincount(index[np.arange(len(own)), own], minlength=len(surplus))
    return float(np.abs(surplus).sum() / (n * k))
