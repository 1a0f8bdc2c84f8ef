"""What every calibrator keeps, by the table of calibrators."""

import warnings

import numpy as np
import pytest
import torch

from calibration import ece_em, top_label
from posthoc import CALIBRATORS, build
from tests.support.calibrators import SEARCHED, planted

NAMES = list(CALIBRATORS)
KEEP_CLASS = [name for name in NAMES if name not in ("vector", "dirichlet")]


def fit(name, logits, labels):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build(name).fit(logits, labels)


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_and_confidences(name):
    logits, labels = planted(3.0, 400, 5, seed=1)
    calibrator = build(name)
    with pytest.raises(ValueError, match="not fitted"):
        calibrator.predict_proba(logits)
    assert calibrator.fit(logits, labels) is calibrator
    new = 5 * np.random.default_rng(0).normal(size=(300, 5))  # confidences far beyond the validation set's
    probability, confidence = calibrator.predict_proba(new), calibrator.confidence(new)
    assert (probability.dtype, probability.shape) == (np.float64, (300, 5))
    assert probability.sum(axis=1) == pytest.approx(1)
    assert probability.min() >= 0
    assert confidence.shape == (300,)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    told, correct = calibrator.top_label(new, np.zeros(300, int))
    assert told == pytest.approx(confidence)
    if name in KEEP_CLASS:
        assert (correct == (new.argmax(1) == 0)).all()
        assert probability[np.arange(300), new.argmax(1)] == pytest.approx(confidence)
    else:
        assert (correct == (probability.argmax(1) == 0)).all()


@pytest.mark.parametrize("name", NAMES)
def test_tensors_arrays_and_types_give_the_same(name):
    logits, labels = planted(2.0, 300, 4, seed=2)
    logits = logits.astype(np.float32)
    expected = fit(name, logits.astype(np.float64), labels).predict_proba(logits.astype(np.float64))
    for given in (logits, torch.from_numpy(logits), torch.from_numpy(logits).requires_grad_()):
        found = fit(name, given, torch.from_numpy(labels)).predict_proba(given)
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_samples_does_not_matter(name):
    logits, labels = planted(2.0, 300, 4, seed=3)
    logits = np.round(logits)  # many ties
    order = np.random.default_rng(0).permutation(300)
    expected = fit(name, logits, labels).confidence(logits)
    assert fit(name, logits[order], labels[order]).confidence(logits) == pytest.approx(expected, abs=SEARCHED)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_a_planted_error_is_mended(name, temperature):
    logits, labels = planted(temperature, 8000, 5, seed=4)
    calibrator = fit(name, logits[:4000], labels[:4000])
    before = ece_em(*top_label(logits[4000:], labels[4000:]))
    after = ece_em(*calibrator.top_label(logits[4000:], labels[4000:]))
    assert after < 0.035
    if temperature != 1:
        assert before > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_small_and_one_sided_sets(name):
    logits, labels = planted(1.0, 30, 4, seed=5)
    top = logits.argmax(1)
    for z, y in (
        (logits[:1], labels[:1]),
        (logits, top),  # all right
        (logits, (top + 1) % 4),  # all wrong
        (logits, np.where(labels == 3, 2, labels)),  # a class that no label names
        (np.zeros((30, 4)), labels),  # one confidence for all
        (1e4 * logits, labels),  # confidences that round to 1
    ):
        probability = fit(name, z, y).predict_proba(logits)
        assert np.isfinite(probability).all()
        assert probability.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_refused(name):
    logits, labels = planted(1.0, 20, 4, seed=6)
    bad = logits.copy()
    bad[3, 1] = np.nan
    for z, y, message in (
        (bad, labels, "row 3"),
        (np.where(bad == bad, bad, np.inf), labels, "finite"),
        (logits, labels + 4, "labels"),
        (logits, labels - 4, "labels"),
        (logits, labels[:-1], "labels"),
        (logits, labels / 2, "labels"),
        (logits[:0], labels[:0], "N >= 1"),
        (logits[0], labels[:1], r"\[N, K\]"),
    ):
        with pytest.raises(ValueError, match=message):
            build(name).fit(z, y)
    with pytest.raises(ValueError, match="row 3"):
        fit(name, logits, labels).predict_proba(bad)


@pytest.mark.parametrize("name", NAMES)
def test_over_confidence_on_the_validation_set_is_lowered(name):
    logits, labels = planted(3.0, 2000, 5, seed=7)
    before, after = ece_em(*top_label(logits, labels)), ece_em(*fit(name, logits, labels).top_label(logits, labels))
    assert before > 0.15
    assert after < before / 4


