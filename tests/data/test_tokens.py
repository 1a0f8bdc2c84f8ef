"""Batches of texts: every sample once, packed or padded, the same whatever was drawn before."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from data import TokenSplit
from data.splits.split import generator
from data.splits.tokens import Packed
from data.text.ragged import Ragged


def make_split(lengths, **options) -> TokenSplit:
    """Document i has the ids 100 i + 1, 100 i + 2, ..."""
    rows = [[100 * i + j + 1 for j in range(length)] for i, length in enumerate(lengths)]
    labels = torch.arange(len(rows)) % 4
    return TokenSplit(Ragged.of(rows), labels, ("a", "b", "c", "d"), **options)


def random_split(num_samples: int = 37, longest: int = 30, **options) -> TokenSplit:
    return make_split(np.random.default_rng(0).integers(0, longest + 1, num_samples).tolist(), **options)


def flat(values):
    """The tensors of a batch, those of packed inputs among them."""
    for value in values:
        yield from (value if isinstance(value, tuple) else [value])


def assert_same(found, expected):
    found, expected = list(found), list(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        for x, y in zip(flat(a), flat(b), strict=True):
            assert torch.equal(x, y)


def texts_of(batch) -> list[list[int]]:
    """Each text of a batch with its padding."""
    if isinstance(batch.inputs, Packed):
        return [ids.tolist() for ids in batch.inputs.ids.split(batch.inputs.lengths.tolist())]
    return batch.inputs.tolist()


def test_a_packed_batch_by_hand():
    split = make_split([2, 0, 3], receptive_field=3, max_tokens=5, pad_id=7)
    (batch,) = split.eval_batches(3)
    assert batch.index.tolist() == [2, 0, 1]  # longest first
    # [7, 7, 201, 202, 203] is the text padded to max_tokens; no window tells a third 7 before text 1 from padding
    assert batch.inputs.ids.tolist() == [7, 7, 201, 202, 203, 7, 7, 7, 1, 2, 7, 7, 7]
    assert batch.inputs.lengths.tolist() == [5, 5, 3]
    assert batch.inputs.ids.dtype == batch.inputs.lengths.dtype == torch.int64
    assert batch.labels.tolist() == [2, 0, 1]


def test_a_padded_batch_by_hand():
    (batch,) = make_split([2, 0, 3], pad_id=7).eval_batches(3)
    assert batch.index.tolist() == [2, 0, 1]
    assert batch.inputs.tolist() == [[201, 202, 203], [1, 2, 7], [7, 7, 7]]
    assert batch.inputs.dtype == torch.int64


@pytest.mark.parametrize(
    ("length", "padding"), [(0, 21), (1, 21), (978, 21), (979, 21), (980, 20), (999, 1), (1000, 0)]
)
def test_padding_in_front_of_a_packed_text(length, padding):
    (batch,) = make_split([length], receptive_field=21, max_tokens=1000).eval_batches(1)
    assert batch.inputs.lengths.tolist() == [length + padding]
    assert not batch.inputs.ids[:padding].any()
    assert batch.inputs.ids[padding:].tolist() == list(range(1, length + 1))


def test_a_packed_text_has_a_window_even_where_max_tokens_is_shorter():
    (batch,) = make_split([2, 0], receptive_field=5, max_tokens=3).eval_batches(2)
    assert texts_of(batch) == [[0, 0, 0, 1, 2], [0] * 5]


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
    receptive_field=st.sampled_from([0, 2, 21]),
)
@settings(max_examples=60)
def test_an_epoch_has_every_sample_once_and_resumes(num_samples, batch_size, seed, epoch, start, receptive_field):
    split = random_split(num_samples, receptive_field=receptive_field)
    batches = list(split.train_batches(batch_size, seed, epoch))
    assert torch.cat([batch.index for batch in batches]).sort().values.tolist() == list(range(num_samples))
    assert [len(batch.labels) for batch in batches] == split.batch_sizes(batch_size)
    if batch_size > 1 and num_samples > 1:
        assert min(len(batch.labels) for batch in batches) > 1
    assert_same(split.train_batches(batch_size, seed, epoch, start=start), batches[start:])
    for batch in batches:
        for i, ids, label in zip(batch.index, texts_of(batch), batch.labels, strict=True):
            own = [100 * int(i) + j + 1 for j in range(int(split.lengths[i]))]
            assert label == i % 4
            assert [j for j in ids if j] == own
            if own:  # what else there is lies in front of a packed text, behind a padded one
                assert ids[-len(own) :] == own if receptive_field else ids[: len(own)] == own


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


@pytest.mark.parametrize("receptive_field", [0, 21])
def test_batches_are_cuts_of_a_permutation_whatever_the_lengths(receptive_field):
    split = random_split(500, receptive_field=receptive_field)
    other = make_split([7] * 500, receptive_field=receptive_field)
    order = torch.randperm(500, generator=generator(3, 4, stream=0))
    for drop_last, count in ((False, 500), (True, 496)):
        for texts in (split, other):
            cuts = [batch.index for batch in texts.train_batches(16, seed=3, epoch=4, drop_last=drop_last)]
            assert torch.equal(torch.cat(cuts), order[:count])
            assert {len(cut) for cut in cuts[:-1]} == {16}


def test_evaluation_sorts_by_length():
    split = random_split(50)
    batches = list(split.eval_batches(8))
    assert torch.cat([batch.index for batch in batches]).sort().values.tolist() == list(range(50))
    widths = [batch.inputs.shape[1] for batch in batches]
    assert widths == sorted(widths, reverse=True)


def test_to_keeps_everything_else():
    split = random_split(30, receptive_field=3, vocab=("x",), vectors=torch.ones(2, 3), note="n")
    moved = split.to("cpu")
    assert moved.fingerprint == split.fingerprint
    assert (moved.vocab, moved.note) == (("x",), "n")
    assert_same(moved.train_batches(8, 0, 0), split.train_batches(8, 0, 0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("receptive_field", [0, 3])
def test_a_gpu_gives_the_cpus_batches(receptive_field):
    split = random_split(50, receptive_field=receptive_field)
    moved = split.to("cuda")
    for found, expected in zip(moved.train_batches(8, 0, 0), split.train_batches(8, 0, 0), strict=True):
        for x, y in zip(flat(found), flat(expected), strict=True):
            assert x.device.type == "cuda"
            assert torch.equal(x.cpu(), y)


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
    assert (
        make_split([2, 3], **base, receptive_field=5).fingerprint == variants[0].fingerprint
    )  # padding is no sample's


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TokenSplit(Ragged.of([[1]]), torch.zeros(2, dtype=torch.long), ("a",)), "1 documents have 2 labels"),
        (lambda: make_split([3], max_tokens=2), "a document has 3 tokens, more than max_tokens, 2"),
        (lambda: make_split([1], max_tokens=0), "max_tokens must be >= 1 and receptive_field >= 0, got 0 and 0"),
        (lambda: make_split([1], receptive_field=-1), "got 1000 and -1"),
        (lambda: make_split([1]).train_batches(0, 0, 0), "batch_size must be >= 1, got 0"),
        (lambda: make_split([1]).train_batches(4, -1, 0), "seeds and epochs must be >= 0"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
