"""What every split offers, images or text: its samples, and batches whose order depends on nothing but numbers."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset


class Batch(NamedTuple):
    """One batch, all of it on the split's device.

    Attributes:
        index: [B] int64, positions of the samples within the split.
        inputs: what the model takes: [B, C, H, W] float32, normalised, for images; for texts `tokens.Packed`, or [B, L]
            int64 ids.
        labels: [B] int64 in [0, K).
    """

    index: Tensor
    inputs: Any
    labels: Tensor


class Splits(NamedTuple):
    """The three parts of a dataset; gamma, temperatures and model selection never see `test`."""

    train: "Split"
    val: "Split"
    test: "Split"


class Split(Dataset, ABC):
    """Labelled samples with reproducible batches; also a map-style dataset for anybody's DataLoader.

    The order of an epoch and every random draw of its augmentation are functions of (seed, epoch, sample index)
    alone: not of the device, the number of workers, the batches already taken or any global generator.

    Attributes:
        labels: [N] int64 in [0, K).
        classes: K class names, in label order.
        index: [N] int64, each sample's position in the source set it was drawn from.
        note: what a run's record should say of the data beyond its fingerprint; "" for images.
        batching: how training batches are made, for a run's record.
    """

    note: str = ""
    batching: str = "cuts of a permutation of all samples"

    def __init__(self, labels: Tensor, classes: tuple[str, ...], index: Tensor | None = None):
        self.labels = labels
        self.classes = tuple(classes)
        self.index = torch.arange(len(labels)) if index is None else index

    @property
    def device(self) -> torch.device:
        """Where batches lie."""
        return self.labels.device

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return len(self.classes)

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def __getitem__(self, i: int) -> tuple[Any, int]:
        """Sample i as a model takes it, without augmentation, and its label."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What the samples look like, in a few words."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same split with its batches on `device`."""

    @abstractmethod
    def _batches(self, order: Tensor, cuts: list[slice], seed: int | None, epoch: int) -> Iterator[Batch]:
        """Batches of the samples `order[cut]` for every cut; seed None means no augmentation."""

    @abstractmethod
    def _hash(self, digest: "hashlib._Hash") -> None:
        """Feed everything that identifies the samples, labels aside, to `digest`."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 hex of the samples and their labels: equal fingerprints, equal data."""
        digest = hashlib.sha256()
        self._hash(digest)
        digest.update(self.labels.cpu().numpy().tobytes())
        return digest.hexdigest()

    def train_batches(
        self,
        batch_size: int,
        seed: int,
        epoch: int,
        start: int = 0,
        part: tuple[int, int] = (0, 1),
        drop_last: bool = False,
    ) -> Iterator[Batch]:
        """Augmented batches of one epoch: cuts of a permutation of all samples, which each come at most once.

        Args:
            batch_size: samples a batch, >= 1.
            seed: seed of order and augmentation, >= 0.
            epoch: number of the epoch, >= 0; every epoch has its own order and draws.
            start: batches to skip, so that a run goes on in the middle of an epoch with the batches it lacks.
            part: (rank, size) of one of several processes, which gets its `share` of every batch.
            drop_last: leave out the last batch if it is smaller; see `batch_sizes`.
        """
        if start < 0:
            raise ValueError(f"start must be >= 0, got {start}")
        order = torch.randperm(len(self), generator=generator(seed, epoch, stream=0))
        cuts = [share(cut, part) for cut in self._train_cuts(batch_size, drop_last)[start:]]
        return self._batches(order, cuts, seed, epoch)

    def batch_sizes(self, batch_size: int, drop_last: bool = False) -> list[int]:
        """The number of samples of every batch of an epoch.

        A last batch of one sample is merged into the one before it, as batch normalisation cannot train on a single
        value.

        Args:
            batch_size: samples a batch, >= 1.
            drop_last: leave out the last batch if it is smaller than `batch_size`.

        Raises:
            ValueError: `drop_last` leaves no batch.
        """
        return [cut.stop - cut.start for cut in self._train_cuts(batch_size, drop_last)]

    def eval_batches(self, batch_size: int, part: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        """Every sample once, without augmentation: images in order, texts longest first; `Batch.index` tells.

        Of several processes the one with part (rank, size) gets every size-th batch: whole ones, so that logits are
        the same to the last bit however many there are.
        """
        rank, size = part
        return self._batches(self._eval_order(), cut_batches(len(self), batch_size)[rank::size], seed=None, epoch=0)

    def _train_cuts(self, batch_size: int, drop_last: bool) -> list[slice]:
        cuts = cut_batches(len(self), batch_size, merge_single=not drop_last)
        if drop_last:
            cuts = [cut for cut in cuts if cut.stop - cut.start == batch_size]
            if not cuts:
                raise ValueError(f"drop_last leaves no batch of {batch_size} of {len(self)} training samples")
        return cuts

    def _eval_order(self) -> Tensor:
        return torch.arange(len(self))


def is_shared(samples: int, size: int) -> bool:
    """Whether a batch is large enough to be shared by processes: batch normalisation needs two samples in each."""
    return size > 1 and samples >= 2 * size


def share(cut: slice, part: tuple[int, int]) -> slice:
    """What the process `part` = (rank, size) gets of a batch: neighbours, as evenly as can be.

    Of a batch that is too small to be shared every process gets all.
    """
    rank, size = part
    samples = cut.stop - cut.start
    if not is_shared(samples, size):
        return cut
    return slice(cut.start + samples * rank // size, cut.start + samples * (rank + 1) // size)


def cut_batches(num_samples: int, batch_size: int, merge_single: bool = False) -> list[slice]:
    """Slices of `batch_size` samples that cover `num_samples`; the last one may be smaller.

    With `merge_single`, a last slice of one sample joins the slice before it (unless `batch_size` is 1).

    Raises:
        ValueError: `batch_size` below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be >= 1, got {batch_size}")
    starts = list(range(0, num_samples, batch_size))
    if merge_single and batch_size > 1 and len(starts) > 1 and num_samples % batch_size == 1:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], num_samples], strict=True)]


def generator(*key: int, stream: int) -> torch.Generator:
    """A CPU generator that is a function of the key and the stream's number, whatever else draws.

    Raises:
        ValueError: a negative number in the key.
    """
    if min(key) < 0:
        raise ValueError(f"seeds and epochs must be >= 0, got {key}")
    state = np.random.SeedSequence([*key, stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))
