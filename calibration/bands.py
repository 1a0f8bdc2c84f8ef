"""How far a bin's accuracy may lie from its confidence by chance, and how well the samples determine it."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from calibration.binning import BinStats, bin_index, bin_stats
from calibration.checks import as_confidence, check_count, check_level

ROUNDING = 1e-12  # of a sum of probabilities


def consistency_band(confidence, edges, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The accuracy that each bin of a perfectly calibrated model would show with these very samples.

    Sample n of such a model is right with probability `confidence[n]`, so the number of right ones among a bin's
    samples is Poisson-binomial. The band reaches between its quantiles: the accuracy lies below it, and above it, with
    probability (1 - level) / 2 at most. It is exact, so it needs no seed; accuracies being multiples of 1 / count, the
    band of few samples holds more than `level`.

    Source: Broecker and Smith 2007, "Increasing the reliability of reliability diagrams", which resamples the
    confidences, too. Here they stay as they are: the question is about these samples.

    Args:
        confidence: [N] in [0, 1].
        edges: [M + 1] ascending, as `bin_stats` takes them.
        level: share of the accuracies of one bin that the band holds, in (0, 1). It is a bin's, not all bins' at once.

    Returns:
        low and high, [M] float64 each, fractions in [0, 1]; NaN for an empty bin. With confidences of 0 and 1 alone
        there is no chance, and both are the mean confidence.

    Raises:
        ValueError: as `bin_stats`; a level outside (0, 1).
    """
    confidence, tail = as_confidence(confidence), (1 - check_level(level)) / 2
    bins = bin_stats(confidence, np.zeros(len(confidence), dtype=bool), edges)
    order = np.argsort(bin_index(confidence, bins.edges), kind="stable")
    low, high = np.full(bins.num_bins, np.nan), np.full(bins.num_bins, np.nan)
    for b, own in enumerate(np.split(confidence[order], np.cumsum(bins.count)[:-1])):
        if len(own):
            below = number_right(own).cumsum()  # P(at most k right)
            low[b] = np.argmax(below > tail + ROUNDING) / len(own)
            high[b] = np.argmax(below >= 1 - tail - ROUNDING) / len(own)
    return low, high


def number_right(probability: np.ndarray) -> np.ndarray:
    """Distribution of the number of right ones among n independent samples (Poisson-binomial).

    The polynomials (1 - p) + p x of the samples are multiplied in pairs, by Fourier transform: n log(n)^2 steps, and
    what rounding leaves of a probability is within 1e-14 of it.

    Args:
        probability: [n] of each sample to be right, in [0, 1]; n >= 1.

    Returns:
        [n + 1] float64: the probability that 0, 1, ... n are right.
    """
    factors = np.stack([1 - probability, probability], axis=1)
    while len(factors) > 1:
        if len(factors) % 2:
            factors = np.vstack([factors, np.eye(1, factors.shape[1])])  # the polynomial 1
        degrees = 2 * factors.shape[1] - 1
        size = next_fast_len(degrees, real=True)
        factors = irfft(rfft(factors[::2], size) * rfft(factors[1::2], size), size)[:, :degrees]
    return factors[0, : len(probability) + 1].clip(0.0, 1.0)


def bootstrap_accuracy(
    bins: BinStats, level: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap interval of every bin's accuracy, by percentiles.

    N samples are drawn with replacement, so the resampled numbers of right and wrong ones in each bin are multinomial,
    and are drawn as such. Bins stay those of the whole sample; a resample without a sample in a bin does not count
    there. Where all samples of a bin are right, or all wrong, the interval has no width.

    Args:
        bins: what `bin_stats` gives.
        level: of the intervals, each on its own, in (0, 1).
        num_resamples: R.
        seed: of the resamples.

    Returns:
        low and high, [M] float64 each, fractions in [0, 1]; NaN for an empty bin.

    Raises:
        ValueError: a level outside (0, 1), fewer than 1 resample.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", Section 13.3.
    """
    check_level(level)
    check_count("num_resamples", num_resamples)
    full = bins.count > 0
    right = np.rint(bins.count[full] * bins.accuracy[full]).astype(np.int64)
    n = int(bins.count.sum())
    share = np.concatenate([right, bins.count[full] - right]) / n
    drawn = np.random.default_rng(seed).multinomial(n, share, num_resamples)  # [R, 2 x bins that are not empty]
    resampled, wrong = np.split(drawn, 2, axis=1)
    count = resampled + wrong
    accuracy = np.divide(resampled, count, out=np.full(count.shape, np.nan), where=count > 0)
    accuracy[0] = np.where(count.any(axis=0), accuracy[0], bins.accuracy[full])  # never drawn in few resamples
    ends = np.full((2, bins.num_bins), np.nan)
    ends[:, full] = np.nanquantile(accuracy, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ends[0], ends[1]
