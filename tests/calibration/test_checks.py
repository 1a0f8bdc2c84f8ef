"""What the metrics take beside plain arrays: forms of labels, impossible classes, probabilities off by a rounding."""

import math
import warnings

import numpy as np
import pytest
import torch

from calibration import bootstrap, brier_score, classwise_ece, ece_ew, nll, summary, top_label
from calibration.checks import as_confidence, as_labels, as_scores
from calibration.ood import entropy
from tests.support.predictions import random_logits

LOGITS, LABELS = random_logits(60, 2, seed=1)

FORMS = {
    "[N, 1]": LABELS[:, None],
    "whole floats": LABELS.astype(np.float32),
    "Python's integers": LABELS.astype(object),
    "Python's floats": LABELS.astype(float).astype(object),
    "bool": LABELS == 1,
    "one-hot": np.eye(2, dtype=np.int8)[LABELS],
    "one-hot floats": np.eye(2)[LABELS],
    "one-hot bool": np.eye(2, dtype=bool)[LABELS],
    "big-endian": LABELS.astype(">i4"),
    "a tensor of floats": torch.from_numpy(LABELS).double(),
    "unsigned one-hot": np.eye(2, dtype=np.uint16)[LABELS],
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_that_mean_one_thing_only(form):
    assert as_labels(FORMS[form], 60, 2).tolist() == LABELS.tolist()
    assert summary(LOGITS, FORMS[form]) == summary(LOGITS, LABELS)


@pytest.mark.parametrize(
    ("labels", "num_classes", "message"),
    [
        ([0.0, 1.5], 2, "labels must be integers, got fractions"),
        ([0.0, math.nan], 2, "labels must be integers"),
        ([0.0, math.inf], 2, "labels must be integers"),
        ([0.0, 1e300], 2, "labels must be integers"),
        ([True, False], 3, "labels must be integers, got torch.bool"),
        ([[0.9, 0.1], [0.2, 0.8]], 2, "fractions"),
        ([[1, 1], [0, 1]], 2, "one-hot.* give the argmax"),
        ([[2, 0], [0, 1]], 2, "one-hot"),
        ([[2, -1], [0, 1]], 2, "one-hot"),
        ([[0, 0], [0, 1]], 2, "one-hot"),
        ([[0, 1, 0], [1, 0, 0]], 2, r"labels must be \[N\] = \[2\]"),
        (["cat", "dog"], 2, "labels must be numbers .*; give each class's number"),
        (np.array([{}, 1], dtype=object), 2, "labels must be numbers"),
        ([0, 1], 1, r"labels must lie in \[0, 1\), .*; for two classes give the logits in two columns"),
    ],
)
def test_labels_that_do_not(labels, num_classes, message):
    with pytest.raises(ValueError, match=message) as caught:
        as_labels(labels, 2, num_classes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [">f8", ">f4", ">f2"])
def test_arrays_of_any_byte_order(kind):
    assert summary(LOGITS.astype(kind), LABELS) == summary(LOGITS.astype(kind[1:]), LABELS)
    confidence = np.linspace(0, 1, 60)
    assert ece_ew(confidence.astype(kind), LABELS == 1) == ece_ew(confidence.astype(kind[1:]), LABELS == 1)


def test_a_class_that_a_sample_cannot_have():
    # two of three classes are left: softmax of (0, log 3) is (1/4, 3/4)
    logits, labels = [[0.0, -math.inf, math.log(3)], [math.log(3), 0.0, -math.inf]], [2, 1]
    confidence, correct = top_label(logits, labels)
    assert confidence == pytest.approx([3 / 4, 3 / 4])
    assert correct.tolist() == [True, False]
    assert nll(logits, labels) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    assert brier_score(logits, labels) == pytest.approx((2 / 16 + 2 * 9 / 16) / 2)
    assert entropy(logits) == pytest.approx(2 * [math.log(4) - 3 / 4 * math.log(3)])
    probabilities = [[1 / 4, 0, 3 / 4], [3 / 4, 1 / 4, 0]]
    assert classwise_ece(logits, labels) == pytest.approx(classwise_ece(probabilities, labels, from_logits=False))
    found, expected = bootstrap(logits, labels), bootstrap(probabilities, labels, from_logits=False)
    for name, interval in found.items():
        assert [*vars(interval).values()] == pytest.approx([*vars(expected[name]).values()], nan_ok=True), name


def test_a_label_of_a_class_that_cannot_be():
    assert nll([[0.0, -math.inf]], [1]) == math.inf
    assert brier_score([[0.0, -math.inf]], [1]) == 2
    assert summary([[0.0, -math.inf]], [1])["error"] == 1


@pytest.mark.parametrize(
    ("row", "what"),
    [([-math.inf, -math.inf], "-inf in every class"), ([-math.inf, math.nan], "NaN"), ([-math.inf, math.inf], "NaN")],
)
def test_what_no_model_can_mean(row, what):
    with pytest.raises(ValueError, match=f"logits must be finite, got {what}.* in row 2"):
        as_scores([[0.0, 1.0], [0.0, -math.inf], row])
    with pytest.raises(ValueError, match="probabilities must be finite, got NaN or infinity in row 0"):
        as_scores([[1.0, -math.inf]], from_logits=False)


def test_the_nll_of_certain_predictions_has_no_sign():
    for found in (nll([[0.0, 1.0]], [1], from_logits=False), nll([[0.0, 1e4]], [1])):
        assert str(found) == "0.0"


def test_confidences_off_by_a_rounding():
    assert as_confidence([1 + 2e-16, -1e-17]).tolist() == [1.0, 0.0]
    assert as_confidence(np.float32([1.0000001, 0.5])).tolist() == [1.0, 0.5]


def softmax(logits):
    return torch.softmax(torch.as_tensor(logits), dim=1)


ROUNDED = {
    "bfloat16 kept as float32": lambda p: torch.log(p).bfloat16().softmax(1).float(),
    "forests": lambda p: p * (1 + 4.9e-3 * torch.sin(torch.arange(len(p)))[:, None]),
    "two decimals": lambda p: p.round(decimals=2),
    "two decimals in float32": lambda p: p.round(decimals=2).float(),
    "four decimals": lambda p: p.round(decimals=4),
}


@pytest.mark.parametrize("name", ROUNDED)
def test_probabilities_off_by_a_rounding_are_divided_by_their_sum(name):
    given = ROUNDED[name](softmax(random_logits(300, 5, seed=2)[0]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        taken = as_scores(given, from_logits=False)
    expected = given.double()
    off = (expected.sum(1) - 1).abs()
    if off.max() > 1e-3:
        expected = expected / expected.sum(1, keepdim=True)
        (warning,) = caught
        assert f"row {int(off.argmax())} being the farthest off: every row is divided" in str(warning.message)
    torch.testing.assert_close(taken, expected)
    assert (name == "four decimals") == (not caught)


@pytest.mark.parametrize(
    "rows",
    [
        [[0.5, 0.5], [0.501234, 0.504]],  # 0.0052 off, and not of few decimals
        [[0.5, 0.5], [0.52, 0.5]],  # two decimals, but two of them are 0.01 off at most
        [[0.5, 0.5], [0.5, 0.4]],
        [[0.5, 0.5], [1.1, -0.1]],
    ],
)
def test_probabilities_that_are_farther_off_are_refused_with_the_row(rows):
    with pytest.raises(ValueError, match=r"sum to 1 in every row.* in row 1|>= 0"):
        as_scores(rows, from_logits=False)


def test_many_classes_do_not_excuse_any_sum():
    with pytest.raises(ValueError, match=r"sum of 0\.5"):
        as_scores(np.full((1, 100), 0.005).round(3), from_logits=False)  # 100 of them could be 0.05 off, not more
    tiny = np.array([[1.0, -1e-9, 1e-9]])
    assert as_scores(tiny, from_logits=False).tolist() == [[1.0, 0.0, 1e-9]]


def test_bfloat16_probabilities_are_divided_by_their_sum_too():
    scores = torch.tensor([[0.5039, 0.5039], [0.25, 0.75]], dtype=torch.bfloat16)
    with pytest.warns(UserWarning, match="divided by its sum"):
        assert as_scores(scores, from_logits=False).sum(dim=1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ece_ew(np.ma.masked_array([0.9, 0.2], [False, True]), [True, True]), "confidence has masked values"),
        (lambda: summary(np.ma.masked_array(LOGITS, LOGITS > 1), LABELS), "logits has masked values"),
        (lambda: ece_ew([0.9, [0.2]], [True, True]), "confidence must be one array of numbers"),
        (lambda: nll([[0.9, 0.1], [0.2]], [0, 1]), "logits must be one array of numbers"),
        (lambda: nll(LOGITS, [[0], [0, 1]]), "labels must be one array of numbers"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_mask_that_hides_nothing_is_none():
    assert ece_ew(np.ma.masked_array([0.9, 0.2], False), [True, False]) == ece_ew([0.9, 0.2], [True, False])
