"""Histogram binning, isotonic regression, vector scaling and Dirichlet calibration."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from calibration import top_label
from posthoc import DirichletCalibration, HistogramBinning, IsotonicCalibration, VectorScaling
from tests.posthoc.cases import planted


def test_histogram_binning_by_hand():
    calibrator = HistogramBinning(num_bins=2)
    calibrator.fit_confidence(np.array([0.5, 0.6, 0.8, 0.9]), np.array([True, False, True, True]))
    # the bins meet at the median, 0.7
    assert calibrator.calibrate(np.array([0.1, 0.69, 0.7, 1.0])) == pytest.approx([0.5, 0.5, 1.0, 1.0])


def test_a_bin_that_ties_left_empty_keeps_the_confidence():
    calibrator = HistogramBinning(num_bins=4)
    calibrator.fit_confidence(np.array([0.5, 0.9, 0.9, 0.9]), np.array([False, True, True, False]))
    # the quartiles are 0.5, 0.8, 0.9, 0.9, 0.9: [0.8, 0.9) holds nothing
    assert calibrator.bins_.count.tolist() == [1, 0, 0, 3]
    assert calibrator.calibrate(np.array([0.5, 0.85, 0.9])) == pytest.approx([0, 0.85, 2 / 3])


def test_isotonic_is_scikit_learns_and_monotone():
    logits, labels = planted(3.0, 500, 5, seed=1)
    confidence, correct = top_label(logits, labels)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(confidence, correct)
    new = np.linspace(0.2, 1, 200)
    found = IsotonicCalibration().fit(logits, labels).calibrate(new)
    assert found == pytest.approx(theirs.predict(new))
    assert (np.diff(found) >= 0).all()


def test_dirichlet_is_a_logistic_regression_on_log_probabilities():
    logits, labels = planted(2.0, 600, 4, seed=2)
    features = log_softmax(logits, axis=1)
    for l2 in (1e-1, 1e-3):
        theirs = LogisticRegression(C=1 / (2 * len(labels) * l2), tol=1e-10, max_iter=10_000).fit(features, labels)
        ours = DirichletCalibration(l2).fit(logits, labels)
        assert ours.predict_proba(logits) == pytest.approx(theirs.predict_proba(features), abs=1e-4)


def test_planted_weights_and_biases_are_found():
    weight, bias = np.array([0.5, 1.0, 2.0]), np.array([0.5, 0.0, -0.5])
    rng = np.random.default_rng(3)
    logits = 2 * rng.normal(size=(40_000, 3))
    labels = (weight * logits + bias + rng.gumbel(size=logits.shape)).argmax(1)
    fitted = VectorScaling().fit(logits, labels)
    assert fitted.weight_ == pytest.approx(weight, rel=0.06)
    assert fitted.bias_ - fitted.bias_.mean() == pytest.approx(bias, abs=0.06)
    assert fitted.predict_proba(logits[:5]) == pytest.approx(
        softmax(fitted.weight_ * logits[:5] + fitted.bias_, axis=1)
    )


@pytest.mark.parametrize("make", [VectorScaling, DirichletCalibration])
def test_no_step_lowers_the_loss(make):
    logits, labels = planted(2.0, 300, 4, seed=4)
    fitted = make().fit(logits, labels)
    features = logits if make is VectorScaling else log_softmax(logits, axis=1)

    def loss(weight, bias):
        z = features * weight if make is VectorScaling else features @ weight.T
        penalty = ((weight - 1) ** 2).sum() if make is VectorScaling else (weight**2).sum()
        return -log_softmax(z + bias, axis=1)[np.arange(300), labels].mean() + fitted.l2 * penalty

    best = loss(fitted.weight_, fitted.bias_)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        step = 1e-2 * rng.normal(size=fitted.weight_.shape), 1e-2 * rng.normal(size=fitted.bias_.shape)
        assert loss(fitted.weight_ + step[0], fitted.bias_ + step[1]) > best
