"""scikit-learn's embedded 8x8 digits, made hard enough to show calibration: few training images, noisy pixels."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data import facts
from data.splits.arrays import ArraySplit
from data.splits.holdout import check_size, stratified
from data.splits.split import Splits

FACTS = facts.FACTS["digits"]
NOISE_SEED = 20220613  # the noise is part of the dataset: the same whatever the split's seed


def load(
    root: Path,
    seed: int,
    download: bool,
    *,
    train_size: int = 400,
    val_size: int = 600,
    noise: float = 0.3,
    val_draws: int = 3,
    test_draws: int = 3,
    shift: int = 0,
) -> Splits:
    """1,797 real handwritten digits, 1x8x8, with Gaussian pixel noise drawn once and quantised to uint8.

    Splits are disjoint in the source images and stratified by class. A validation or test image comes
    `val_draws` or `test_draws` times with independent noise: more samples for the same bins. Samples that share an
    image are not independent; error bars that treat them as such are too narrow.

    Args:
        root: unused; the images come with scikit-learn.
        seed: of the split.
        download: unused.
        train_size: training images, one noise draw each.
        val_size: validation images; the rest are the test images.
        noise: standard deviation in units of the full scale, >= 0; pixels are clipped to the scale.
        val_draws: noise draws per validation image, >= 1.
        test_draws: noise draws per test image, >= 1.
        shift: training images are shifted by up to this many pixels, zeros coming in; 0: no augmentation.

    Returns:
        train [train_size], val [val_size val_draws], test [(1797 - train_size - val_size) test_draws].

    Raises:
        ValueError: sizes that leave a split empty, a negative noise or shift, fewer than one draw.
    """
    from sklearn.datasets import load_digits  # takes a second to import, and no other dataset needs it

    if noise < 0:
        raise ValueError(f"noise must be >= 0, got {noise}")
    if shift < 0:
        raise ValueError(f"shift must be >= 0, got {shift}")
    for option, draws in (("val_draws", val_draws), ("test_draws", test_draws)):
        if draws < 1:
            raise ValueError(f"{option} must be >= 1, got {draws}")
    clean, labels = load_digits(return_X_y=True)
    clean = torch.from_numpy(clean.reshape(-1, 1, 8, 8) / 16)  # [1797, 1, 8, 8] in [0, 1]
    labels = torch.from_numpy(labels).long()
    check_size("train_size", train_size, len(labels))
    rest, train = stratified(labels, train_size, seed)
    check_size("val_size", val_size, len(rest))
    test, val = (rest[part] for part in stratified(labels[rest], val_size, seed))

    draws = [_noisy(clean, noise, draw) for draw in range(max(val_draws, test_draws))]
    classes = tuple(str(digit) for digit in range(10))

    def split(index: Tensor, num_draws: int, **augmentation) -> ArraySplit:
        images = torch.cat([images[index] for images in draws[:num_draws]])
        index = index.repeat(num_draws)
        return ArraySplit(images, labels[index], classes, FACTS.mean, FACTS.std, index, **augmentation)

    return Splits(split(train, 1, crop_padding=shift), split(val, val_draws), split(test, test_draws))


def _noisy(clean: Tensor, noise: float, draw: int) -> Tensor:
    """Draw number `draw` of the noisy images: [N, 1, 8, 8] in [0, 1] -> uint8."""
    rng = np.random.default_rng([NOISE_SEED, draw])
    noisy = clean + noise * torch.from_numpy(rng.standard_normal(tuple(clean.shape)))
    return noisy.clamp(0, 1).mul(255).round().to(torch.uint8)


LOADERS = {"digits": load}
