"""Validation sets with a known best temperature."""

import warnings

import numpy as np

from posthoc import TemperatureScaling

# How far two searches that differ by rounding may end from each other. One for a temperature ends within 1e-5 of its
# logarithm; one for affine maps where a step gains less than 1e-10, so within the root of that over the curvature.
SEARCHED = 1e-3


def planted(temperature, n, k=10, seed=0, scale=2.0):
    """Logits z, and labels drawn from softmax(z / temperature): the calibrated temperature is known."""
    rng = np.random.default_rng(seed)
    true_logits = scale * rng.standard_normal((n, k))
    labels = (true_logits + rng.gumbel(size=(n, k))).argmax(1)  # a draw from the softmax
    return temperature * true_logits, labels


def fit_quietly(logits, labels, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TemperatureScaling(**options).fit(logits, labels)
