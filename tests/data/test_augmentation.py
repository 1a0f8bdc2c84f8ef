"""Batched augmentation against torchvision's functional transforms, sample by sample."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional as TF

from data import ArraySplit
from data.splits.augmentation import Draws, crop, mirror

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def random_images(num_samples: int, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (num_samples, channels, height, width), dtype=torch.uint8, generator=rng)


def test_training_batches_equal_torchvision_bit_for_bit():
    images = random_images(50)
    split = ArraySplit(images, torch.zeros(50).long(), ("a",), MEAN, STD, crop_padding=4, flip=True)
    draws = Draws(50, padding=4, flip=True, seed=7, epoch=3, device=torch.device("cpu"))
    assert draws.flips.any()
    assert not draws.flips.all()
    for batch in split.train_batches(16, seed=7, epoch=3):
        for i, found in zip(batch.index.tolist(), batch.inputs, strict=True):
            image = TF.pad(TF.to_pil_image(images[i]), 4)
            top, left = draws.offsets[i].tolist()
            image = TF.crop(image, top, left, 32, 32)
            image = TF.hflip(image) if draws.flips[i] else image
            assert torch.equal(found, TF.normalize(TF.to_tensor(image), MEAN, STD))


@given(height=st.integers(1, 9), width=st.integers(1, 9), padding=st.integers(0, 4), data=st.data())
@settings(max_examples=40)
def test_crop_takes_the_window_it_is_told(height, width, padding, data):
    images = random_images(3, channels=2, height=height, width=width)
    place = st.tuples(st.integers(0, 2 * padding), st.integers(0, 2 * padding))
    offsets = torch.tensor(data.draw(st.lists(place, min_size=3, max_size=3)))
    found = crop(images, offsets, padding)
    for image, (top, left), window in zip(images, offsets.tolist(), found, strict=True):
        assert torch.equal(window, TF.crop(TF.pad(image, padding), top, left, height, width))


def test_mirror_flips_the_marked_images_only():
    images = random_images(4)
    found = mirror(images, torch.tensor([True, False, False, True]))
    assert torch.equal(found[0], images[0].flip(2))
    assert torch.equal(found[1:3], images[1:3])
    assert torch.equal(found[3], images[3].flip(2))


def test_draws_are_uniform():
    draws = Draws(90_000, padding=4, flip=True, seed=0, epoch=0, device=torch.device("cpu"))
    counts = torch.bincount(draws.offsets[:, 0] * 9 + draws.offsets[:, 1], minlength=81)
    expected = 90_000 / 81
    assert ((counts - expected) ** 2 / expected).sum() < 130  # chi squared, 80 degrees of freedom: p = 0.0003
    assert draws.flips.float().mean().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("crop_padding", "flip"), [(0, False), (0, True), (2, False)])
def test_each_augmentation_can_be_off(crop_padding, flip):
    images = random_images(20)
    split = ArraySplit(images, torch.zeros(20).long(), ("a",), MEAN, STD, crop_padding=crop_padding, flip=flip)
    batch = next(split.train_batches(20, seed=0, epoch=0))
    plain = torch.stack([split[int(i)][0] for i in batch.index])
    unchanged = (batch.inputs == plain).flatten(1).all(1)
    mirrored = (batch.inputs == plain.flip(3)).flatten(1).all(1)
    if crop_padding:
        assert not unchanged.all()
        assert not mirrored.any()
    else:
        assert (unchanged | mirrored).all()
        assert mirrored.any() == flip


def test_the_one_pass_normalisation_agrees_with_the_plain_one():
    from data.splits.arrays import ArraySplit
    from data.splits.normalisation import fused_normalise

    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16).contiguous()
    mean, std = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
    split = ArraySplit(images, torch.tensor([0, 1]), ("a", "b"), mean, std)
    (batch,) = split.eval_batches(2)
    found = fused_normalise(images, mean, std)
    assert found.dtype == torch.float32
    assert torch.allclose(found, batch.inputs, rtol=0, atol=10 * 5 * 2**-24)  # some roundings of numbers up to 5
