"""Order, cuts and draws of the batches, on small arrays."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from data import ArraySplit
from data.splits.split import cut_batches, generator


def make_split(num_samples: int = 37, size: int = 6, **augmentation) -> ArraySplit:
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (num_samples, 3, size, size), dtype=torch.uint8, generator=rng)
    labels = torch.randint(0, 4, (num_samples,), generator=rng)
    return ArraySplit(images, labels, ("a", "b", "c", "d"), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), **augmentation)


def assert_same(found, expected):
    found, expected = list(found), list(expected)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.equal(x, y)


@given(num_samples=st.integers(1, 60), batch_size=st.integers(1, 20), merge=st.booleans())
def test_cuts_cover_every_sample_once(num_samples, batch_size, merge):
    cuts = cut_batches(num_samples, batch_size, merge_single=merge)
    covered = [i for cut in cuts for i in range(num_samples)[cut]]
    assert covered == list(range(num_samples))
    sizes = [cut.stop - cut.start for cut in cuts]
    assert all(size == batch_size for size in sizes[:-1])
    if merge and batch_size > 1 and num_samples > 1:
        assert 2 <= sizes[-1] <= batch_size + 1
    else:
        assert 1 <= sizes[-1] <= batch_size


@pytest.mark.parametrize(
    ("num_samples", "batch_size", "sizes"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (5, 4, [5]), (3, 1, [1, 1, 1]), (1, 4, [1])],
)
def test_last_batch(num_samples, batch_size, sizes):
    split = make_split(num_samples)
    assert [len(batch.labels) for batch in split.train_batches(batch_size, seed=0, epoch=0)] == sizes
    assert split.batch_sizes(batch_size) == sizes


@pytest.mark.parametrize(
    ("num_samples", "batch_size", "sizes"), [(10, 4, [4, 4]), (9, 4, [4, 4]), (8, 4, [4, 4]), (3, 1, [1, 1, 1])]
)
def test_last_batch_left_out(num_samples, batch_size, sizes):
    split = make_split(num_samples)
    batches = list(split.train_batches(batch_size, seed=0, epoch=0, drop_last=True))
    assert [len(batch.labels) for batch in batches] == split.batch_sizes(batch_size, drop_last=True) == sizes
    order = torch.cat([batch.index for batch in split.train_batches(batch_size, seed=0, epoch=0)])
    assert torch.equal(torch.cat([batch.index for batch in batches]), order[: sum(sizes)])  # the rest is left out
    with pytest.raises(ValueError, match="drop_last leaves no batch of 11 of 10 training samples"):
        make_split(10).batch_sizes(11, drop_last=True)


@given(seed=st.integers(0, 2**32), epoch=st.integers(0, 1000), start=st.integers(0, 12))
@settings(max_examples=25)
def test_start_resumes_with_the_batches_that_lack(seed, epoch, start):
    split = make_split(crop_padding=2, flip=True)
    whole = list(split.train_batches(4, seed, epoch))
    assert_same(split.train_batches(4, seed, epoch, start=start), whole[start:])


def test_an_epoch_is_a_function_of_seed_and_epoch():
    split = make_split(crop_padding=1, flip=True)
    first = list(split.train_batches(8, seed=1, epoch=2))
    torch.manual_seed(99)
    torch.rand(10)
    assert_same(split.train_batches(8, seed=1, epoch=2), first)
    orders = {
        tuple(torch.cat([batch.index for batch in split.train_batches(8, seed, epoch)]).tolist())
        for seed in (1, 2)
        for epoch in (2, 3)
    }
    assert len(orders) == 4
    assert all(sorted(order) == list(range(37)) for order in orders)


def test_draws_belong_to_the_sample_and_not_to_its_batch():
    split = make_split(crop_padding=2, flip=True)

    def by_sample(batch_size):
        inputs = torch.empty(37, 3, 6, 6)
        for batch in split.train_batches(batch_size, seed=5, epoch=1):
            inputs[batch.index] = batch.inputs
        return inputs

    assert torch.equal(by_sample(4), by_sample(9))


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    list(make_split(crop_padding=1, flip=True).train_batches(8, seed=0, epoch=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_eval_batches_are_in_order_and_plain():
    split = make_split(9, crop_padding=2, flip=True)
    batches = list(split.eval_batches(4))
    assert [batch.index.tolist() for batch in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), torch.stack([split[i][0] for i in range(9)]))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), split.labels)


def test_labels_and_inputs_of_a_training_batch_belong_to_its_index():
    split = make_split()
    for batch in split.train_batches(5, seed=0, epoch=0):
        assert torch.equal(batch.labels, split.labels[batch.index])
        assert torch.equal(batch.inputs, torch.stack([split[int(i)][0] for i in batch.index]))


def test_a_split_is_a_dataset_for_any_dataloader():
    split = make_split(10)
    inputs, labels = next(iter(DataLoader(split, batch_size=10)))
    assert inputs.dtype == torch.float32
    assert inputs.shape == (10, 3, 6, 6)
    assert torch.equal(labels, split.labels)


def test_to_keeps_everything_else():
    split = make_split(crop_padding=1, flip=True)
    moved = split.to("cpu")
    assert moved.fingerprint == split.fingerprint
    assert_same(moved.train_batches(8, seed=0, epoch=0), split.train_batches(8, seed=0, epoch=0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_cpus_batches():
    split = make_split(crop_padding=1, flip=True)
    fingerprint = split.to("cuda").fingerprint
    assert fingerprint == split.fingerprint
    for found, expected in zip(
        split.to("cuda").train_batches(8, seed=0, epoch=0), split.train_batches(8, seed=0, epoch=0), strict=True
    ):
        assert found.inputs.device.type == "cuda"
        assert torch.equal(found.index.cpu(), expected.index)
        torch.testing.assert_close(found.inputs.cpu(), expected.inputs, rtol=0, atol=10 * 5 * 2**-24)


def test_fingerprint_sees_images_and_labels():
    split, images, labels = make_split(), make_split(), make_split()
    assert split.fingerprint == make_split().fingerprint
    images.images[3, 0, 0, 0] += 1
    labels.labels[5] = (labels.labels[5] + 1) % 4
    assert len({split.fingerprint, images.fingerprint, labels.fingerprint}) == 3


def test_streams_of_draws_differ():
    draws = {float(torch.rand((), generator=generator(0, 0, stream=stream))) for stream in range(4)}
    assert len(draws) == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda split: split.train_batches(0, 0, 0), "batch_size must be >= 1, got 0"),
        (lambda split: split.eval_batches(-1), "batch_size must be >= 1, got -1"),
        (lambda split: split.train_batches(4, -1, 0), r"seeds and epochs must be >= 0, got \(-1, 0\)"),
        (lambda split: split.train_batches(4, 0, 0, start=-1), "start must be >= 0, got -1"),
        (lambda split: make_split(crop_padding=-1), "crop_padding must be >= 0, got -1"),
        (lambda split: ArraySplit(split.images.float(), split.labels, (), (), ()), r"images must be uint8 \[37, C"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(make_split())