@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_the_classes_do_not_matter(name):
    logits, labels = planted(2.0, 400, 4, seed=8)
    order = np.array([2, 0, 3, 1])  # new class j is old class order[j]
    expected = fit(name, logits, labels).predict_proba(logits)[:, order]
    found = fit(name, logits[:, order], np.argsort(order)[labels]).predict_proba(logits[:, order])
    assert found == pytest.approx(expected, abs=SEARCHED)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_depend_on_the_others(name):
    logits, labels = planted(2.0, 200, 4, seed=9)
    calibrator = fit(name, logits, labels)
    together = calibrator.predict_proba(logits[:20])
    alone = np.concatenate([calibrator.predict_proba(logits[i : i + 1]) for i in range(20)])
    assert alone == pytest.approx(together, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_fitted_again_it_forgets_and_inputs_stay(name):
    first, second = planted(3.0, 200, 4, seed=10), planted(0.5, 200, 4, seed=11)
    copy = first[0].copy(), first[1].copy()
    expected = fit(name, *first).confidence(first[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calibrator = build(name).fit(*second).fit(*first)
    assert calibrator.confidence(first[0]) == pytest.approx(expected, abs=1e-12)
    calibrator.top_label(*first)
    assert (first[0] == copy[0]).all()
    assert (first[1] == copy[1]).all()
    with pytest.raises(ValueError, match="finite"):
        calibrator.fit(np.full((2, 4), np.nan), np.zeros(2, int))
    assert calibrator.confidence(first[0]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_score_can_be_taken_of_the_confidences(name):
    rng = np.random.default_rng(12)
    for n, k, labels in (
        (40, 3, rng.integers(0, 3, 40)),
        (40, 1, np.zeros(40, int)),
        (3, 10, np.array([0, 5, 9])),
        (40, 3, np.zeros(40, int)),
    ):
        logits = 3 * rng.normal(size=(n, k))
        calibrator = fit(name, logits, labels)
        for new in (logits, 100 * logits, logits - 1e6):
            confidence, correct = calibrator.top_label(new, labels)
            assert 0 <= ece_em(confidence, correct) <= 1  # refuses confidences above 1
            assert ece_em(calibrator.confidence(new), correct) == pytest.approx(ece_em(confidence, correct))


def masked(n, seed, labels_too=False):
    """Predictions of five classes, one of which each sample cannot have, most often not its label."""
    logits, labels = planted(3.0, n, 5, seed=seed)
    out = labels if labels_too else (labels + 1) % 5
    logits[np.arange(n), out] = -np.inf
    return logits, labels


@pytest.mark.parametrize("name", NAMES)
def test_classes_that_a_sample_cannot_have(name):
    logits, labels = masked(600, seed=13)
    calibrator = fit(name, logits, labels)
    probability = calibrator.predict_proba(logits)
    assert probability.sum(axis=1) == pytest.approx(1)
    assert (probability[np.isneginf(logits)] == 0).all() or name == "ets"  # a part of whose mixture is uniform
    assert np.isfinite(calibrator.confidence(logits)).all()
    assert ece_em(*calibrator.top_label(logits, labels)) < ece_em(*top_label(logits, labels))
    # with one class left nothing can be shared among the others but evenly
    alone = np.where(np.eye(5)[labels] == 1, 0.0, -np.inf)
    assert calibrator.predict_proba(alone).sum(axis=1) == pytest.approx(1)
    assert calibrator.predict_proba(alone).max(axis=1) == pytest.approx(calibrator.confidence(alone))


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_classes_that_cannot_be_do_not_stop_a_fit(name):
    some, all_of_them = masked(300, seed=14), masked(300, seed=15, labels_too=True)
    both = tuple(np.concatenate(pair) for pair in zip(some, all_of_them, strict=True))
    for logits, labels in (both, all_of_them):
        assert np.isfinite(fit(name, logits, labels).predict_proba(some[0])).all()
    if name in ("ts-nll", "vector", "dirichlet"):  # whose loss is the likelihood: impossible samples tell it nothing
        expected = fit(name, *some).predict_proba(some[0])
        assert fit(name, *both).predict_proba(some[0]) == pytest.approx(expected, abs=SEARCHED)


@pytest.mark.parametrize("name", NAMES)
def test_logarithms_are_those_of_the_probabilities_and_do_not_underflow(name):
    logits, labels = planted(2.0, 500, 4, seed=16)
    calibrator = fit(name, logits, labels)
    for given in (logits, masked(50, seed=17)[0][:, :4], 100 * logits):
        with np.errstate(divide="ignore"):
            expected = np.log(calibrator.predict_proba(given))
        found = calibrator.log_proba(given)
        seen = expected > -700
        assert found[seen] == pytest.approx(expected[seen], abs=1e-9)
        assert (found[~seen] < -690).all()
    assert (calibrator.predict_proba(1e4 * logits) == 0).any() or name == "ets"
    if name in ("ts", "ts-nll", "vector", "dirichlet"):
        assert np.isfinite(calibrator.log_proba(1e4 * logits)).all()


def test_unknown_names_and_options():
    with pytest.raises(ValueError, match=r"unknown calibrator 'platt': choose from ts, ts-nll, ets"):
        build("platt")
    with pytest.raises(ValueError, match="calibrator 'ets'"):
        build("ets", knots=3)
    for name, option in (("spline", {"num_knots": 2}), ("histogram", {"num_bins": 0}), ("vector", {"l2": -1.0})):
        with pytest.raises(ValueError, match=next(iter(option))):
            build(name, **option)
