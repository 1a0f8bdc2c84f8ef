"""The search for the temperature of a proper score: scikit-learn's, brute force, ties, and the bounds."""

import warnings

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from calibration.search import best_temperature
from posthoc import EnsembleTemperatureScaling, NLLTemperatureScaling
from tests.support.calibrators import SEARCHED, planted


def score(logits, labels, temperature, loss):
    own = np.arange(len(labels)), labels
    if loss == "nll":
        return -log_softmax(logits / temperature, axis=1)[own].mean()
    p = softmax(logits / temperature, axis=1)
    return ((p - np.eye(logits.shape[1])[labels]) ** 2).sum(axis=1).mean()


def quietly(logits, labels, loss):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return best_temperature(torch.from_numpy(logits), torch.from_numpy(labels), loss)


class Logits(ClassifierMixin, BaseEstimator):
    """A classifier for scikit-learn whose features are its logits."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, x):
        return x

    def predict(self, x):
        return x.argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0, 10.0])
def test_probabilities_are_scikit_learns(temperature):
    logits, labels = planted(temperature, 3000, 5, seed=1)
    theirs = CalibratedClassifierCV(FrozenEstimator(Logits().fit(logits, labels)), method="temperature", ensemble=False)
    theirs.fit(logits, labels)
    ours = NLLTemperatureScaling().fit(logits, labels)
    assert ours.predict_proba(logits) == pytest.approx(theirs.predict_proba(logits), abs=SEARCHED)


@pytest.mark.parametrize("loss", ["nll", "squared"])
def test_no_temperature_of_a_fine_grid_is_better(loss):
    grid = np.geomspace(0.02, 50, 150)
    for seed in range(24):
        n, scale = (5, 20, 200)[seed % 3], (1.0, 2.0, 10.0, 100.0)[seed % 4]
        logits, labels = planted((0.2, 1.0, 5.0, 25.0)[seed // 6], n, 4, seed=seed, scale=scale)
        found = score(logits, labels, quietly(logits, labels, loss), loss)
        assert found <= min(score(logits, labels, t, loss) for t in grid) + 1e-5


def test_the_minimum_beyond_a_plateau_of_the_squared_error():
    # saturated below T = 0.13: a bounded search of the whole range stops there, with twice the error rate
    logits, labels = planted(30.0, 20, 4, seed=1, scale=2.0)
    grid = np.geomspace(0.02, 50, 400)
    errors = np.array([score(logits, labels, t, "squared") for t in grid])
    assert errors[grid < 0.1] == pytest.approx(2 * (logits.argmax(1) != labels).mean())
    assert errors.min() < errors[0] < errors.max()
    found = quietly(logits, labels, "squared")
    assert found == pytest.approx(grid[errors.argmin()], rel=0.02)
    assert EnsembleTemperatureScaling().fit(logits, labels).temperature_ == found


@pytest.mark.parametrize("loss", ["nll", "squared"])
@pytest.mark.parametrize("logits", [np.zeros((12, 3)), 1e4 * np.eye(12)])
def test_where_nothing_tells_the_temperatures_apart_it_is_one(logits, loss):
    # as TemperatureScaling: uniform, or right and saturated at every T
    labels = torch.arange(12) % logits.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert best_temperature(torch.from_numpy(logits), labels, loss) == 1.0


@pytest.mark.parametrize("make", [NLLTemperatureScaling, EnsembleTemperatureScaling])
def test_warns_where_a_bound_is_as_good(make):
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(2000, 10))
    right, wrong = logits.argmax(1), logits.argmin(1)
    # one sample, right: the loss rounds to 0 from T = 0.027 (NLL) or 0.053 downwards, within the bounds
    for z, y, cold in ((logits, right, True), (logits, wrong, False), (np.array([[1.0, 0.0]]), np.array([0]), True)):
        with pytest.warns(RuntimeWarning, match="lies at a bound"):
            temperature = make().fit(z, y).temperature_
        assert (temperature < 0.06) if cold else (temperature > 49)


def test_random_labels_end_at_the_upper_bound():
    rng = np.random.default_rng(1)
    logits = 5 * rng.normal(size=(20_000, 10))
    with pytest.warns(RuntimeWarning, match="lies at a bound"):
        assert NLLTemperatureScaling().fit(logits, rng.integers(0, 10, 20_000)).temperature_ > 49


def test_no_warning_inside_the_bounds():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for temperature in (0.1, 1.0, 10.0):
            NLLTemperatureScaling().fit(*planted(temperature, 1000, 5, seed=2))


@pytest.mark.parametrize("loss", ["nll", "squared"])
def test_the_size_of_a_chunk_does_not_change_the_result(monkeypatch, loss):
    logits, labels = planted(1.7, 200, 5, seed=3)
    expected = quietly(logits, labels, loss)
    monkeypatch.setattr("calibration.search.CHUNK", 7)
    assert quietly(logits, labels, loss) == pytest.approx(expected, rel=SEARCHED)


@pytest.mark.parametrize("loss", ["nll", "squared"])
def test_adding_to_a_row_changes_nothing(loss):
    logits, labels = planted(2.0, 300, 5, seed=4)
    shifted = logits + 50 * np.random.default_rng(0).normal(size=(300, 1))
    assert quietly(shifted, labels, loss) == pytest.approx(quietly(logits, labels, loss), rel=SEARCHED)
