import numpy as np
import pytest
import torch

from calibration import top_label
from tests.support import oracles
from tests.support.predictions import random_logits

LOG = np.log


def test_hand_worked_softmax():
    logits = LOG([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5], [0.1, 0.6, 0.3]])
    confidence, correct = top_label(logits, [0, 0, 1])
    np.testing.assert_allclose(confidence, [7 / 10, 1 / 2, 3 / 5], rtol=1e-12)
    assert correct.tolist() == [True, False, True]


def test_types_and_shapes():
    logits, labels = random_logits(7, 4)
    confidence, correct = top_label(logits, labels)
    assert isinstance(confidence, np.ndarray)
    assert isinstance(correct, np.ndarray)
    assert (confidence.dtype, confidence.shape) == (np.float64, (7,))
    assert (correct.dtype, correct.shape) == (np.bool_, (7,))


@pytest.mark.parametrize("k", [2, 3, 10, 1000])
def test_equals_oracle(k):
    logits, labels = random_logits(200, k, seed=k, scale=4.0)
    confidence, correct = top_label(logits, labels)
    expected, expected_correct = oracles.top_label(logits, labels)
    np.testing.assert_allclose(confidence, expected, rtol=1e-12)
    assert correct.tolist() == expected_correct


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_softmax_is_in_float64_whatever_the_logits_are(dtype):
    logits = torch.tensor(random_logits(50, 10, seed=1, scale=5.0)[0]).to(dtype)
    labels = torch.arange(50) % 10
    confidence, correct = top_label(logits, labels)
    expected, expected_correct = oracles.top_label(logits.double().numpy(), labels.numpy())
    np.testing.assert_allclose(confidence, expected, rtol=1e-12)
    assert correct.tolist() == expected_correct


def test_tensors_arrays_and_lists_agree():
    logits, labels = random_logits(20, 5)
    expected = top_label(logits, labels)
    tensor = torch.tensor(logits, requires_grad=True)
    for other in (
        (logits.tolist(), labels.tolist()),
        (tensor, torch.tensor(labels)),
        (tensor, torch.tensor(labels, dtype=torch.int32)),
        (logits, labels.astype(np.uint8)),
        (np.asfortranarray(logits), labels[::1]),
        (torch.tensor(logits.T).t(), labels),
    ):
        np.testing.assert_allclose(top_label(*other)[0], expected[0], rtol=1e-12)
        np.testing.assert_array_equal(top_label(*other)[1], expected[1])
    assert tensor.requires_grad


def test_reversed_arrays():
    logits, labels = random_logits(20, 5)
    confidence, correct = top_label(logits[::-1], labels[::-1])
    np.testing.assert_allclose(confidence, top_label(logits, labels)[0][::-1], rtol=1e-12)
    assert correct.tolist() == top_label(logits, labels)[1][::-1].tolist()


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.uint64, np.int8])
def test_labels_of_any_integer_type(dtype):
    logits, labels = random_logits(20, 5)
    assert top_label(logits, labels.astype(dtype))[1].tolist() == top_label(logits, labels)[1].tolist()
    with pytest.raises(ValueError, match="labels"):
        top_label(logits, np.full(20, 5, dtype=dtype))


@pytest.mark.filterwarnings("error")
def test_read_only_arrays_pass_quietly():
    logits, labels = random_logits(20, 5)
    expected = top_label(logits, labels)[0]
    logits.flags.writeable = labels.flags.writeable = False  # as np.load(mmap_mode="r") gives them
    np.testing.assert_array_equal(top_label(logits, labels)[0], expected)


def test_logits_that_lie_in_the_unit_interval_are_still_logits():
    # guessing from the range mixes them up: https://github.com/torch-uncertainty/torch-uncertainty/issues/179
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    confidence, _ = top_label(probabilities, [0, 1])
    np.testing.assert_allclose(confidence, [1 / (1 + np.exp(-0.8)), 1 / (1 + np.exp(-0.6))], rtol=1e-12)
    confidence, _ = top_label(probabilities, [0, 1], from_logits=False)
    np.testing.assert_array_equal(confidence, [0.9, 0.8])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [2, 10, 1000])
