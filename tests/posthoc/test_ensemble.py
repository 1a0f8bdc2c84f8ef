"""Ensemble temperature scaling and temperature by likelihood against plain objectives."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from posthoc import EnsembleTemperatureScaling, NLLTemperatureScaling
from tests.posthoc.cases import planted


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
