"""Batches of texts: every sample once, little padding, the same whatever was drawn before."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import TokenSplit
from data.ragged import Ragged


def make_split(lengths, **options) -> TokenSplit:
    """Document i has the ids 100 i + 1, 100 i + 2, ..."""
    rows = [[100 * i + j + 1 for j in range(length)] for i, length in enumerate(lengths)]
    labels = torch.arange(len(rows)) % 4
    return TokenSplit(Ragged.of(rows), labels, ("a", "b", "c", "d"), **options)


def random_split(num_samples: int = 37, longest: int = 30, **options) -> TokenSplit:
    return make_split(np.random.default_rng(0).integers(0, longest + 1, num_samples).tolist(), **options)


def assert_same(found, expected):
    found, expected = list(found), list(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y)


def test_a_batch_by_hand():
    split = make_split([2, 0, 3], margin=2, pad_id=7)
    (batch,) = split.eval_batches(3)
    assert batch.index.tolist() == [2, 0, 1]  # longest first
    assert batch.inputs.tolist() == [[201, 202, 203, 7, 7], [1, 2, 7, 7, 7], [7, 7, 7, 7, 7]]
    assert batch.inputs.dtype == torch.int64
    assert batch.labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("lengths", "margin", "max_tokens", "width"),
    [([3, 5], 0, 10, 5), ([3, 5], 4, 10, 9), ([3, 5], 6, 10, 10), ([10], 6, 10, 10), ([0], 0, 10, 1), ([0], 3, 10, 3)],
)
def test_width_of_a_batch(lengths, margin, max_tokens, width):
    (batch,) = make_split(lengths, margin=margin, max_tokens=max_tokens).eval_batches(10)
    assert batch.inputs.shape == (len(lengths), width)


def test_samples():
    split = make_split([2, 0], pad_id=7)
    assert split[0][0].tolist() == [1, 2]
    assert split[0][0].dtype == torch.int64
    assert split[1] == (torch.tensor([7]), 1)
    assert split.summary == "documents of 0/0/0/2/2 tokens (quartiles)"


def test_nothing_but_empty_documents():
    (batch,) = make_split([0, 0]).eval_batches(5)
    assert batch.inputs.tolist() == [[0], [0]]


@given(
    num_samples=st.integers(1, 80),
    batch_size=st.integers(1, 12),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 99),
    start=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_an_epoch_has_every_sample_once_and_resumes(num_samples, batch_size, seed, epoch, start):
    split = random_split(num_samples, margin=2)
    batches = list(split.train_batches(batch_size, seed, epoch))
    assert torch.cat([batch.index for batch in batches]).sort().values.tolist() == list(range(num_samples))
    assert len(batches) == split.num_batches(batch_size)
    if batch_size > 1 and num_samples > 1:
        assert min(len(batch.labels) for batch in batches) > 1
    assert_same(split.train_batches(batch_size, seed, epoch, start=start), batches[start:])
    for batch in batches:
        for i, ids, label in zip(batch.index, batch.inputs, batch.labels, strict=True):
            length = int(split.lengths[i])
            assert label == i % 4
            assert ids[:length].tolist() == [100 * int(i) + j + 1 for j in range(length)]
            assert not ids[length:].any()


def test_an_epoch_is_a_function_of_seed_and_epoch():
    split = random_split(200)
    first = list(split.train_batches(8, seed=1, epoch=2))
    state = torch.get_rng_state()
    assert_same(split.train_batches(8, seed=1, epoch=2), first)
    assert torch.equal(torch.get_rng_state(), state)
    orders = {
        tuple(torch.cat([batch.index for batch in split.train_batches(8, seed, epoch)]).tolist())
        for seed in (1, 2)
        for epoch in (2, 3)
    }
    assert len(orders) == 4


def test_batches_are_of_one_length_and_in_a_random_order():
    split = random_split(5000, longest=30)
    widths = torch.tensor([batch.inputs.shape[1] for batch in split.train_batches(10, 0, 0)])
    padded = int(widths.sum()) * 10
    assert padded < 1.1 * int(split.lengths.sum())
    half = len(widths) // 2
    assert abs(widths[:half].float().mean() - widths[half:].float().mean()) < 2  # not from short to long
    members = [set(batch.index.tolist()) for batch in split.train_batches(10, 0, 0)]
    others = [set(batch.index.tolist()) for batch in split.train_batches(10, 0, 1)]
    assert not set(map(frozenset, members)) & set(map(frozenset, others))  # batches are made anew every epoch


def test_evaluation_sorts_by_length():
    split = random_split(50)
    batches = list(split.eval_batches(8))
    assert torch.cat([batch.index for batch in batches]).sort().values.tolist() == list(range(50))
    widths = [batch.inputs.shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True)


def test_to_keeps_everything_else():
    split = random_split(30, margin=3, vocab=("x",), vectors=torch.ones(2, 3), note="n")
    moved = split.to("cpu")
    assert moved.fingerprint == split.fingerprint
    assert (moved.vocab, moved.note) == (("x",), "n")
    assert_same(moved.train_batches(8, 0, 0), split.train_batches(8, 0, 0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_cpus_batches():
    split = random_split(50, margin=3)
    moved = split.to("cuda")
    for found, expected in zip(moved.train_batches(8, 0, 0), split.train_batches(8, 0, 0), strict=True):
        assert found.inputs.device.type == "cuda"
        assert all(torch.equal(x.cpu(), y) for x, y in zip(found, expected, strict=True))


def test_fingerprint_sees_ids_labels_words_and_vectors():
    base = {"vocab": ("x", "y"), "vectors": torch.ones(3, 2)}
    variants = [
        make_split([2, 3], **base),
        make_split([3, 2], **base),
        make_split([2, 3], **base | {"vocab": ("x", "z")}),
        make_split([2, 3], **base | {"vectors": torch.zeros(3, 2)}),
        make_split([2, 3], **base | {"vectors": None}),
        make_split([2, 3], **base, pad_id=1),
    ]
    variants[0].labels, changed = variants[0].labels.clone(), make_split([2, 3], **base)
    changed.labels = changed.labels.flip(0)
    assert len({split.fingerprint for split in [*variants, changed]}) == 7
    assert make_split([2, 3], **base).fingerprint == variants[0].fingerprint
    assert make_split([2, 3], **base, margin=5).fingerprint == variants[0].fingerprint  # padding is no sample's


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TokenSplit(Ragged.of([[1]]), torch.zeros(2, dtype=torch.long), ("a",)), "1 documents have 2 labels"),
        (lambda: make_split([3], max_tokens=2), "a document has 3 tokens, more than max_tokens, 2"),
        (lambda: make_split([1], max_tokens=0), "max_tokens must be >= 1 and margin >= 0, got 0 and 0"),
        (lambda: make_split([1], margin=-1), "got 1000 and -1"),
        (lambda: make_split([1]).train_batches(0, 0, 0), "batch_size must be >= 1, got 0"),
        (lambda: make_split([1]).train_batches(4, -1, 0), "seeds and epochs must be >= 0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
