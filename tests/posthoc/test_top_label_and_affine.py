"""Histogram binning, isotonic regression, vector scaling and Dirichlet calibration."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from calibration import top_label
from posthoc import DirichletCalibration, HistogramBinning, IsotonicCalibration, VectorScaling, affine
from tests.support.calibrators import SEARCHED, planted


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
        assert ours.predict_proba(logits) == pytest.approx(theirs.predict_proba(features), abs=SEARCHED)


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


def test_the_other_classes_share_the_rest_in_proportion():
    calibrator = HistogramBinning(num_bins=1)
    calibrator.fit_confidence(np.array([0.5, 0.6, 0.7, 0.8]), np.array([True, False, False, False]))
    # the predicted class keeps 1/4, though another is now larger; 0.3 : 0.1 is 3 : 1
    found = calibrator.predict_proba(np.log([[0.3, 0.6, 0.1]]))
    assert found[0] == pytest.approx([9 / 16, 4 / 16, 3 / 16])
    assert calibrator.top_label(np.log([[0.3, 0.6, 0.1]]), [1])[1].tolist() == [True]


def test_histogram_beyond_the_validation_set_takes_the_end_bins():
    calibrator = HistogramBinning(num_bins=3)
    correct = np.array([False, False, True, False, True, True])
    calibrator.fit_confidence(np.array([0.5, 0.55, 0.6, 0.65, 0.7, 0.75]), correct)
    assert calibrator.calibrate(np.array([0.0, 0.5, 0.62, 0.75, 1.0])) == pytest.approx([0, 0, 0.5, 1, 1])


def test_isotonic_pools_violators_by_hand():
    calibrator = IsotonicCalibration()
    calibrator.fit_confidence(np.array([0.4, 0.5, 0.6, 0.6, 0.9]), np.array([True, False, True, False, True]))
    # means 1, 0, 1/2 (of two), 1: the first four samples pool to 1/2
    assert calibrator.calibrate(np.array([0.1, 0.4, 0.6, 0.75, 0.9, 1])) == pytest.approx([0.5, 0.5, 0.5, 0.75, 1, 1])


def test_a_heavy_penalty_leaves_the_identity_and_the_class_frequencies():
    logits, labels = planted(3.0, 500, 3, seed=5)
    vector = VectorScaling(l2=1e6).fit(logits, labels)
    assert vector.weight_ == pytest.approx(1, abs=1e-4)
    dirichlet = DirichletCalibration(l2=1e6).fit(logits, labels)  # W = 0, and b is free
    assert dirichlet.weight_ == pytest.approx(0, abs=1e-4)
    frequency = np.bincount(labels, minlength=3) / 500
    assert dirichlet.predict_proba(logits) == pytest.approx(np.tile(frequency, (500, 1)), abs=1e-3)


@pytest.mark.parametrize("make", [VectorScaling, DirichletCalibration])
def test_mean_probabilities_are_the_class_frequencies(make):
    # the condition of an optimum in the biases, which no penalty holds
    logits, labels = planted(2.0, 400, 4, seed=6)
    mean = make().fit(logits, labels).predict_proba(logits).mean(axis=0)
    assert mean == pytest.approx(np.bincount(labels) / 400, abs=SEARCHED)


@pytest.mark.parametrize("make", [VectorScaling, DirichletCalibration])
def test_a_class_that_no_label_names_gets_next_to_nothing(make):
    logits, labels = planted(1.0, 400, 4, seed=7)
    found = make().fit(logits[labels < 3], labels[labels < 3]).predict_proba(logits)
    assert found[:, 3].mean() < 1e-3


@pytest.mark.parametrize("make", [VectorScaling, DirichletCalibration])
def test_right_and_confidence_are_of_the_new_prediction(make):
    rng = np.random.default_rng(8)
    logits = rng.normal(size=(500, 3))
    labels = np.where(rng.random(500) < 0.9, 2, logits.argmax(1))  # the map has to prefer class 2
    fitted = make().fit(logits, labels)
    probability = fitted.predict_proba(logits)
    assert (probability.argmax(1) != logits.argmax(1)).sum() > 100
    confidence, correct = fitted.top_label(logits, labels)
    assert confidence == pytest.approx(probability.max(1))
    assert (correct == (probability.argmax(1) == labels)).all()


def test_says_that_the_search_ended_early(monkeypatch):
    monkeypatch.setattr("posthoc.affine.MAX_STEPS", 3)
    with pytest.warns(
        RuntimeWarning, match="DirichletCalibration stopped short of its optimum after 3 steps: .* slope of"
    ):
        DirichletCalibration().fit(*planted(2.0, 300, 4, seed=4))


def test_another_number_of_classes_is_refused():
    for make in (VectorScaling, DirichletCalibration):
        fitted = make().fit(*planted(2.0, 300, 4, seed=4))
        for other in (1, 3, 5):
            with pytest.raises(ValueError, match=f"fitted to 4 classes, got logits of {other}"):
                fitted.predict_proba(np.zeros((2, other)))


@pytest.mark.parametrize("make", [VectorScaling, DirichletCalibration])
def test_a_search_of_long_steps_has_a_limit_and_says_whether_it_came_to_its_end(make, monkeypatch):
    logits, labels = planted(3.0, 300, 5, seed=1)
    calibrator = make()
    assert calibrator.max_steps(5000, 10) == calibrator.max_steps(5000, 66) == affine.MAX_STEPS
    assert calibrator.max_steps(5000, 1000) == 200
    assert calibrator.max_steps(10**6, 1000) == affine.MIN_STEPS
    assert calibrator.fit(logits, labels).finished_
    monkeypatch.setattr(affine, "MAX_STEPS", 2)
    with pytest.warns(RuntimeWarning, match=f"{make.__name__} stopped short of its optimum after 2 steps"):
        assert not calibrator.fit(logits, labels).finished_


@pytest.mark.parametrize("calibrator", [VectorScaling, DirichletCalibration])
def test_parts_of_the_samples_give_the_fit_of_the_whole(calibrator, monkeypatch):
    logits, labels = planted(2.0, 301, 5, seed=1)
    logits[::7, 4] = -np.inf
    whole = calibrator().fit(logits, labels)
    monkeypatch.setattr(affine, "PART", 5 * 100)  # three parts, and one of a single sample
    parts = calibrator().fit(logits, labels)
    assert parts.predict_proba(logits) == pytest.approx(whole.predict_proba(logits), abs=SEARCHED)
