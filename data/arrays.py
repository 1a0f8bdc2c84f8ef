"""Splits that live in memory as one uint8 array."""

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Self

import torch
from torch import Tensor

from .augmentation import Draws
from .split import Batch, Split


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
        """[..., C, H, W] uint8 -> float32 (v / 255 - mean) / std.

        On the CPU by the same operations as ToTensor and Normalize, so with the same bits; on a GPU in one kernel.
        """
        if images.is_cuda:
            return fused_normalise(images, self.mean, self.std)
        mean = torch.tensor(self.mean, device=images.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(-1, 1, 1)
        return images.float().div_(255).sub_(mean).div_(std)

    def _hash(self, digest: "hashlib._Hash") -> None:
        digest.update(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.cpu().contiguous().numpy())


def fused_normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Cast and normalise [..., C, H, W] uint8 in one pass over memory: v / (255 std) - mean / std."""
    shift, scale = _affine(mean, std, images.device)
    return torch.addcmul(shift, images, scale)


@cache
def _affine(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Shift and scale, [C, 1, 1] each; made once, as a copy to a GPU waits for it."""
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(-1, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device).view(-1, 1, 1)
    return shift, scale
