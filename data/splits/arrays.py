"""Splits that live in memory as one uint8 array."""

import hashlib
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from data.splits.augmentation import Draws
from data.splits.normalisation import normalise
from data.splits.split import Batch, Split


class ArraySplit(Split):
    """Images in one resident uint8 tensor, cropped, flipped and normalised a batch at a time.

    Args:
        images: [N, C, H, W] uint8.
        labels: [N] int64 in [0, K).
        classes: K class names.
        mean: C numbers in [0, 1]: a pixel v becomes (v / 255 - mean) / std.
        std: C numbers > 0.
        index: [N] int64, positions in the source set; None counts from 0.
        crop_padding: zero pixels around a training image before a random crop of its own size; 0: no crop.
        flip: mirror training images with probability 1/2.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        classes: tuple[str, ...],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        index: Tensor | None = None,
        crop_padding: int = 0,
        flip: bool = False,
    ):
        super().__init__(labels, classes, index)
        if images.dtype != torch.uint8 or images.ndim != 4 or len(images) != len(labels):
            raise ValueError(f"images must be uint8 [{len(labels)}, C, H, W], got {images.dtype} {list(images.shape)}")
        if crop_padding < 0:
            raise ValueError(f"crop_padding must be >= 0, got {crop_padding}")
        self.images = images
        self.mean, self.std = tuple(mean), tuple(std)
        self.crop_padding, self.flip = crop_padding, flip

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self._normalise(self.images[i]), int(self.labels[i])

    @property
    def summary(self) -> str:
        """The images' shape, in words."""
        return f"images {'x'.join(map(str, self.images.shape[1:]))}"

    def to(self, device: torch.device | str) -> Self:
        """The same split, resident on `device`."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__)  # takes a fingerprint that is known already along
        for name in ("images", "labels", "index"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved

    def _batches(self, order: Tensor, cuts: list[slice], seed: int | None, epoch: int) -> Iterator[Batch]:
        order = order.to(self.device)
        draws = None
        if seed is not None and (self.crop_padding or self.flip):
            draws = Draws(len(self), self.crop_padding, self.flip, seed, epoch, self.device)
        for cut in cuts:
            index = order[cut]
            images = self.images[index]
            if draws:
                images = draws.apply(images, index)
            yield Batch(index, self._normalise(images), self.labels[index])

    def _normalise(self, images: Tensor) -> Tensor:
        return normalise(images, self.mean, self.std)

    def _hash(self, digest: "hashlib._Hash") -> None:
        digest.update(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.cpu().contiguous().numpy())
