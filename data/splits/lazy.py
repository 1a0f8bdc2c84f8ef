"""Splits too large for memory: photographs decoded by a DataLoader when their batch comes."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from data.errors import DataError
from data.files.pixels import as_mode, why_not
from data.splits.normalisation import normalise
from data.splits.split import Batch, Split, generator
from data.splits.workers import heed_owner_alone, start_method, starting_deaf


class LazySplit(Split):
    """Image files decoded and transformed sample by sample, by workers if there are any, and normalised by batch.

    A sample stays bytes until its batch lies on the split's device: a quarter of what floats take on the way.

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
        self.mean, self.std = tuple(mean), tuple(std)
        self._device = torch.device("cpu")
        self._train = v2.Compose([v2.RandomResizedCrop(crop_size), v2.RandomHorizontalFlip(), v2.PILToTensor()])
        self._eval = v2.Compose([v2.Resize(resize), v2.CenterCrop(crop_size), v2.PILToTensor()])

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        return self._device

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return normalise(self.pixels(i), self.mean, self.std), int(self.labels[i])

    def pixels(self, i: int, seed: int | None = None, epoch: int = 0) -> Tensor:
        """Sample i as [3, crop_size, crop_size] uint8; leaves the global generator as it was.

        Args:
            i: which.
            seed: augmented, as epoch `epoch` of a run with this seed sees it; None: as it is evaluated.
            epoch: number of the epoch.
        """
        image = self._decode(i)
        if seed is None:
            return self._eval(image)
        with torch.random.fork_rng(devices=[]):  # torchvision's transforms draw from the global generator
            torch.set_rng_state(generator(seed, epoch, i, stream=1).get_state())
            return self._train(image)

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

    def __getstate__(self) -> dict:
        # what every worker is sent: a million paths as one text take a tenth of the time
        return self.__dict__ | {"paths": "\0".join(self.paths)}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state, paths=state["paths"].split("\0"))

    def _decode(self, i: int) -> Image.Image:
        path = self.folder / self.paths[i]
        try:
            with Image.open(path) as image:
                return as_mode(image, "RGB")
        except Exception as error:  # Pillow's decoders raise whatever a broken file drives them into
            raise DataError(f"cannot decode image {path}: {why_not(error, path)}") from error

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
            multiprocessing_context=start_method() if self.workers else None,
        )
        with starting_deaf():
            batches = iter(loader)
        for batch in batches:
            if isinstance(batch, DataError):
                raise batch
            index, pixels, labels = (part.to(self.device, non_blocking=True) for part in batch)
            yield Batch(index, normalise(pixels, self.mean, self.std), labels)

    def _hash(self, digest: "hashlib._Hash") -> None:
        for path in self.paths:
            digest.update(f"{path}\0{(self.folder / path).stat().st_size}\n".encode())


class _Epoch(Dataset):
    """One epoch's samples with their index: (i, pixels, label), or the DataError of a sample that is broken.

    Raised in a worker, the error would reach the caller as a traceback of many lines.
    """

    def __init__(self, split: LazySplit, seed: int | None, epoch: int):
        self.split, self.seed, self.epoch = split, seed, epoch

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, i: int) -> tuple[int, Tensor, int] | DataError:
        try:
            return i, self.split.pixels(i, self.seed, self.epoch), int(self.split.labels[i])
        except DataError as error:
            return error


def _collate(samples: list) -> list[Tensor] | DataError:
    """The batch of some samples of `_Epoch`, or the first error among them."""
    for sample in samples:
        if isinstance(sample, DataError):
            return sample
    return default_collate(samples)
