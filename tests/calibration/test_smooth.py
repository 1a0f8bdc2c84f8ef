"""The smooth calibration error: the literal integral, the authors' package, hand-worked values."""

import numpy as np
import pytest

from calibration import smooth_ece


def outcomes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An over-confident model."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(5, 1 + seed, n).clip(0.1, 1)
    return confidence, rng.random(n) < confidence * (1 - 0.1 * seed)


def literal(confidence, correct, width: float) -> float:
    """The integral by the midpoint rule, the kernel by the images of every sample."""
    t = (np.arange(4000) + 0.5)[:, None] / 4000
    images = [sign * confidence + 2 * m for m in range(-4, 5) for sign in (1, -1)]
    kernel = sum(np.exp(-((t - image) ** 2) / (2 * width**2)) for image in images) / (np.sqrt(2 * np.pi) * width)
    return np.abs((kernel * (correct - confidence)).mean(1)).mean()


@pytest.mark.parametrize("n", [2, 50, 700])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_width_at_which_the_literal_integral_equals_it(n, seed):
    confidence, correct = outcomes(n, seed)
    found = smooth_ece(confidence, correct)
    assert literal(confidence, correct, found) == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_authors_package_finds_it_to_a_1024th(seed, monkeypatch):
    relplot = pytest.importorskip("relplot")
    monkeypatch.setattr(relplot.config, "use_logit_scaling", False)
    confidence, correct = outcomes(2000, seed)
    assert relplot.smECE(confidence, correct * 1.0) == pytest.approx(smooth_ece(confidence, correct), abs=1 / 1024)


@pytest.mark.parametrize(("confidence", "correct"), [(0.7, True), (0.7, False), (1.0, False), (0.0, True), (1.0, True)])
def test_one_sample_is_off_by_its_residual(confidence, correct):
    assert smooth_ece([confidence], [correct]) == pytest.approx(abs(correct - confidence), abs=1e-4)


@pytest.mark.parametrize("n", [1, 10, 100, 1000, 12345])  # rounding may put the error above 1
@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_being_sure_of_what_is_wrong_is_an_error_of_one(n, confidence):
    assert smooth_ece(np.full(n, confidence), np.full(n, confidence == 0)) == pytest.approx(1.0, abs=1e-9)
    assert smooth_ece(np.full(n, confidence), np.full(n, confidence == 1)) == pytest.approx(0.0, abs=1e-9)


def test_the_order_does_not_matter_and_twice_the_samples_change_nothing():
    confidence, correct = outcomes(300, 1)
    order = np.random.default_rng(0).permutation(300)
    found = smooth_ece(confidence, correct)
    assert smooth_ece(confidence[order], correct[order]) == pytest.approx(found, abs=1e-9)
    assert smooth_ece(np.tile(confidence, 2), np.tile(correct, 2)) == pytest.approx(found, abs=1e-9)


def test_it_lies_between_the_mean_residual_and_the_mean_of_its_sizes():
    for seed in range(5):
        confidence, correct = outcomes(200, seed % 3)
        residuals = correct - confidence
        assert abs(residuals.mean()) - 1e-6 <= smooth_ece(confidence, correct) <= np.abs(residuals).mean() + 1e-6


@pytest.mark.parametrize(("confidence", "correct"), [([], []), ([1.2], [1]), ([0.5, 0.5], [1]), ([np.nan], [0])])
def test_bad_input_is_refused(confidence, correct):
    with pytest.raises(ValueError, match="confidence"):
        smooth_ece(confidence, correct)
