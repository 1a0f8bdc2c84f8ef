"""Ensemble temperature scaling and temperature by likelihood against plain objectives."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from posthoc import EnsembleTemperatureScaling, NLLTemperatureScaling
from tests.support.calibrators import planted


def squared_error(probability, labels):
    return np.mean([np.sum((p - np.eye(len(p))[y]) ** 2) for p, y in zip(probability, labels, strict=True)])


def simplex(steps=40):
    return [(a / steps, b / steps, 1 - (a + b) / steps) for a in range(steps + 1) for b in range(steps + 1 - a)]


@pytest.mark.parametrize(("temperature", "k", "seed"), [(0.5, 3, 0), (1.0, 5, 1), (2.5, 10, 2)])
def test_temperature_and_weights_minimise_the_squared_error(temperature, k, seed):
    logits, labels = planted(temperature, 250, k, seed=seed)
    noisy = np.where(np.random.default_rng(seed).random(250) < 0.1, (labels + 1) % k, labels)
    fitted = EnsembleTemperatureScaling().fit(logits, noisy)
    plain = minimize_scalar(
        lambda t: squared_error(softmax(logits / t, axis=1), noisy), bounds=(0.02, 50), method="bounded",
        options={"xatol": 1e-7},
    )  # fmt: skip
    assert fitted.temperature_ == pytest.approx(plain.x, rel=1e-3)
    members = [softmax(logits / fitted.temperature_, axis=1), softmax(logits, axis=1), np.full(logits.shape, 1 / k)]
    best = min(squared_error(sum(w * p for w, p in zip(ws, members, strict=True)), noisy) for ws in simplex())
    assert fitted.weights_.sum() == pytest.approx(1)
    assert (fitted.weights_ >= 0).all()
    mixed = fitted.predict_proba(logits)
    assert squared_error(mixed, noisy) <= best + 1e-7
    assert (mixed.argmax(1) == logits.argmax(1)).all()


def test_the_first_look_at_some_samples_does_not_depend_on_their_order():
    # every second sample alone wants T = 0.6, the others, which weigh more, 14
    logits = np.tile([[0.05, 0.0], [20.0, 0.0]], (6000, 1))
    place = np.arange(6000)
    labels = np.stack([place % 25 >= 13, place % 5 == 0], axis=1).astype(int).ravel()  # 52 % and 80 % right
    found = EnsembleTemperatureScaling().fit(logits, labels).temperature_
    error = [((softmax(logits / t, axis=1) - np.eye(2)[labels]) ** 2).sum(1).mean() for t in (found, 0.6, 1, 5, 30)]
    assert error[0] == min(error)


@pytest.mark.parametrize("part", [1, 2, 30])
def test_a_misleading_first_look_is_made_good(monkeypatch, part):
    sets = [planted(temperature, 500, 5, seed) for seed, temperature in enumerate((0.3, 1.5, 6.0))]
    expected = [EnsembleTemperatureScaling().fit(*some).temperature_ for some in sets]
    monkeypatch.setattr("calibration.search.PART", part)
    found = [EnsembleTemperatureScaling().fit(*some).temperature_ for some in sets]
    assert found == pytest.approx(expected, rel=1e-3)


def test_planted_label_noise_becomes_the_uniform_weight():
    logits, labels = planted(2.0, 40_000, 5, seed=3)
    rng = np.random.default_rng(3)
    noisy = np.where(rng.random(len(labels)) < 0.2, rng.integers(0, 5, len(labels)), labels)
    fitted = EnsembleTemperatureScaling().fit(logits, noisy)
    # the truth: 0.8 softmax(z / 2) + 0.2 / 5; T is fitted first, without the uniform part, and so somewhat higher
    truth = 0.8 * softmax(logits / 2, axis=1) + 0.2 / 5
    assert np.abs(fitted.predict_proba(logits) - truth).mean() < 0.02
    assert fitted.weights_[2] > 0.05


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0, 10.0])
def test_planted_temperatures_are_found_by_likelihood(temperature, dtype):
    # LBFGS with lr 0.01 and 50 steps gave 1.34, 1.03, 2.74 and 3.60:
    # https://github.com/gpleiss/temperature_scaling
    logits, labels = planted(temperature, 20_000, seed=1)
    logits = logits.astype(dtype)
    found = NLLTemperatureScaling().fit(logits, labels).temperature_
    assert found == pytest.approx(temperature, rel=0.05)
    plain = minimize_scalar(
        lambda x: -log_softmax(logits.astype(float) / np.exp(x), axis=1)[np.arange(len(labels)), labels].mean(),
        bounds=(-4, 4), method="bounded", options={"xatol": 1e-7},
    )  # fmt: skip
    assert found == pytest.approx(np.exp(plain.x), rel=1e-4)


def test_sets_without_a_best_temperature_warn():
    logits, _ = planted(1.0, 200, 4, seed=2)
    for labels in (logits.argmax(1), logits.argmin(1)):
        for calibrator in (NLLTemperatureScaling(), EnsembleTemperatureScaling()):
            with pytest.warns(RuntimeWarning, match="lies at a bound of the search"):
                calibrator.fit(logits, labels)
            assert calibrator.temperature_ > 0


@pytest.mark.parametrize("weights", [(0.5, 0.3, 0.2), (0.0, 0.6, 0.4), (1.0, 0.0, 0.0)])
def test_planted_weights_are_found_at_the_true_temperature(monkeypatch, weights):
    rng = np.random.default_rng(4)
    logits = 3 * rng.normal(size=(100_000, 4))
    members = softmax(logits / 4, axis=1), softmax(logits, axis=1), np.full(logits.shape, 0.25)
    cumulative = np.cumsum(sum(w * p for w, p in zip(weights, members, strict=True)), axis=1)
    labels = (rng.random((len(logits), 1)) > cumulative[:, :-1]).sum(axis=1)
    monkeypatch.setattr("posthoc.ensemble.best_temperature", lambda *_, **__: 4.0)
    assert EnsembleTemperatureScaling().fit(logits, labels).weights_ == pytest.approx(weights, abs=0.03)


def test_no_point_of_the_simplex_is_better_on_any_set():
    for seed in range(12):
        n, k = (2, 9, 60)[seed % 3], (3, 6)[seed % 2]
        logits, labels = planted((0.1, 1.0, 3.0, 20.0)[seed % 4], n, k, seed=seed)
        labels = labels if seed < 6 else np.random.default_rng(seed).integers(0, k, n)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = EnsembleTemperatureScaling().fit(logits, labels)
        members = [softmax(logits / fitted.temperature_, axis=1), softmax(logits, axis=1), np.full(logits.shape, 1 / k)]
        best = min(squared_error(sum(w * p for w, p in zip(ws, members, strict=True)), labels) for ws in simplex(20))
        assert squared_error(fitted.predict_proba(logits), labels) <= best + 1e-7


def test_predictions_hand_worked():
    fitted = EnsembleTemperatureScaling()
    fitted.temperature_, fitted.weights_ = 2.0, np.array([0.5, 0.25, 0.25])
    # softmax(z / 2) = (3, 1) / 4 and softmax(z) = (9, 1) / 10
    assert fitted.predict_proba([[2 * np.log(3), 0.0]])[0] == pytest.approx([0.725, 0.275])  # 0.375 + 0.225 + 0.125


def test_the_uniform_part_alone_leaves_the_predictions_to_the_logits():
    logits = 3 * np.random.default_rng(5).normal(size=(300, 4))
    with pytest.warns(RuntimeWarning, match="bound"):
        fitted = EnsembleTemperatureScaling().fit(logits, logits.argmin(1))
    fitted.weights_ = np.array([0.0, 0.0, 1.0])
    confidence, correct = fitted.top_label(logits, logits.argmax(1))
    assert correct.all()  # the probabilities tie, and their argmax is class 0
    assert confidence == pytest.approx(0.25)


def test_weights_whose_sum_rounds_above_one():
    fitted = EnsembleTemperatureScaling()
    fitted.temperature_, fitted.weights_ = 1.0, np.array([0.5, 0.5 + 2**-52, 0.0])
    assert fitted.weights_.sum() > 1
    assert fitted.confidence([[1e4, 0.0]]).tolist() == [1.0]
