"""Spline calibration against a literal version: another basis, loops, and a bisection."""

import bisect

import numpy as np
import pytest

from calibration import top_label
from posthoc import SplineCalibration
from tests.support.calibrators import planted


def natural_basis(x, knots):
    """Natural cubic splines in truncated powers (Hastie et al., Elements of Statistical Learning, Eq. 5.4)."""
    last, before = knots[-1], knots[-2]

    def d(k):
        return (np.maximum(x - k, 0) ** 3 - np.maximum(x - last, 0) ** 3) / (last - k)

    return np.stack([np.ones_like(x), x, *(d(k) - d(before) for k in knots[:-2])], axis=1)


def literal(confidence, correct, new, num_knots=6):
    order = np.argsort(confidence, kind="stable")
    c, a = confidence[order], correct[order].astype(float)
    for value in np.unique(c):  # samples of equal confidence count with their mean
        a[c == value] = a[c == value].mean()
    n = len(c)
    rank, gap = np.linspace(0, 1, n), np.cumsum(a - c) / n
    knots = np.linspace(0, 1, num_knots)
    weights = np.linalg.lstsq(natural_basis(rank, knots), gap, rcond=None)[0]
    h = 1e-5
    slope = (natural_basis(rank + h, knots) - natural_basis(rank - h, knots)) @ weights / (2 * h)
    x = sorted(set(c))
    y = [v + np.mean(slope[c == v]) for v in x]
    result = []
    for value in new:
        i = bisect.bisect_left(x, value)
        if i == len(x):
            result.append(y[-1])
        elif i == 0 or x[i] == value:
            result.append(y[i])
        else:  # the nearer neighbour has the larger weight
            share = (value - x[i - 1]) / (x[i] - x[i - 1])
            result.append((1 - share) * y[i - 1] + share * y[i])
    return np.clip(result, 0, 1)


@pytest.mark.parametrize(("n", "round_to"), [(400, None), (37, None), (300, 1), (12, None)])
def test_equals_the_literal_version(n, round_to):
    logits, labels = planted(3.0, n, 5, seed=n)
    logits = logits if round_to is None else np.round(logits, round_to - 1)
    new, _ = planted(2.0, 100, 5, seed=1)
    confidence, correct = top_label(logits, labels)
    fitted = SplineCalibration().fit(logits, labels)
    expected = literal(confidence, correct, top_label(new, np.zeros(100, int))[0])
    assert fitted.confidence(new) == pytest.approx(expected, abs=1e-6)


def test_the_nearer_neighbour_has_the_larger_weight():
    calibrator = SplineCalibration()
    calibrator.points_ = np.array([[0.4, 0.2], [0.8, 0.6]])
    assert calibrator.calibrate(np.array([0.5])) == pytest.approx([0.3])  # a quarter of the way from 0.2 to 0.6
    assert calibrator.calibrate(np.array([0.1, 0.9])) == pytest.approx([0.2, 0.6])


def test_ties_in_any_order():
    confidence = np.repeat([0.3, 0.6, 0.9], 40)
    correct = np.random.default_rng(0).random(120) < 0.5
    fits = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(120)
        calibrator = SplineCalibration()
        calibrator.fit_confidence(confidence[order], correct[order])
        fits.append(calibrator.points_)
    for points in fits[1:]:
        assert points == pytest.approx(fits[0], abs=1e-12)


def test_a_constant_gap_is_taken_away():
    confidence = np.linspace(0.5, 0.9, 5000)
    accuracy = confidence - 0.2
    calibrator = SplineCalibration()
    calibrator.fit_confidence(confidence, np.random.default_rng(0).random(5000) < accuracy)
    assert calibrator.calibrate(confidence) == pytest.approx(accuracy, abs=0.06)


@pytest.mark.parametrize("num_knots", [3, 4, 9])
def test_other_numbers_of_knots(num_knots):
    logits, labels = planted(2.0, 200, 5, seed=7)
    new, _ = planted(2.0, 50, 5, seed=8)
    expected = literal(*top_label(logits, labels), top_label(new, np.zeros(50, int))[0], num_knots)
    assert SplineCalibration(num_knots).fit(logits, labels).confidence(new) == pytest.approx(expected, abs=1e-6)


def test_one_confidence_by_hand():
    # the sums (i + 1) / N (1/4 - 3/4) lie on a line of the rank i / (N - 1): slope -1/2 (N - 1) / N
    calibrator = SplineCalibration()
    calibrator.fit_confidence(np.full(40, 0.75), np.arange(40) < 10)
    assert calibrator.points_ == pytest.approx(np.array([[0.75, 0.75 - 0.5 * 39 / 40]]))
    assert calibrator.knots_ == pytest.approx(-0.5 * (1 + 39 * np.linspace(0, 1, 6)) / 40)
    assert calibrator.calibrate(np.array([0.1, 0.75, 1.0])) == pytest.approx(0.2625)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_samples_than_knots_take_away_the_mean_gap(n):
    confidence = np.linspace(0.5, 0.6, n)
    for correct in (np.ones(n, bool), np.zeros(n, bool), np.arange(n) % 2 == 0):
        calibrator = SplineCalibration()
        calibrator.fit_confidence(confidence, correct)
        expected = (confidence + correct.mean() - confidence.mean()).clip(0, 1)
        assert calibrator.calibrate(confidence) == pytest.approx(expected)


def test_the_ends_and_the_range():
    confidence = np.linspace(0.4, 0.9, 300)
    for correct in (np.ones(300, bool), np.zeros(300, bool)):
        calibrator = SplineCalibration()
        calibrator.fit_confidence(confidence, correct)
        new = calibrator.calibrate(np.linspace(0, 1, 101))
        assert new == pytest.approx(float(correct[0]), abs=0.05)
        assert ((new >= 0) & (new <= 1)).all()
        assert (new[:40] == new[0]).all()
        assert (new[91:] == new[-1]).all()
