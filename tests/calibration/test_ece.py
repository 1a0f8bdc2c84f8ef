import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import classwise_ece, ece_debias, ece_em, ece_ew, ece_sweep, mce
from tests.support import oracles
from tests.support.predictions import SCORES, predictions, random_predictions, unzip

ORACLES = {
    "ece_ew": oracles.ece_ew,
    "ece_em": oracles.ece_em,
    "ece_debias": oracles.ece_debias,
    "ece_sweep_em": lambda c, a: oracles.ece_sweep(c, a, "em"),
    "ece_sweep_ew": lambda c, a: oracles.ece_sweep(c, a, "ew"),
    "mce": oracles.mce,
}

# --- hand-worked -----------------------------------------------------------------------------------------------------


def test_equal_width_hand_worked():
    confidence = [0.6, 0.6, 0.6, 0.9, 0.9]  # 0.6 = 9/15 opens bin 9: 2 of 3 right; 0.9 in bin 13: 1 of 2
    correct = [True, True, False, True, False]
    assert ece_ew(confidence, correct) == pytest.approx(3 / 5 * (2 / 3 - 0.6) + 2 / 5 * 0.4, abs=1e-14)
    assert mce(confidence, correct) == pytest.approx(0.4, abs=1e-14)


def test_equal_mass_hand_worked():
    confidence = [0.5, 0.6, 0.8, 0.9]  # the median 0.7 parts them
    correct = [True, True, False, True]
    assert ece_em(confidence, correct, num_bins=2) == pytest.approx(1 / 2 * 0.45 + 1 / 2 * 0.35, abs=1e-14)
    assert ece_ew(confidence, correct, num_bins=1) == pytest.approx(0.75 - 0.7, abs=1e-14)


def test_opposite_errors_cancel_only_inside_a_bin():
    confidence, correct = [0.51, 0.52], [True, False]
    assert ece_ew(confidence, correct, num_bins=15) == pytest.approx(0.515 - 0.5, abs=1e-14)
    assert ece_ew(confidence, correct, num_bins=100) == pytest.approx((0.49 + 0.52) / 2, abs=1e-14)


def test_confidence_one_and_zero_have_bins_of_their_own_end():
    # a phantom sixteenth bin for 1.0: https://github.com/Lightning-AI/torchmetrics/issues/3510
    confidence = [1.0, 1.0, 0.95, 0.95]
    correct = [True, False, True, True]
    assert ece_ew(confidence, correct) == pytest.approx(abs(3.9 / 4 - 3 / 4), abs=1e-14)
    assert ece_ew([0.0, 0.0, 0.0, 0.0], correct) == pytest.approx(3 / 4)


def test_planted_miscalibration_moves_every_error_by_what_was_planted():
    confidence = np.repeat([0.25, 0.55, 0.85], 100)
    right = np.concatenate([np.arange(100) < c for c in (25, 55, 85)])
    for name in ("ece_ew", "ece_em", "ece_sweep_em", "ece_sweep_ew", "mce"):
        assert SCORES[name](confidence, right) == pytest.approx(0, abs=1e-12), name
    flipped = np.concatenate([np.arange(100) < c for c in (15, 45, 75)])  # a tenth of all answers made wrong
    for name in ("ece_ew", "ece_em", "ece_sweep_em", "ece_sweep_ew", "mce"):
        assert SCORES[name](confidence, flipped) == pytest.approx(1 / 10, abs=1e-12), name


# --- constant predictors, ties, few samples --------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.0, 0.2, 0.5, 0.7, 14 / 15, 1.0])
@pytest.mark.parametrize("right", [0, 3, 7, 10])
@pytest.mark.parametrize("order", ["sorted", "reversed", "shuffled"])
def test_a_constant_predictor_is_off_by_its_gap(confidence, right, order):
    correct = np.arange(10) < right
    correct = {"sorted": correct, "reversed": correct[::-1], "shuffled": np.random.default_rng(0).permutation(correct)}[
        order
    ]
    gap = abs(confidence - right / 10)
    for name, score in SCORES.items():
        if name != "ece_debias":
            assert score([confidence] * 10, correct) == pytest.approx(gap, abs=1e-12), name
    variance = right / 10 * (1 - right / 10) / 9
    expected = math.sqrt(max(gap**2 - variance, 0))
    assert ece_debias([confidence] * 10, correct) == pytest.approx(expected, abs=1e-8)


def test_mass_at_one_is_not_lost():
    # 60 % of the confidences tie at 1.0: nine of fifteen quantile edges coincide
    confidence = np.concatenate([np.linspace(0.3, 0.9, 40), np.ones(60)])
    correct = np.concatenate([np.ones(40, bool), np.arange(60) < 30])
    expected = oracles.ece_em(confidence, correct)
    assert expected > 60 / 100 * 0.49
    assert ece_em(confidence, correct) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 14, 15, 16])
