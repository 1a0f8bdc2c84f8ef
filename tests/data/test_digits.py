"""The embedded digits: disjoint, stratified, and noisy in a fixed way."""

import pytest
import torch
from sklearn.datasets import load_digits

from data import load
from data.splits.holdout import stratified, uniform


def test_sizes_and_shapes():
    splits = load("digits", train_size=400, val_size=600, val_draws=3, test_draws=2)
    assert [len(split) for split in splits] == [400, 1800, 2 * 797]
    for split in splits:
        assert split.images.shape[1:] == (1, 8, 8)
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
        assert split.classes == tuple("0123456789")
        assert split.num_classes == 10


def test_splits_are_disjoint_in_the_source_and_cover_it():
    splits = load("digits")
    sources = [set(split.index.tolist()) for split in splits]
    assert sum(map(len, sources)) == 1797
    assert set.union(*sources) == set(range(1797))


def test_labels_and_pixels_are_the_sources():
    clean, labels = load_digits(return_X_y=True)
    for split in load("digits", noise=0):
        index = split.index.numpy()
        assert split.labels.tolist() == labels[index].tolist()
        pixels = (clean[index] / 16 * 255).round().reshape(-1, 1, 8, 8)
        assert split.images.tolist() == pixels.tolist()


def test_splits_are_stratified():
    counts = torch.bincount(load("digits").train.labels)
    assert counts.min() >= 38
    assert counts.max() <= 42


def test_the_split_follows_its_seed_and_the_noise_the_image():
    first, again, other = load("digits", seed=0), load("digits", seed=0), load("digits", seed=1)
    assert [split.fingerprint for split in first] == [split.fingerprint for split in again]
    assert not torch.equal(first.train.index, other.train.index)
    position = {int(source): i for i, source in enumerate(other.train.index)}
    shared = [(i, position[int(source)]) for i, source in enumerate(first.train.index) if int(source) in position]
    assert shared
    for i, j in shared:
        assert torch.equal(first.train.images[i], other.train.images[j])


def test_draws_of_one_image_differ_and_more_draws_keep_the_first():
    one, three = load("digits", val_draws=1), load("digits", val_draws=3)
    size = len(one.val)
    assert torch.equal(three.val.images[:size], one.val.images)
    assert torch.equal(three.val.index[size : 2 * size], one.val.index)
    assert not torch.equal(three.val.images[size : 2 * size], one.val.images)


def test_noise_has_its_standard_deviation():
    noise = 0.1
    clean, noisy = load("digits", noise=0).test, load("digits", noise=noise).test
    middle = (clean.images > 100) & (clean.images < 155)  # clipping hardly reaches these
    residual = (noisy.images[middle].float() - clean.images[middle].float()) / 255
    assert residual.std().item() == pytest.approx(noise, rel=0.03)


def test_shift_augments_training_images_only():
    splits = load("digits", shift=1)
    assert splits.train.crop_padding == 1
    assert splits.val.crop_padding == splits.test.crop_padding == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 1797}, "train_size must be at least 1 and below the 1797 samples"),
        ({"train_size": 1000, "val_size": 797}, "val_size must be at least 1 and below the 797 samples"),
        ({"noise": -0.1}, "noise must be >= 0, got -0.1"),
        ({"val_draws": 0}, "val_draws must be >= 1, got 0"),
        ({"test_draws": 0}, "test_draws must be >= 1, got 0"),
        ({"shift": -1}, "shift must be >= 0, got -1"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        load("digits", **options)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_no_generator_takes_is_the_culprit(seed):
    for split in (lambda: uniform(100, 20, seed), lambda: stratified(torch.arange(100) % 5, 20, seed)):
        with pytest.raises(ValueError, match="seed must be"):
            split()
