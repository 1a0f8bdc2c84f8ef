import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from calibration import BinStats, bin_index, bin_stats, equal_mass_edges, equal_width_edges
from calibration.binning import equal_width_index
from calibration.checks import ROUNDING
from tests.support import oracles
from tests.support.predictions import EDGE_VALUES, predictions, random_predictions, unzip

# --- edges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_bins", [1, 2, 3, 7, 10, 15, 20, 49, 100])
def test_equal_width_edges_are_the_fractions_k_over_m(num_bins):
    # as written, k / M: multiples of a rounded 1 / M put 0.6 = 9 / 15 into the bin below it
    edges = equal_width_edges(num_bins)
    assert edges.dtype == np.float64
    assert edges.tolist() == [k / num_bins for k in range(num_bins + 1)]


def test_equal_mass_edges_hand_worked():
    edges = equal_mass_edges([0.1, 0.2, 0.4, 0.8], 2)
    np.testing.assert_allclose(edges, [0.1, 0.3, 0.8], rtol=1e-14)
    edges = equal_mass_edges([0.8, 0.1, 0.4, 0.2], 4)  # quarters of 3 gaps: 3/4, 6/4, 9/4
    np.testing.assert_allclose(edges, [0.1, 0.1 + 0.75 * 0.1, 0.3, 0.4 + 0.25 * 0.4, 0.8], rtol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 4, 14, 15, 16, 31, 100, 1001])
@pytest.mark.parametrize("num_bins", [1, 2, 15, 20])
def test_equal_mass_edges_equal_numpy_quantiles(n, num_bins):
    confidence, _ = random_predictions(n, seed=n)
    np.testing.assert_array_equal(
        equal_mass_edges(confidence, num_bins), oracles.equal_mass_edges(confidence, num_bins)
    )


def test_equal_mass_bins_hold_equal_mass():
    confidence, correct = random_predictions(1500, seed=1)
    counts = bin_stats(confidence, correct, equal_mass_edges(confidence, 15)).count
    assert counts.sum() == 1500
    assert counts.min() >= 99
    assert counts.max() <= 101


# --- bin_index -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_bins", [1, 2, 3, 10, 15, 20, 100])
def test_a_value_on_an_edge_belongs_to_the_bin_above(num_bins):
    edges = equal_width_edges(num_bins)
    values = [k / num_bins for k in range(num_bins)]
    assert bin_index(np.array(values), edges).tolist() == list(range(num_bins))
    below = [math.nextafter(k / num_bins, 0) for k in range(1, num_bins + 1)]
    assert bin_index(np.array(below), edges).tolist() == list(range(num_bins))
    assert bin_index(np.array([1.0]), edges).tolist() == [num_bins - 1]


@pytest.mark.parametrize("num_bins", [1, 2, 3, 7, 10, 15, 20, 49, 100, 1000, 12345])
def test_the_index_without_a_search_is_that_of_the_search(num_bins):
    edges = equal_width_edges(num_bins)
    outside = [-ROUNDING, -1e-300, np.nextafter(1, 2), 1 + ROUNDING]  # what `checks` lets through
    values = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1), np.linspace(0, 1, 5001), outside])
    assert np.array_equal(equal_width_index(values, num_bins), bin_index(values, edges))


def test_outside_the_edges_the_nearest_bin():
    edges = np.array([0.3, 0.5, 0.9])
    assert bin_index(np.array([0.0, 0.29, 0.3, 0.5, 0.9, 0.91, 1.0]), edges).tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_repeated_edges_never_lose_or_split_a_tie():
    edges = np.array([0.2, 0.7, 0.7, 0.7, 1.0, 1.0])
    values = np.array([0.2, 0.69, 0.7, 0.7, 0.71, 1.0])
    assert bin_index(values, edges).tolist() == [oracles.bin_index(v, edges.tolist()) for v in values]
    assert len(set(bin_index(np.full(9, 0.7), edges).tolist())) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_hundred_thousand_values_like_the_slow_reference(dtype):
    generator = torch.Generator().manual_seed(0)
    edges = torch.tensor(oracles.equal_mass_edges(torch.rand(500, generator=generator).numpy() ** 0.3, 15)).to(dtype)
    values = torch.cat(
        [torch.rand(100_000, generator=generator, dtype=dtype), edges, torch.tensor([0.0, 1.0], dtype=dtype)]
    )
    index = bin_index(values, edges)
    assert isinstance(index, torch.Tensor)
    assert not index.is_floating_point()
    reference = edges.double().tolist()
    expected = [oracles.bin_index(v, reference) for v in values.double().tolist()]
    assert index.tolist() == expected
    assert bin_index(values.numpy(), edges.numpy()).tolist() == expected
    assert isinstance(bin_index(values.numpy(), edges.numpy()), np.ndarray)


# --- bin_stats -------------------------------------------------------------------------------------------------------


