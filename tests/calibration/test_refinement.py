import math

import numpy as np
import pytest
import torch

from calibration import brier_score, calibration_part, nll, refinement, summary
from calibration.refinement import FOLDS, losses
from tests.support.predictions import random_logits

PARTS = ("nll", "brier")


def folds_of(n: int, folds: int) -> np.ndarray:
    """The documented deal, written down once more."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0)).numpy()
    dealt = np.empty(n, int)
    for place, sample in enumerate(order):
        dealt[sample] = place % folds
    return dealt


def calibrated(n: int, k: int, scale: float, seed: int = 0):
    """Logits `scale` times those that the labels were drawn by."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (p.cumsum(1) > rng.random((n, 1))).argmax(1)
    return scale * logits, labels


@pytest.mark.parametrize("score", PARTS)
@pytest.mark.parametrize(("n", "k", "scale"), [(2000, 10, 3.0), (500, 3, 0.3), (300, 2, 1.0)])
def test_equals_probmetrics_on_the_same_folds(score, n, k, scale):
    probmetrics = pytest.importorskip("probmetrics.metrics")
    from probmetrics.calibrators import TemperatureScalingCalibrator
    from probmetrics.distributions import CategoricalDirac, CategoricalLogits

    class Deal(probmetrics.Splitter):
        def get_splits(self, y_true, random_state=None):
            dealt = folds_of(n, FOLDS)
            return [(np.flatnonzero(dealt != fold), np.flatnonzero(dealt == fold)) for fold in range(FOLDS)]

        def get_name(self):
            return "deal"

    logits, labels = calibrated(n, k, scale)
    theirs = probmetrics.MetricsWithCalibration(
        probmetrics.Metrics.from_names(["logloss", "brier"]),
        TemperatureScalingCalibrator(opt="bisection", max_bisection_steps=50),
        Deal(),
        cal_name="ts",
    ).compute_all(
        CategoricalDirac(torch.as_tensor(labels), k), CategoricalLogits(torch.as_tensor(logits))
    )  # fmt: skip
    name = {"nll": "logloss", "brier": "brier"}[score]
    assert refinement(logits, labels, score) == pytest.approx(float(theirs[f"refinement_{name}_ts_deal"]), abs=1e-6)
    expected = float(theirs[f"calib-err_{name}_ts_deal"])
    assert calibration_part(logits, labels, score) == pytest.approx(expected, abs=1e-6)


def test_the_parts_add_up():
    logits, labels = random_logits(200, 5, seed=3, scale=3.0)
    for name, whole in (("nll", nll), ("brier", brier_score)):
        parts = calibration_part(logits, labels, name) + refinement(logits, labels, name)
        assert parts == pytest.approx(whole(logits, labels), abs=1e-12)
    found = summary(logits, labels)
    assert found["nll_calibration"] + found["nll_refinement"] == pytest.approx(found["nll"], abs=1e-12)
    assert found["brier_refinement"] == refinement(logits, labels, "brier")


def test_a_temperature_moves_the_calibration_part_alone():
    logits, labels = calibrated(4000, 4, 1.0)
    for name in PARTS:
        assert refinement(3 * logits, labels, name) == pytest.approx(refinement(logits, labels, name), abs=1e-5)
        assert calibration_part(3 * logits, labels, name) > 0.01
    # the labels were drawn by these logits: the best temperature of other folds cannot gain anything to speak of
    assert abs(calibration_part(logits, labels)) < 4 / 4000  # a parameter gains 1 / 2 of a nat a data set, or loses it


def test_probabilities_give_the_same():
    logits, labels = random_logits(100, 3, seed=1)
    p = torch.softmax(torch.as_tensor(logits), 1)
    assert refinement(p, labels, from_logits=False) == pytest.approx(refinement(logits, labels), abs=1e-9)


def test_two_samples_are_two_folds():
    logits = np.log([[0.8, 0.2], [0.8, 0.2]])
    # the other sample is right: the coldest temperature of the search makes this one all but certain, and it is
    assert refinement(logits, [0, 0]) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("logits", "labels"), [([[0.0, 1.0]], [1]), ([[0.0, -math.inf], [1.0, 0.0], [0.0, 2.0]], [1, 0, 1])]
)
def test_nan_where_no_temperature_can_be_found(logits, labels):
    assert all(np.isnan(values).all() for values in losses(torch.tensor(logits).double(), torch.tensor(labels)))
    assert math.isnan(refinement(logits, labels))
    assert math.isnan(calibration_part(logits, labels, "brier"))


def test_bad_arguments():
    logits, labels = random_logits(10, 3, seed=0)
    with pytest.raises(ValueError, match="score must be nll or brier, got 'ece'"):
        refinement(logits, labels, "ece")
    for folds in (1, 2.5):
        with pytest.raises(ValueError, match=f"folds must be an integer >= 2, got {folds}"):
            calibration_part(logits, labels, folds=folds)
