"""Splits too large for memory: photographs decoded by a DataLoader when their batch comes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from .errors import DataError
from .split import Batch, Split, generator
from .workers import heed_owner_alone, starting_deaf


class LazySplit(Split):
    """Image files read, transformed and normalised sample by sample, by workers if there are any.

    Args:
        paths: N paths relative to `folder`.
        labels: [N] int64 in [0, K).
        classes: K class names.
        folder: the folder.
        mean: three numbers in [0, 1]: a pixel v becomes (v / 255 - mean) / std.
        std: three numbers > 0.
        crop_size: height and width of the inputs.
        resize: shorter side before the centre is cropped, without augmentation.
        workers: processes that decode; 0 decodes in the caller's.
        index: [N] int64, positions in the source set; None counts from 0.
    """

    def __init__(
        self,
        paths: list[str],
        labels: Tensor,
        classes: tuple[str, ...],
        folder: Path,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        crop_size: int,
        resize: int,
        workers: int = 0,
        index: Tensor | None = None,
    ):
        from torchvision.transforms import v2  # takes two seconds to import, and only photographs need it

        super().__init__(labels, classes, index)
        self.paths, self.folder, self.workers = paths, folder, workers
        self._device = torch.device("cpu")
        finish = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)]
        self._train = v2.Compose([v2.RandomResizedCrop(crop_size), v2.RandomHorizontalFlip(), *finish])
        self._eval = v2.Compose([v2.Resize(resize), v2.CenterCrop(crop_size), *finish])

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        return self._device

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self._eval(self._decode(i)), int(self.labels[i])

    def augmented(self, i: int, seed: int, epoch: int) -> tuple[Tensor, int]:
        """Sample i as epoch `epoch` of a run with `seed` sees it; leaves the global generator as it was."""
        image = self._decode(i)
        with torch.random.fork_rng(devices=[]):  # torchvision's transforms draw from the global generator
            torch.set_rng_state(generator(seed, epoch, i, stream=1).get_state())
            return self._train(image), int(self.labels[i])

    @property
    def summary(self) -> str:
        """The inputs' shape, in words."""
        return f"images {'x'.join(map(str, self[0][0].shape))}"

    def to(self, device: torch.device | str) -> Self:
        """The same split, whose batches are moved to `device`."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__)
        moved._device = torch.device(device)
        return moved

    def _decode(self, i: int) -> Image.Image:
        path = self.folder / self.paths[i]
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except Exception as error:  # Pillow's decoders raise whatever a broken file drives them into
            raise DataError(f"cannot decode image {path}: {error}") from error

    def _batches(self, order: Tensor, cuts: list[slice], seed: int | None, epoch: int) -> Iterator[Batch]:
        loader = DataLoader(
            _Epoch(self, seed, epoch),
            batch_sampler=[order[cut].tolist() for cut in cuts],
            num_workers=self.workers,
            prefetch_factor=4 if self.workers else None,  # batches a worker decodes ahead
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # or the loader would draw its seed from the global one
            worker_init_fn=heed_owner_alone,
        )
        with starting_deaf():
            batches = iter(loader)
        for batch in batches:
            if isinstance(batch, DataError):
                raise batch
            yield Batch(*(part.to(self.device, non_blocking=True) for part in batch))

    def _hash(self, digest: "hashlib._Hash") -> None:
        for path in self.paths:
            digest.update(f"{path}\0{(self.folder / path).stat().st_size}\n".encode())


class _Epoch(Dataset):
    """One epoch's samples with their index: (i, input, label), or the DataError of a sample that is broken.

    Raised in a worker, the error would reach the caller as a traceback of many lines.
    """

    def __init__(self, split: LazySplit, seed: int | None, epoch: int):
        self.split, self.seed, self.epoch = split, seed, epoch

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, i: int) -> tuple[int, Tensor, int] | DataError:
        try:
            if self.seed is None:
                return i, *self.split[i]
            return i, *self.split.augmented(i, self.seed, self.epoch)
        except DataError as error:
            return error


def _collate(samples: list) -> list[Tensor] | DataError:
    """The batch of some samples of `_Epoch`, or the first error among them."""
    for sample in samples:
        if isinstance(sample, DataError):
            return sample
    return default_collate(samples)