def test_stats_hand_worked():
    stats = bin_stats([0.5, 0.7, 0.9, 1.0, 0.1], [True, False, True, True, True], np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert stats.count.tolist() == [1, 0, 2, 2]
    np.testing.assert_allclose(stats.confidence, [0.1, np.nan, 3 / 5, 19 / 20], rtol=1e-14)
    np.testing.assert_allclose(stats.accuracy, [1, np.nan, 1 / 2, 1], rtol=1e-14)
    np.testing.assert_allclose(stats.gap, [-9 / 10, np.nan, 1 / 10, -1 / 20], atol=1e-14)
    assert stats.lower.tolist() == [0, 0.25, 0.5, 0.75]
    assert stats.upper.tolist() == [0.25, 0.5, 0.75, 1]
    assert stats.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert stats.num_bins == 4
    assert stats.ece == pytest.approx(1 / 5 * 9 / 10 + 2 / 5 * 1 / 10 + 2 / 5 * 1 / 20, abs=1e-14)
    assert isinstance(stats.ece, float)


def test_stats_cannot_be_reassigned():
    stats = bin_stats([0.5], [True], [0.0, 1.0])
    assert isinstance(stats, BinStats)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.count = np.array([2])


def test_every_sample_is_counted_on_every_edge():
    confidence = np.array(EDGE_VALUES * 3)
    correct = np.arange(len(confidence)) % 2 == 0
    for edges in (equal_width_edges(15), equal_mass_edges(confidence, 15), np.array([0.3, 0.5, 0.9])):
        assert bin_stats(confidence, correct, edges).count.sum() == len(confidence)


@settings(max_examples=200, derandomize=True)
@given(predictions())
def test_stats_equal_the_oracle(pairs):
    confidence, correct = unzip(pairs)
    for edges in (equal_width_edges(15), equal_mass_edges(confidence, 15), equal_mass_edges(confidence, 4)):
        stats = bin_stats(confidence, correct, edges)
        expected = oracles.bin_stats(confidence, correct, edges.tolist())
        assert stats.count.sum() == len(pairs)
        assert stats.count.tolist() == [n for n, _, _ in expected]
        np.testing.assert_allclose(stats.confidence, [c for _, c, _ in expected], atol=1e-12)
        np.testing.assert_allclose(stats.accuracy, [a for _, _, a in expected], atol=1e-12)
        assert (np.isnan(stats.gap) == (stats.count == 0)).all()


@settings(max_examples=100, derandomize=True)
@given(predictions())
def test_equal_confidences_share_a_bin(pairs):
    confidence, _ = unzip(pairs)
    index = bin_index(confidence, equal_mass_edges(confidence, 15))
    for value in set(confidence.tolist()):
        assert len(set(index[confidence == value].tolist())) == 1


@pytest.mark.parametrize("num_bins", [0, -1, 2.5, 15.0, "15", None, math.nan])
def test_num_bins_must_be_a_positive_integer(num_bins):
    with pytest.raises(ValueError, match="num_bins"):
        equal_width_edges(num_bins)
    with pytest.raises(ValueError, match="num_bins"):
        equal_mass_edges([0.5, 0.6], num_bins)


def test_numpy_integers_count_as_integers():
    assert equal_width_edges(np.int64(4)).tolist() == [0, 0.25, 0.5, 0.75, 1]


BAD_CONFIDENCE = {
    "empty": [],
    "nan": [0.5, math.nan],
    "above one": [1.5],
    "negative": [-0.1],
    "two dimensions": [[0.5, 0.5]],
    "inf": [math.inf],
}


@pytest.mark.parametrize("case", BAD_CONFIDENCE)
def test_bad_confidence_has_no_quantiles(case):
    with pytest.raises(ValueError, match="confidence"):
        equal_mass_edges(BAD_CONFIDENCE[case], 3)


@pytest.mark.parametrize("case", BAD_CONFIDENCE)
def test_bad_confidence_has_no_statistics(case):
    confidence = BAD_CONFIDENCE[case]
    with pytest.raises(ValueError, match="confidence"):
        bin_stats(confidence, [True] * len(confidence), np.array([0.0, 1.0]))


@pytest.mark.parametrize("edges", [[], [0.5], [0.0, 0.6, 0.5, 1.0], [0.0, math.nan, 1.0], [[0.0, 1.0]]])
def test_bad_edges(edges):
    with pytest.raises(ValueError, match="edges"):
        bin_stats([0.5], [True], np.array(edges))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_edges_of_a_tensor(dtype):
    confidence = torch.rand(50, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
    edges = equal_mass_edges(confidence, 15)
    assert isinstance(edges, np.ndarray)
    assert edges.dtype == np.float64
    np.testing.assert_array_equal(edges, oracles.equal_mass_edges(confidence.detach().double().numpy(), 15))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_edges_as_a_tensor(dtype):
    edges = torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=dtype, requires_grad=True)
    stats = bin_stats([0.1, 0.3, 0.9], [False, True, True], edges)
    assert stats.edges.tolist() == [0, 0.25, 0.5, 1]
    assert stats.count.tolist() == [1, 1, 1]
