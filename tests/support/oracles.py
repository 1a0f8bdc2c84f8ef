"""Slow, literal versions of what the packages compute: plain loops over samples and bins.

Nothing of ours is imported here. A formula is written as its paper writes it, so that a fast version that disagrees
with it is wrong. All numbers are Python floats (float64); sums use `math.fsum`, which does not depend on order.
"""

import itertools
import math

import numpy as np

NAN = float("nan")


# --- softmax ---------------------------------------------------------------------------------------------------------


def softmax(row):
    largest = max(row)
    weights = [math.exp(z - largest) for z in row]
    total = math.fsum(weights)
    return [w / total for w in weights]


def log_softmax_at(row, y):
    """log p_y; by log1p when y is the largest logit, so that it stays right when p_y rounds to 1."""
    others = [z for k, z in enumerate(row) if k != y]
    largest = max(row)
    if row[y] == largest:
        return -math.log1p(math.fsum(math.exp(z - largest) for z in others))
    return row[y] - largest - math.log(math.fsum(math.exp(z - largest) for z in row))


def one_minus_p(row, y):
    """1 - p_y, as the probability of the other classes: no cancellation."""
    largest = max(row)
    rest = math.fsum(math.exp(z - largest) for k, z in enumerate(row) if k != y)
    return rest / math.fsum(math.exp(z - largest) for z in row)


def top_label(logits, labels):
    confidence, correct = [], []
    for row, label in zip(np.asarray(logits, dtype=np.float64).tolist(), np.asarray(labels).tolist(), strict=True):
        p = softmax(row)
        confidence.append(max(p))
        correct.append(row.index(max(row)) == label)
    return confidence, correct


# --- bins ------------------------------------------------------------------------------------------------------------


def equal_width_edges(num_bins):
    return [k / num_bins for k in range(num_bins + 1)]


def equal_mass_edges(confidence, num_bins):
    return np.quantile(np.asarray(confidence, dtype=np.float64), np.linspace(0, 1, num_bins + 1)).tolist()


def bin_index(p, edges):
    """[lo, hi), the last bin closed; below the lowest edge the first bin, above the highest the last."""
    last = len(edges) - 2
    if p < edges[0]:
        return 0
    if p >= edges[-1]:
        return last
    for b in range(last + 1):
        if edges[b] <= p < edges[b + 1]:
            return b
    raise AssertionError(f"{p} is in no bin of {edges}")


def bin_stats(confidence, correct, edges):
    """[(count, mean confidence, accuracy)] per bin; NaN for the means of an empty bin."""
    members = [[] for _ in edges[:-1]]
    for c, a in zip(confidence, correct, strict=True):
        members[bin_index(c, edges)].append((float(c), float(a)))
    stats = []
    for bin_ in members:
        n = len(bin_)
        stats.append((n, math.fsum(c for c, _ in bin_) / n, math.fsum(a for _, a in bin_) / n) if n else (0, NAN, NAN))
    return stats


# --- calibration errors ----------------------------------------------------------------------------------------------


def ece(confidence, correct, edges):
    total = len(confidence)
    return math.fsum(n / total * abs(c - a) for n, c, a in bin_stats(confidence, correct, edges) if n)


def ece_ew(confidence, correct, num_bins=15):
    return ece(confidence, correct, equal_width_edges(num_bins))


def ece_em(confidence, correct, num_bins=15):
    return ece(confidence, correct, equal_mass_edges(confidence, num_bins))


def ece_debias(confidence, correct, num_bins=15):
    """Kumar et al. 2019, "Verified uncertainty calibration": l2, minus each bin's estimated variance of accuracy."""
    total, square = len(confidence), 0.0
    for n, c, a in bin_stats(confidence, correct, equal_mass_edges(confidence, num_bins)):
        if n >= 2:
            square += n / total * ((c - a) ** 2 - a * (1 - a) / (n - 1))
    return math.sqrt(max(square, 0.0))


def ece_sweep(confidence, correct, binning="em"):
    """Roelofs et al. 2021: as many bins as keep the accuracies non-decreasing, from one up to the first violation."""
    result = None
    for num_bins in range(1, max(len(confidence) - 1, 1) + 1):
        edges = equal_mass_edges(confidence, num_bins) if binning == "em" else equal_width_edges(num_bins)
        accuracies = [a for n, _, a in bin_stats(confidence, correct, edges) if n]
        if any(later < earlier for earlier, later in itertools.pairwise(accuracies)):
            break
        result = ece(confidence, correct, edges)
    return result


def mce(confidence, correct, num_bins=15):
    return max(abs(c - a) for n, c, a in bin_stats(confidence, correct, equal_width_edges(num_bins)) if n)


def classwise_ece(logits, labels, num_bins=15):
    probabilities = [softmax(row) for row in np.asarray(logits, dtype=np.float64).tolist()]
    num_classes = len(probabilities[0])
    per_class = [
        ece_ew([p[k] for p in probabilities], [label == k for label in labels], num_bins) for k in range(num_classes)
    ]
    return math.fsum(per_class) / num_classes


def brier_score(logits, labels):
    rows = np.asarray(logits, dtype=np.float64).tolist()
    squares = [
        (p - (k == label)) ** 2 for row, label in zip(rows, labels, strict=True) for k, p in enumerate(softmax(row))
    ]
    return math.fsum(squares) / len(rows)


