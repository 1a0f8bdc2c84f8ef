"""The consistency band is exact, and the bootstrap intervals are those of resampled samples."""

from itertools import product

import numpy as np
import pytest
import torch

from calibration import bin_stats, bootstrap_accuracy, consistency_band, equal_mass_edges, equal_width_edges
from calibration.bands import number_right

ONE_BIN = [0.0, 1.0]


def test_a_band_by_hand():
    # Two samples of 1/2: none, one or both right with 1/4, 1/2, 1/4. A tail of 1/4 leaves the middle alone.
    assert consistency_band([0.5, 0.5], ONE_BIN, level=0.5) == ([0.5], [0.5])
    assert consistency_band([0.5, 0.5], ONE_BIN, level=0.51) == ([0.0], [1.0])
    # One sample of 0.9 is wrong with 0.1: in the tail at a level of 0.8, no longer at 0.81.
    assert consistency_band([0.9], ONE_BIN, level=0.8) == ([1.0], [1.0])
    assert consistency_band([0.9], ONE_BIN, level=0.81) == ([0.0], [1.0])
    # 0.2 and 0.6: none 0.8 x 0.4 = 0.32, both 0.12, one 0.56.
    assert consistency_band([0.2, 0.6], ONE_BIN, level=0.7) == ([0.0], [0.5])


def test_no_chance_in_confidences_of_0_and_1_and_nothing_in_an_empty_bin():
    low, high = consistency_band([0.0, 0.0, 1.0], equal_width_edges(3))
    np.testing.assert_array_equal(low, [0, np.nan, 1])
    np.testing.assert_array_equal(high, [0, np.nan, 1])
    low, high = consistency_band(np.ones(1000), equal_mass_edges(np.ones(1000), 4))
    np.testing.assert_array_equal(low, [np.nan] * 3 + [1])
    np.testing.assert_array_equal(high, [np.nan] * 3 + [1])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10])
def test_the_number_right_is_that_of_all_outcomes(n):
    p = np.random.default_rng(n).random(n)
    expected = np.zeros(n + 1)
    for outcome in product((0, 1), repeat=n):
        expected[sum(outcome)] += np.prod(np.where(outcome, p, 1 - p))
    np.testing.assert_allclose(number_right(p), expected, rtol=0, atol=1e-15)


def test_the_number_right_of_equal_samples_is_binomial():
    from scipy.stats import binom

    found = number_right(np.full(20_001, 0.97))
    np.testing.assert_allclose(found, binom.pmf(np.arange(20_002), 20_001, 0.97), rtol=0, atol=1e-12)
    low, high = consistency_band(np.full(500, 0.7), ONE_BIN, level=0.9)
    assert 500 * low[0] == binom.ppf(0.05, 500, 0.7)
    assert 500 * high[0] == binom.ppf(0.95, 500, 0.7)


def test_bins_of_a_calibrated_model_lie_in_the_band_at_its_nominal_rate():
    # In each tail a bin leaves the band with 2.5 % at most and, accuracies being discrete, with 2.5 % less the largest
    # probability of one accuracy at least. Each bin's own rate is summed from its distribution; how many of 2,000 x 10
    # leave is a sum of binomials, within 4 standard deviations of its mean but for one seed in 16,000.
    rng, repeats, n = np.random.default_rng(0), 2000, 3000
    confidence = rng.random(n)
    edges = equal_width_edges(10)
    low, high = consistency_band(confidence, edges)
    index = np.digitize(confidence, edges[1:-1])
    rates = []
    for b in range(10):
        pmf = number_right(confidence[index == b])
        share = np.arange(len(pmf)) / (len(pmf) - 1)
        rates.append(pmf[(share < low[b]) | (share > high[b])].sum())
        assert pmf[share < low[b]].sum() <= 0.025
        assert pmf[share > high[b]].sum() <= 0.025
        assert rates[-1] >= 0.05 - 2 * pmf.max()
    outside = 0
    for _ in range(repeats):
        accuracy = bin_stats(confidence, rng.random(n) < confidence, edges).accuracy
        outside += np.count_nonzero((accuracy < low) | (accuracy > high))
    expected = repeats * np.sum(rates)
    deviation = np.sqrt(repeats * np.sum(np.multiply(rates, np.subtract(1, rates))))
    assert abs(outside - expected) < 4 * deviation