def test_softmax_output_passes_as_probabilities(dtype, k):
    logits = torch.tensor(random_logits(500, k, seed=3, scale=3.0)[0], dtype=dtype)
    labels = torch.zeros(500, dtype=torch.int64)
    confidence, _ = top_label(logits.softmax(1), labels, from_logits=False)
    np.testing.assert_allclose(confidence, logits.softmax(1).amax(1).double(), rtol=1e-6)
    assert confidence.max() <= 1


def test_a_probability_rounded_above_one_counts_as_one():
    confidence, _ = top_label(np.array([[1 + 1e-6, 0.0], [0.5, 0.5]]), [0, 0], from_logits=False)
    assert confidence.tolist() == [1.0, 0.5]


def test_of_equal_logits_the_first_class_is_predicted():
    confidence, correct = top_label([[1.0, 1.0, 1.0, 0.0], [0.0, 2.0, 2.0, 0.0]], [0, 2])
    assert correct.tolist() == [True, False]
    assert confidence[0] == pytest.approx(1 / (3 + np.exp(-1)), rel=1e-14)


def test_extreme_logits():
    confidence, correct = top_label([[1e4, -1e4], [-1e30, 1e30], [0.0, 0.0]], [0, 0, 0])
    assert confidence.tolist() == [1.0, 1.0, 0.5]
    assert correct[:2].tolist() == [True, False]


def test_one_class():
    confidence, correct = top_label([[3.0], [-2.0]], [0, 0])
    assert confidence.tolist() == [1.0, 1.0]
    assert correct.tolist() == [True, True]


def test_inputs_are_left_alone():
    logits, labels = random_logits(20, 5)
    before = logits.copy()
    top_label(logits, labels)
    np.testing.assert_array_equal(logits, before)


GOOD = np.zeros((3, 2))
BAD = {
    "nan": (np.array([[0.0, np.nan]]), [0], "logits"),
    "inf": (np.array([[0.0, np.inf]]), [0], "logits"),
    "minus inf in every class": (torch.tensor([[-torch.inf, -torch.inf]]), [0], "logits"),
    "no samples": (np.zeros((0, 2)), np.zeros(0, dtype=int), "logits"),
    "no classes": (np.zeros((3, 0)), [0, 0, 0], "logits"),
    "one dimension": (np.zeros(3), [0, 0, 0], "logits"),
    "three dimensions": (np.zeros((3, 2, 2)), [0, 0, 0], "logits"),
    "fewer labels": (GOOD, [0, 0], "labels"),
    "labels of two dimensions": (GOOD, [[0, 0], [0, 1], [0, 1]], "labels"),
    "label K": (GOOD, [0, 1, 2], "labels"),
    "label -1": (GOOD, [0, 1, -1], "labels"),
    "label -100": (GOOD, torch.tensor([0, 1, -100]), "labels"),
    "labels of fractions": (GOOD, [0.0, 0.5, 0.0], "labels"),
    "NaN labels": (GOOD, torch.full((3,), torch.nan), "labels"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line_that_names_the_argument(case):
    logits, labels, name = BAD[case]
    with pytest.raises(ValueError, match=name) as error:
        top_label(logits, labels)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.filterwarnings("ignore:probabilities sum to")
def test_probabilities_of_a_coarse_type_are_taken(dtype):
    logits, labels = random_logits(500, 10)
    probabilities = torch.softmax(torch.tensor(logits), dim=1)
    confidence, correct = top_label(probabilities.to(dtype), labels, from_logits=False)
    np.testing.assert_allclose(confidence, probabilities.max(dim=1).values, rtol=torch.finfo(dtype).eps)
    assert correct.mean() == pytest.approx(top_label(logits, labels)[1].mean(), abs=0.02)


@pytest.mark.parametrize(
    "rows",
    [
        [[0.9, 0.9, 0.9]],  # sums to 2.7
        [[0.5, 0.4, 0.0]],
        [[1.2, -0.2, 0.0]],
        [[np.nan, 0.5, 0.5]],
        [[3.0, 1.0, -2.0]],
    ],
)
def test_what_is_no_probability_is_refused(rows):
    with pytest.raises(ValueError, match="prob"):
        top_label(rows, [0], from_logits=False)