@pytest.mark.parametrize("name", SCORES)
def test_fewer_samples_than_bins(n, name):
    confidence, correct = random_predictions(n, seed=n)
    assert SCORES[name](confidence, correct) == pytest.approx(ORACLES[name](confidence, correct), abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_one_sample(name):
    assert SCORES[name]([0.8], [True]) == pytest.approx(0 if name == "ece_debias" else 0.2, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_perfect_predictor(name):
    assert SCORES[name](np.ones(50), np.ones(50, dtype=bool)) == 0


# --- oracles and properties ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("seed", range(8))
def test_random_sets_equal_the_oracle(name, seed):
    n = [33, 46, 61, 76, 80, 91, 100, 120][seed]
    confidence, correct = random_predictions(n, seed=seed, sharpness=[0.3, 1, 3][seed % 3])
    if seed % 2:
        confidence = np.round(confidence, 1)  # many ties, many values on edges
    assert SCORES[name](confidence, correct) == pytest.approx(ORACLES[name](confidence, correct), abs=1e-12)


@pytest.mark.parametrize("num_bins", [1, 2, 5, 10, 20, 50])
def test_num_bins(num_bins):
    confidence, correct = random_predictions(301, seed=5, sharpness=2)
    for ours, oracle in (
        (ece_ew, oracles.ece_ew),
        (ece_em, oracles.ece_em),
        (ece_debias, oracles.ece_debias),
        (mce, oracles.mce),
    ):
        assert ours(confidence, correct, num_bins=num_bins) == pytest.approx(
            oracle(confidence, correct, num_bins), abs=1e-12
        )


@settings(max_examples=150, derandomize=True)
@given(predictions(max_size=25))
def test_any_predictions_equal_the_oracle_and_stay_in_the_unit_interval(pairs):
    confidence, correct = unzip(pairs)
    for name, score in SCORES.items():
        value = score(confidence, correct)
        assert isinstance(value, float), name
        assert 0 <= value <= 1, name
        tolerance = 1e-7 if name == "ece_debias" else 1e-12  # the root magnifies the rounding of a square near zero
        assert value == pytest.approx(ORACLES[name](confidence, correct), abs=tolerance), name


@settings(max_examples=100, derandomize=True)
@given(predictions(max_size=40), st.randoms(use_true_random=False))
def test_order_does_not_matter(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    by_correctness = sorted(pairs, key=lambda pair: pair[1])
    for name, score in SCORES.items():
        expected = score(*unzip(pairs))
        tolerance = 1e-7 if name == "ece_debias" else 1e-12
        assert score(*unzip(shuffled)) == pytest.approx(expected, abs=tolerance), name
        assert score(*unzip(by_correctness)) == pytest.approx(expected, abs=tolerance), name


@settings(max_examples=100, derandomize=True)
@given(predictions(max_size=40), st.integers(2, 4))
def test_a_duplicated_set_has_the_same_equal_width_error(pairs, copies):
    assert ece_ew(*unzip(pairs * copies)) == pytest.approx(ece_ew(*unzip(pairs)), abs=1e-12)
    assert mce(*unzip(pairs * copies)) == pytest.approx(mce(*unzip(pairs)), abs=1e-12)


def test_a_thousand_permutations_of_ties():
    confidence = np.round(random_predictions(200, seed=2)[0], 1)
    correct = np.random.default_rng(0).random(200) < 0.6
    expected = ece_em(confidence, correct)
    rng = np.random.default_rng(1)
    for _ in range(1000):
        order = rng.permutation(200)
        assert ece_em(confidence[order], correct[order]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_tensors_arrays_and_lists_agree(name):
    confidence, correct = random_predictions(64, seed=9)
    expected = SCORES[name](confidence, correct)
    for other in (
        (torch.tensor(confidence, requires_grad=True), torch.tensor(correct)),
        (confidence.tolist(), correct.tolist()),
        (confidence, correct.astype(np.int64)),
        (confidence, correct.astype(np.float64)),
    ):
        assert SCORES[name](*other) == expected


# --- refused ---------------------------------------------------------------------------------------------------------

BAD = {
    "nan": ([0.5, math.nan], [True, False], "confidence"),
    "inf": ([0.5, math.inf], [True, False], "confidence"),
    "above one": ([0.5, 1 + 1e-6], [True, False], "confidence"),
    "below zero": ([0.5, -1e-6], [True, False], "confidence"),
    "percent": ([50.0, 70.0], [True, False], "confidence"),
    "empty": ([], [], "confidence"),
    "two dimensions": ([[0.5], [0.5]], [True, False], "confidence"),
    "shorter correct": ([0.5, 0.6], [True], "correct"),
    "correct of two dimensions": ([0.5, 0.6], [[True], [False]], "correct"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", SCORES)
def test_bad_input_is_refused_in_one_line_that_names_the_argument(name, case):
    confidence, correct, argument = BAD[case]
    with pytest.raises(ValueError, match=argument) as error:
        SCORES[name](confidence, correct)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("num_bins", [0, -3, 1.5, 15.0, "15", None])
def test_bad_num_bins(num_bins):
    for score in (ece_ew, ece_em, ece_debias, mce):
        with pytest.raises(ValueError, match="num_bins"):
            score([0.5, 0.6], [True, False], num_bins=num_bins)
    with pytest.raises(ValueError, match="num_bins"):
        classwise_ece([[0.0, 1.0]], [0], num_bins=num_bins)


@pytest.mark.parametrize("binning", ["equal", "EM", None, 15])
def test_unknown_binning_lists_the_choices(binning):
    with pytest.raises(ValueError, match="binning") as error:
        ece_sweep([0.5, 0.6], [True, False], binning=binning)
    assert "em" in str(error.value)
    assert "ew" in str(error.value)