def test_an_over_confident_model_leaves_the_band():
    rng = np.random.default_rng(0)
    confidence = rng.random(5000)
    accuracy = bin_stats(confidence, rng.random(5000) < confidence**2, equal_width_edges(5)).accuracy
    low, _ = consistency_band(confidence, equal_width_edges(5))
    assert (accuracy < low).all()


def test_order_and_library_do_not_matter():
    confidence = np.random.default_rng(0).random(200)
    edges = equal_mass_edges(confidence, 7)
    expected = consistency_band(confidence, edges)
    np.testing.assert_array_equal(consistency_band(confidence[::-1].copy(), edges), expected)
    np.testing.assert_array_equal(consistency_band(torch.from_numpy(confidence), edges), expected)


def test_bootstrap_intervals_are_those_of_resampled_samples():
    rng = np.random.default_rng(0)
    confidence, edges = rng.random(400), equal_width_edges(4)
    correct = rng.random(400) < confidence
    low, high = bootstrap_accuracy(bin_stats(confidence, correct, edges), num_resamples=4000)
    drawn = rng.integers(0, 400, (4000, 400))
    plain = np.array([bin_stats(confidence[rows], correct[rows], edges).accuracy for rows in drawn])
    # A quantile of 4,000 draws is off by sqrt(0.025 x 0.975 / 4000) = 0.0025 of probability, which is 0.043 standard
    # deviations at a normal density of 0.058 there, plus a step of 1 / 100 samples: 5 of them in all.
    tolerance = 5 * 0.043 * np.sqrt(2) * plain.std(axis=0) + 1 / 90
    assert (np.abs(low - np.quantile(plain, 0.025, axis=0)) < tolerance).all()
    assert (np.abs(high - np.quantile(plain, 0.975, axis=0)) < tolerance).all()


def test_bootstrap_edges():
    bins = bin_stats([0.1, 0.2, 0.9, 0.95], [True, False, True, True], equal_width_edges(3))
    low, high = bootstrap_accuracy(bins)
    np.testing.assert_array_equal(low, [0, np.nan, 1])
    np.testing.assert_array_equal(high, [1, np.nan, 1])
    one = bin_stats([0.4], [True], ONE_BIN)
    assert bootstrap_accuracy(one) == ([1.0], [1.0])
    np.testing.assert_array_equal(bootstrap_accuracy(bins, seed=3), bootstrap_accuracy(bins, seed=3))
    for seed in range(20):  # a bin that the only resample may not draw from
        assert np.isfinite(bootstrap_accuracy(bins, num_resamples=1, seed=seed)[0][[0, 2]]).all()


@pytest.mark.parametrize("level", [0, 1, -0.5, float("nan")])
def test_bad_levels(level):
    with pytest.raises(ValueError, match="level must lie in"):
        consistency_band([0.5], ONE_BIN, level)
    with pytest.raises(ValueError, match="level must lie in"):
        bootstrap_accuracy(bin_stats([0.5], [True], ONE_BIN), level)


def test_bad_input():
    with pytest.raises(ValueError, match="confidence"):
        consistency_band([1.5], ONE_BIN)
    with pytest.raises(ValueError, match="edges"):
        consistency_band([0.5], [1.0, 0.0])
    with pytest.raises(ValueError, match="num_resamples must be an integer >= 1, got 0"):
        bootstrap_accuracy(bin_stats([0.5], [True], ONE_BIN), num_resamples=0)
