import math

import numpy as np
import pytest
import torch

from calibration import (
    brier_score,
    calibration_part,
    classwise_ece,
    ece_debias,
    ece_em,
    ece_ew,
    ece_sweep,
    mce,
    nll,
    refinement,
    smooth_ece,
    summary,
    top_label,
)
from calibration.confidence import softmax
from tests.support import oracles
from tests.support.predictions import random_logits

SCORES = {
    "nll": (nll, oracles.nll),
    "brier": (brier_score, oracles.brier_score),
    "cw": (classwise_ece, oracles.classwise_ece),
}


def test_nll_hand_worked():
    logits = np.log([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]])
    assert nll(logits, [0, 1]) == pytest.approx((math.log(2) + math.log(8)) / 2, abs=1e-14)


def test_nll_of_extreme_logits_is_their_margin():
    assert nll([[1e4, 0.0], [0.0, 1e4]], [0, 0]) == 1e4 / 2
    assert nll([[40.0, 0.0]], [0]) == pytest.approx(math.exp(-40), rel=1e-9, abs=1e-16)


def test_brier_hand_worked():
    logits = np.log([[0.7, 0.2, 0.1], [0.2, 0.3, 0.5]])
    # sum over classes, mean over samples: (0.09 + 0.04 + 0.01) and (0.04 + 0.49 + 0.25)
    assert brier_score(logits, [0, 1]) == pytest.approx((0.14 + 0.78) / 2, abs=1e-14)
    assert brier_score([[1e4, 0.0, 0.0]], [1]) == 2


def test_classwise_hand_worked():
    probabilities = np.array([[0.7, 0.3], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8]])
    labels = [0, 1, 1, 1]
    # class 0: bins of 0.7 (1 of 2) and 0.2 (0 of 2): gaps 0.2 and 0.2; class 1 mirrors it
    assert classwise_ece(np.log(probabilities), labels) == pytest.approx(0.2, abs=1e-12)
    assert classwise_ece(probabilities, labels, from_logits=False) == pytest.approx(0.2, abs=1e-12)
    assert classwise_ece(probabilities, labels, num_bins=1, from_logits=False) == pytest.approx(0.45 - 0.25, abs=1e-12)


def test_classwise_counts_classes_that_no_label_names():
    # K is the logits', not max(label) + 1: https://github.com/p-lambda/verified_calibration/issues/2
    probabilities = np.tile([0.5, 0.2, 0.3], (10, 1))
    labels = [0] * 5 + [1] * 5
    expected = (0 + 0.3 + 0.3) / 3
    assert classwise_ece(probabilities, labels, from_logits=False) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(("n", "k"), [(1, 2), (1, 1), (2, 7), (60, 3), (200, 10), (50, 100)])
def test_equals_the_oracle(name, n, k):
    ours, oracle = SCORES[name]
    logits, labels = random_logits(n, k, seed=n + k, scale=3.0)
    value = ours(logits, labels)
    assert isinstance(value, float)
    assert value == pytest.approx(oracle(logits, labels), abs=1e-12)


@pytest.mark.parametrize("num_bins", [1, 2, 10, 15, 30])
def test_classwise_num_bins(num_bins):
    logits, labels = random_logits(150, 5, seed=1)
    expected = oracles.classwise_ece(logits, labels, num_bins)
    assert classwise_ece(logits, labels, num_bins=num_bins) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("num_bins", [2, 10, 15])
