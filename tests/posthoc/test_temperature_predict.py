import math

import numpy as np
import pytest
import torch

from posthoc import TemperatureScaling
from tests.support import oracles
from tests.support.calibrators import fit_quietly, planted


def test_predictions_hand_worked():
    fitted = TemperatureScaling()
    fitted.temperature_ = 2.0
    logits = 2 * np.log([[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]])
    np.testing.assert_allclose(fitted.predict_proba(logits), [[0.7, 0.2, 0.1], [0.25, 0.5, 0.25]], rtol=1e-14)
    np.testing.assert_allclose(fitted.confidence(logits), [0.7, 0.5], rtol=1e-14)


@pytest.mark.parametrize("scale", [0.1, 1.0, 1000.0])
def test_probabilities_sum_to_one_and_the_prediction_stays(scale):
    logits, labels = planted(2.0, 500, seed=9)
    fitted = TemperatureScaling().fit(logits, labels)
    test = scale * np.random.default_rng(10).standard_normal((300, 10))
    probabilities, confidence = fitted.predict_proba(test), fitted.confidence(test)
    assert probabilities.dtype == confidence.dtype == np.float64
    assert probabilities.shape == (300, 10)
    assert confidence.shape == (300,)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-12)
    assert probabilities.min() >= 0
    assert (probabilities.argmax(1) == test.argmax(1)).all()
    np.testing.assert_allclose(confidence, probabilities.max(1), rtol=1e-12)
    np.testing.assert_allclose(fitted.transform(test), test / fitted.temperature_, rtol=1e-14)


def test_temperature_one_is_the_identity():
    logits = 1e4 * np.eye(6)
    fitted = TemperatureScaling().fit(logits, np.arange(6))
    assert fitted.temperature_ == 1.0
    test = np.random.default_rng(11).standard_normal((50, 6))
    np.testing.assert_allclose(fitted.predict_proba(test), [oracles.softmax(row) for row in test.tolist()], rtol=1e-13)


def test_extreme_logits_do_not_overflow():
    fitted = fit_quietly(np.array([[1e300, -1e300], [0.0, 1.0]]), [0, 0])
    assert np.isfinite(fitted.predict_proba([[1e300, -1e300]])).all()
    assert fitted.confidence([[1e300, -1e300]]).tolist() == [1.0]


def test_types_of_input_agree():
    logits, labels = planted(1.8, 300, seed=12)
    expected = TemperatureScaling().fit(logits, labels)
    tensor = torch.tensor(logits, requires_grad=True)
    for z, y in ((logits.tolist(), labels.tolist()), (tensor, torch.tensor(labels)), (logits, labels.astype(np.int32))):
        fitted = TemperatureScaling().fit(z, y)
        assert fitted.temperature_ == expected.temperature_
        probabilities = fitted.predict_proba(z)
        assert isinstance(probabilities, np.ndarray)
        np.testing.assert_allclose(probabilities, expected.predict_proba(logits), rtol=1e-13)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        rounded = torch.tensor(logits).to(dtype)
        fitted = TemperatureScaling().fit(rounded, labels)
        assert fitted.temperature_ == TemperatureScaling().fit(rounded.double().numpy(), labels).temperature_
        assert fitted.predict_proba(rounded).dtype == np.float64


def test_fit_returns_itself_and_can_be_repeated():
    scaling = TemperatureScaling()
    assert scaling.fit(*planted(3.0, 2000, seed=13)) is scaling
    first = scaling.temperature_
    scaling.fit(*planted(0.7, 2000, seed=14))
    assert scaling.temperature_ < 1 < first
    assert scaling.fit(*planted(3.0, 2000, seed=13)).temperature_ == first


def test_inputs_are_left_alone():
    logits, labels = planted(2.0, 200, seed=15)
    before = logits.copy()
    fitted = TemperatureScaling().fit(logits, labels)
    fitted.predict_proba(logits)
    fitted.confidence(logits)
    np.testing.assert_array_equal(logits, before)


# --- refused ---------------------------------------------------------------------------------------------------------

LOGITS, LABELS = np.zeros((3, 2)), np.array([0, 1, 0])
BAD = {
    "nan": (np.array([[0.0, np.nan]]), [0], "logits"),
    "inf": (np.array([[0.0, np.inf]]), [0], "logits"),
    "empty": (np.zeros((0, 2)), np.zeros(0, dtype=int), "logits"),
    "one dimension": (np.zeros(3), LABELS, "logits"),
    "fewer labels": (LOGITS, LABELS[:2], "labels"),
    "label K": (LOGITS, [0, 1, 2], "labels"),
    "negative label": (LOGITS, [0, 1, -1], "labels"),
    "labels of fractions": (LOGITS, [0.0, 0.5, 0.0], "labels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_validation_set(case):
    logits, labels, name = BAD[case]
    scaling = TemperatureScaling()
    with pytest.raises(ValueError, match=name) as error:
        scaling.fit(logits, labels)
    assert "\n" not in str(error.value)
    assert not hasattr(scaling, "temperature_")


def test_a_refused_fit_keeps_the_last_good_one():
    scaling = TemperatureScaling().fit(*planted(2.0, 2000, seed=17))
    before = scaling.temperature_
    with pytest.raises(ValueError, match="logits"):
        scaling.fit(np.full((2, 2), math.nan), [0, 1])
    assert scaling.temperature_ == before


@pytest.mark.parametrize("method", ["predict_proba", "confidence"])
def test_before_fit(method):
    with pytest.raises((ValueError, RuntimeError), match="fit"):
        getattr(TemperatureScaling(), method)(LOGITS)


@pytest.mark.parametrize("method", ["predict_proba", "confidence"])
@pytest.mark.parametrize("logits", [np.full((2, 2), np.nan), np.zeros(2), np.array([[np.inf, 0.0]])])
def test_bad_test_logits(method, logits):
    fitted = fit_quietly(LOGITS, LABELS)
    with pytest.raises(ValueError, match="logits"):
        getattr(fitted, method)(logits)
