"""The bare forms that scores and calibrators are timed against give what ours give."""

import numpy as np
import pytest
import torch

import posthoc
from calibration import classwise_ece, top_label
from experiments.bench import bare, losses, scores


def test_the_four_eces():
    confidence, correct = scores.outcomes(3000)
    assert bare.four_eces(confidence, correct) == pytest.approx(scores.four_eces(confidence, correct), rel=1e-9)


def test_classwise_ece():
    logits, labels = scores.predictions(500, 7)
    assert bare.classwise_ece(logits, labels) == pytest.approx(classwise_ece(logits, labels), rel=1e-9)


def test_the_temperature_of_the_grid():
    logits, labels = scores.predictions(800, 12)
    assert bare.temperature(logits, labels) == posthoc.build("ts").fit(logits, labels).temperature_


@pytest.mark.parametrize("n", [300, 9000])  # more samples than are looked at first, too
def test_ets(n):
    logits, labels = scores.predictions(n, 6)
    ours = posthoc.build("ets").fit(logits, labels)
    temperature, weights = bare.ets(logits, labels)
    assert temperature == pytest.approx(ours.temperature_, rel=1e-4)
    assert weights == pytest.approx(ours.weights_, abs=1e-3)


def test_the_spline():
    logits, labels = scores.predictions(400, 5)
    confidence, correct = top_label(logits, labels)
    ours = posthoc.SplineCalibration()
    ours.fit_confidence(confidence, correct)
    np.testing.assert_allclose(ours.points_[:, 1], bare.spline(confidence, correct), rtol=0, atol=1e-9)


def test_the_pass_over_logits():
    logits, labels = scores.predictions(700, 300)
    confidence, predicted = bare.one_pass(logits)
    ours, correct = top_label(logits, labels)
    np.testing.assert_allclose(confidence.numpy(), ours, rtol=1e-12)
    assert torch.equal(predicted == labels, torch.from_numpy(correct))


def test_the_plain_focal_losses():
    logits, labels = scores.predictions(200, 10)
    logits = (logits / 4).requires_grad_()  # where the plain forms are finite
    found = dict(losses.named(logits, labels))
    for name in ("adafocal", "flsd53"):
        ours, plain = (loss(logits, labels) for loss in (found[name], found[f"plain {name}"]))
        torch.testing.assert_close(plain, ours)
        torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (plain, ours)))
