import math

import numpy as np
import pytest

from calibration import ece_debias, ece_sweep
from tests.support import oracles
from tests.support.predictions import random_predictions, time_limit


def test_debias_hand_worked():
    # one bin, C = 0.9, A = 1/4: (0.65)^2 - (1/4)(3/4)/3 = 0.36
    assert ece_debias([0.9] * 4, [True, False, False, False]) == pytest.approx(0.6, abs=1e-12)
    # two bins, C = 0.6 (1 of 4 right) and C = 0.9 (all right): half of 0.06 and half of 0.01
    confidence, correct = [0.6] * 4 + [0.9] * 4, [True, False, False, False] + [True] * 4
    assert ece_debias(confidence, correct, num_bins=2) == pytest.approx(math.sqrt(0.07 / 2), abs=1e-12)


def test_debias_below_zero_is_zero():
    assert ece_debias([0.3, 0.5, 0.7, 0.9], [False, False, True, True], num_bins=1) == 0  # 0.01 - 1/12


def test_debias_leaves_out_bins_of_one_sample():
    # bins {0.2}, {0.8, 0.9}: the single one would divide by zero, https://github.com/scikit-learn/scikit-learn/pull/11096
    value = ece_debias([0.2, 0.8, 0.9], [True, False, False], num_bins=2)
    edges = oracles.equal_mass_edges([0.2, 0.8, 0.9], 2)
    assert [n for n, _, _ in oracles.bin_stats([0.2, 0.8, 0.9], [1, 0, 0], edges)] == [1, 2]
    assert value == pytest.approx(math.sqrt(2 / 3) * 0.85, abs=1e-12)
    assert ece_debias([0.1, 0.5, 0.9], [True, True, False], num_bins=3) == 0


def test_sweep_hand_worked():
    confidence, correct = [0.6, 0.7, 0.8, 0.9], [False, True, False, True]
    # two bins: accuracies 1/2, 1/2; three bins: 0, 1, 1/2, so two it is
    assert ece_sweep(confidence, correct, binning="em") == pytest.approx(1 / 2 * 0.15 + 1 / 2 * 0.35, abs=1e-12)
    # equal width: 1/2, 1/2 in two bins, 0, 1/2, 1 in three, and no more than N - 1 bins
    confidence = [0.2, 0.4, 0.6, 0.9]
    assert ece_sweep(confidence, correct, binning="ew") == pytest.approx(1 / 4 * 0.2 + 0 + 1 / 4 * 0.1, abs=1e-12)


def test_sweep_passes_over_empty_bins():
    assert ece_sweep([0.1, 0.95, 0.97], [False, True, True], binning="ew") == pytest.approx(
        0.1 / 3 + 2 / 3 * 0.04, abs=1e-12
    )


def test_sweep_defaults_to_equal_mass():
    confidence, correct = random_predictions(80, seed=3)
    assert ece_sweep(confidence, correct) == ece_sweep(confidence, correct, binning="em")


@pytest.mark.parametrize("binning", ["em", "ew"])
@pytest.mark.parametrize("n", [2, 3, 5, 17, 40])
def test_sweep_runs_to_n_minus_one_bins_when_nothing_stops_it(binning, n):
    confidence, _ = random_predictions(n, seed=n)
    for correct in (np.ones(n, bool), np.zeros(n, bool), confidence > np.median(confidence)):
        expected = oracles.ece_sweep(confidence, correct, binning)
        assert ece_sweep(confidence, correct, binning=binning) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("binning", ["em", "ew"])
@pytest.mark.parametrize("flipped", [1, 2, 3, 60, 110, 116, 200])
def test_sweep_stopped_late(binning, flipped):
    # sorted labels with one outlier: only bins of a sample or two can tell, well beyond a hundred bins
    n = 231
    confidence = np.sort(np.random.default_rng(flipped).random(n))
    for correct in (np.ones(n, bool), np.arange(n) >= n // 2):
        correct[flipped] ^= True
        expected = oracles.ece_sweep(confidence, correct, binning)
        assert ece_sweep(confidence, correct, binning=binning) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("binning", ["em", "ew"])
def test_sweep_of_a_large_set_that_nothing_stops(binning):
    n = 200_000
    confidence = np.random.default_rng(0).random(n)
    with time_limit():
        assert ece_sweep(confidence, np.ones(n, bool), binning=binning) == pytest.approx(
            1 - confidence.mean(), abs=1e-9
        )
        assert ece_sweep(confidence, np.zeros(n, bool), binning=binning) == pytest.approx(confidence.mean(), abs=1e-9)
        correct = confidence > 0.5  # sorted labels: pure bins, one mixed at most
        expected = np.abs(confidence - correct).mean()
        assert ece_sweep(confidence, correct, binning=binning) == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_sweep_of_a_large_set_with_one_late_violation():
    # one error, at the second lowest confidence: nothing is violated before bins are about two samples wide
    n = 200_000
    confidence = np.sort(np.random.default_rng(0).random(n))
    correct = np.arange(n) != 1
    with time_limit():
        assert ece_sweep(confidence, correct) == pytest.approx(1 - confidence.mean(), abs=1e-4)