def test_classwise_of_probabilities_on_edges(num_bins):
    first = np.array([k / num_bins for k in range(num_bins + 1)] * 2)
    probabilities = np.stack([first, 1 - first], axis=1)
    labels = np.arange(len(first)) % 2
    expected = np.mean([oracles.ece_ew(probabilities[:, k], labels == k, num_bins) for k in range(2)])
    assert classwise_ece(probabilities, labels, num_bins, from_logits=False) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_types_of_input_agree(name):
    ours, _ = SCORES[name]
    logits, labels = random_logits(40, 6, seed=2)
    expected = ours(logits, labels)
    assert ours(torch.tensor(logits, requires_grad=True), torch.tensor(labels)) == pytest.approx(expected, rel=1e-13)
    assert ours(logits.tolist(), labels.tolist()) == pytest.approx(expected, rel=1e-13)
    assert ours(logits, labels.astype(np.int32)) == pytest.approx(expected, rel=1e-13)
    probabilities = np.array([oracles.softmax(row) for row in logits.tolist()])
    assert ours(probabilities, labels, from_logits=False) == pytest.approx(expected, rel=1e-9)
    half = torch.tensor(logits).bfloat16()
    assert ours(half, labels) == pytest.approx(SCORES[name][1](half.double().numpy(), labels), rel=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_inputs_are_left_alone(name):
    probabilities, labels = np.full((4, 2), 0.5), np.array([0, 1, 0, 1])
    SCORES[name][0](probabilities, labels, from_logits=False)
    np.testing.assert_array_equal(probabilities, 0.5)


def test_summary_is_every_score_by_its_name():
    logits, labels = random_logits(300, 7, seed=4)
    confidence, correct = top_label(logits, labels)
    expected = {
        "error": np.mean(~correct),
        "nll": nll(logits, labels),
        "brier": brier_score(logits, labels),
        "ece_ew": ece_ew(confidence, correct, 10),
        "ece_em": ece_em(confidence, correct, 10),
        "ece_debias": ece_debias(confidence, correct, 10),
        "ece_sweep_ew": ece_sweep(confidence, correct, binning="ew"),
        "ece_sweep_em": ece_sweep(confidence, correct, binning="em"),
        "smooth_ece": smooth_ece(confidence, correct),
        "mce": mce(confidence, correct, 10),
        "classwise_ece": classwise_ece(logits, labels, 10),
        "nll_calibration": calibration_part(logits, labels),
        "nll_refinement": refinement(logits, labels),
        "brier_calibration": calibration_part(logits, labels, "brier"),
        "brier_refinement": refinement(logits, labels, "brier"),
    }
    result = summary(logits, labels, num_bins=10)
    assert set(result) == set(expected)
    assert all(isinstance(value, float) for value in result.values())
    assert result == pytest.approx(expected, abs=1e-12)
    assert summary(logits, labels)["ece_em"] == pytest.approx(ece_em(confidence, correct, 15), abs=1e-12)


def test_summary_takes_probabilities():
    logits, labels = random_logits(100, 4, seed=5)
    probabilities = torch.tensor(logits).softmax(1)
    assert summary(probabilities, labels, from_logits=False) == pytest.approx(summary(logits, labels), abs=1e-12)


def test_summary_of_an_always_right_model():
    result = summary(1e4 * np.eye(5), np.arange(5))
    assert result == dict.fromkeys(result, 0.0)


BAD = {
    "nan": (np.array([[0.0, np.nan]]), [0], "logits"),
    "inf": (np.array([[0.0, np.inf]]), [0], "logits"),
    "empty": (np.zeros((0, 2)), np.zeros(0, dtype=int), "logits"),
    "one dimension": (np.zeros(3), [0, 0, 0], "logits"),
    "fewer labels": (np.zeros((3, 2)), [0, 0], "labels"),
    "label K": (np.zeros((1, 2)), [2], "labels"),
    "negative label": (np.zeros((1, 2)), [-1], "labels"),
    "labels of fractions": (np.zeros((1, 2)), [0.5], "labels"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("score", [nll, brier_score, classwise_ece, summary])
def test_bad_input_is_refused_in_one_line_that_names_the_argument(score, case):
    logits, labels, name = BAD[case]
    with pytest.raises(ValueError, match=name) as error:
        score(logits, labels)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("score", [nll, brier_score, classwise_ece, summary])
@pytest.mark.parametrize("row", [[0.9, 0.9], [0.5, 0.4], [1.5, -0.5], [2.0, -3.0]])
def test_what_is_no_probability_is_refused(score, row):
    with pytest.raises(ValueError, match="prob"):
        score([row], [0], from_logits=False)


@pytest.mark.parametrize("k", [1, 2, 64, 65, 1000])
def test_softmax_of_few_and_many_classes(k):
    logits = torch.randn(50, k, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) * 30
    logits[0] = 1e300  # no overflow
    before = logits.clone()
    found = softmax(logits)
    assert found.is_contiguous()
    torch.testing.assert_close(found, torch.softmax(before, dim=1), rtol=1e-13, atol=0)
    assert torch.equal(logits, before)