def nll(logits, labels):
    rows = np.asarray(logits, dtype=np.float64).tolist()
    return -math.fsum(log_softmax_at(row, label) for row, label in zip(rows, labels, strict=True)) / len(rows)


# --- temperature scaling ---------------------------------------------------------------------------------------------


def temperature_scores(logits, labels):
    """{T: ECE_EM of softmax(z / T)} for T = 0.1, 0.2, ..., 10.0."""
    logits = np.asarray(logits, dtype=np.float64)
    return {k / 10: ece_em(*top_label(logits / (k / 10), labels)) for k in range(1, 101)}


def best_temperature(scores):
    lowest = min(scores.values())
    return min((t for t, score in scores.items() if score == lowest), key=lambda t: abs(t - 1))


# --- Algorithm 1 and the focal family --------------------------------------------------------------------------------


def _exp(x):
    return math.exp(x) if x < 709 else math.inf


def gamma_update_without_switch(gammas, confidence, correct, lam=1.0, gamma_max=20.0):
    """Algorithm 1, lines 14-17, on a validation set; an empty bin keeps its gamma. Returns edges and new gammas."""
    edges = equal_mass_edges(confidence, len(gammas))
    new = []
    for gamma, (count, c_val, a_val) in zip(gammas, bin_stats(confidence, correct, edges), strict=True):
        new.append(min(gamma_max, gamma * _exp(lam * (c_val - a_val))) if count else gamma)
    return edges, new


def gamma_update(gammas, confidence, correct, lam=1.0, gamma_max=20.0, gamma_min=-2.0, switch_threshold=0.2):
    """Algorithm 1, lines 14-23, on a validation set; an empty bin keeps its gamma. Returns edges and new gammas."""
    edges = equal_mass_edges(confidence, len(gammas))  # line 15: B
    new = []
    for gamma, (count, c_val, a_val) in zip(gammas, bin_stats(confidence, correct, edges), strict=True):
        if count == 0:
            new.append(gamma)
            continue
        if gamma >= 0:  # line 16
            gamma = min(gamma_max, gamma * _exp(lam * (c_val - a_val)))  # line 17
            if abs(gamma) < switch_threshold:  # line 18
                gamma = -switch_threshold  # line 19
        elif gamma < 0:  # line 20
            gamma = max(gamma_min, gamma * _exp(-lam * (c_val - a_val)))  # line 21
            if abs(gamma) < switch_threshold:  # line 22
                gamma = switch_threshold  # line 23
        new.append(gamma)
    return edges, new


def focal(row, y, gamma):
    """Eq. 5: focal for gamma >= 0, inverse focal (Eq. 1) for gamma < 0."""
    log_p = log_softmax_at(row, y)
    if gamma >= 0:
        return -(one_minus_p(row, y) ** gamma) * log_p
    return -((1 + math.exp(log_p)) ** abs(gamma)) * log_p


def focal_slope(margin, gamma):
    """d loss / d margin for two classes with p = 1 / (1 + exp(-margin)); written so that nothing cancels."""
    row = [margin, 0.0]
    p, q, log_p = math.exp(log_softmax_at(row, 0)), one_minus_p(row, 0), log_softmax_at(row, 0)
    if gamma >= 0:
        return gamma * p * q**gamma * log_p - q ** (gamma + 1)
    g = abs(gamma)
    return -g * p * q * (1 + p) ** (g - 1) * log_p - q * (1 + p) ** g


def flsd53(row, y):
    return focal(row, y, 5 if math.exp(log_softmax_at(row, y)) < 0.2 else 3)


def calfocal_sample(row, y, edges, accuracy, lam, gamma_max):
    """Eq. 2, with gamma clipped at gamma_max."""
    p = math.exp(log_softmax_at(row, y))
    return focal(row, y, min(_exp(lam * (p - accuracy[bin_index(p, edges)])), gamma_max))


def calfocal_bin(row, y, edges, stats, lam, gamma_max):
    """Eq. 3, with gamma clipped at gamma_max."""
    _, c_val, a_val = stats[bin_index(math.exp(log_softmax_at(row, y)), edges)]
    return focal(row, y, min(_exp(lam * (c_val - a_val)), gamma_max))


# --- MMCE ------------------------------------------------------------------------------------------------------------


def mmce(logits, labels, form="code", width=0.4):
    """Weighted MMCE (Kumar, Sarawagi and Jain 2018), Laplacian kernel, zero when no sample is right or none is wrong.

    `formula` divides each sum over pairs by its number of pairs. `code`, as published by Kumar et al. and by Mukhoti
    et al., takes the mean over pairs and then divides by the number of pairs once more.
    """
    confidence, correct = top_label(logits, labels)
    right = [c for c, a in zip(confidence, correct, strict=True) if a]
    wrong = [c for c, a in zip(confidence, correct, strict=True) if not a]
    m, n = len(right), len(wrong)
    if m == 0 or n == 0:
        return 0.0

    def kernel(a, b):
        return math.exp(-abs(a - b) / width)

    both_right = math.fsum((1 - a) * (1 - b) * kernel(a, b) for a in right for b in right) / (m * m)
    both_wrong = math.fsum(a * b * kernel(a, b) for a in wrong for b in wrong) / (n * n)
    mixed = math.fsum((1 - a) * b * kernel(a, b) for a in right for b in wrong) / (m * n)
    if form == "code":
        both_right, both_wrong, mixed = both_right / (m * m), both_wrong / (n * n), mixed / (m * n)
    return math.sqrt(max(both_right + both_wrong - 2 * mixed, 0.0))
