"""Splits of texts: sequences of token ids, batched with others of about their length."""

import hashlib
from collections.abc import Iterator
from typing import Self

import numpy as np
import torch
from torch import Tensor

from .ragged import Ragged
from .split import Batch, Split, cut_batches, generator

POOL = 50  # batches whose samples are sorted by length together: little padding, and batches of chance still


class TokenSplit(Split):
    """Documents as token ids in one flat resident tensor; a batch is gathered and padded at the end in one go.

    A batch is as wide as its longest document, plus `margin` padding tokens: min(longest + margin, max_tokens),
    at least 1. With a margin of at least the receptive field of a convolutional net without padding of its own, each
    document then meets the same windows as if it had been padded to max_tokens, so that global max-pooling gives
    the same features for a fraction of the work. A document without tokens is all padding.

    Batches come in an order of their own: training pools `POOL` batches of the shuffled samples, sorts them by
    length, cuts them and shuffles the epoch's batches; evaluation sorts everything, longest first. `Batch.index` says
    which samples a batch holds.

    Args:
        documents: N rows of token ids.
        labels: [N] int64 in [0, K).
        classes: K class names.
        index: [N] int64, positions in the source set; None counts from 0.
        pad_id: the id of padding.
        max_tokens: no document is longer, >= 1.
        margin: padding tokens after the longest document of a batch, >= 0, as far as max_tokens allows.
        vocab: the words of ids 1, 2, ...; () where ids are those of a pretrained tokenizer.
        vectors: [V + 1, D] float32, a vector for every id, zeros for padding; None where there are none.
        note: a line on the vectors or the tokenizer, for the record of a run.
    """

    def __init__(
        self,
        documents: Ragged,
        labels: Tensor,
        classes: tuple[str, ...],
        index: Tensor | None = None,
        *,
        pad_id: int = 0,
        max_tokens: int = 1000,
        margin: int = 0,
        vocab: tuple[str, ...] = (),
        vectors: Tensor | None = None,
        note: str = "",
    ):
        super().__init__(labels, classes, index)
        lengths = documents.lengths
        if len(lengths) != len(labels):
            raise ValueError(f"{len(lengths)} documents have {len(labels)} labels")
        if max_tokens < 1 or margin < 0:
            raise ValueError(f"max_tokens must be >= 1 and margin >= 0, got {max_tokens} and {margin}")
        if len(lengths) and lengths.max() > max_tokens:
            raise ValueError(f"a document has {lengths.max()} tokens, more than max_tokens, {max_tokens}")
        # A padding token ends the flat array: every place of a batch that no document fills is gathered from there.
        self.tokens = torch.from_numpy(np.append(documents.flat, np.int32(pad_id)).astype(np.int32))  # [T + 1]
        self.starts = torch.from_numpy(documents.offsets[:-1].copy())  # [N]
        self.lengths = torch.from_numpy(lengths)  # [N], always on the CPU: a batch's width waits for no device
        self._lengths = self.lengths  # [N], on the split's device
        self.pad_id, self.max_tokens, self.margin = pad_id, max_tokens, margin
        self.vocab, self.vectors, self.note = tuple(vocab), vectors, note

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        start, length = int(self.starts[i]), int(self.lengths[i])
        ids = self.tokens[start : start + length] if length else self.tokens[-1:]
        return ids.long(), int(self.labels[i])

    @property
    def summary(self) -> str:
        """Quartiles of the documents' lengths and the size of the vocabulary, in words."""
        quantiles = np.quantile(self.lengths.numpy(), (0, 0.25, 0.5, 0.75, 1), method="nearest")
        words = f" over {len(self.vocab):,} words" if self.vocab else ""
        return f"documents of {'/'.join(map(str, quantiles))} tokens (quartiles){words}"

    def to(self, device: torch.device | str) -> Self:
        """The same split, resident on `device`."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__)  # takes a fingerprint that is known already along
        for name in ("tokens", "starts", "_lengths", "labels", "index"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved

    def _train_order(self, batch_size: int, seed: int, epoch: int) -> tuple[Tensor, list[slice]]:
        cuts = cut_batches(len(self), batch_size, merge_single=True)
        order = torch.randperm(len(self), generator=generator(seed, epoch, stream=0))
        pools = order.split(POOL * batch_size)
        order = torch.cat([pool[self.lengths[pool].argsort(stable=True)] for pool in pools])
        shuffled = torch.randperm(len(cuts), generator=generator(seed, epoch, stream=2)).tolist()
        return order, [cuts[i] for i in shuffled]

    def _eval_order(self) -> Tensor:
        return self.lengths.argsort(stable=True, descending=True)

    def _batches(self, order: Tensor, cuts: list[slice], seed: int | None, epoch: int) -> Iterator[Batch]:
        del seed, epoch  # nothing is drawn for a text
        widths = [min(int(self.lengths[order[cut]].max()) + self.margin, self.max_tokens) for cut in cuts]
        order = order.to(self.device)
        positions = torch.arange(max([1, *widths]), device=self.device)
        for cut, width in zip(cuts, widths, strict=True):
            index = order[cut]
            place = positions[: max(width, 1)]  # [L]
            inside = place < self._lengths[index, None]  # [B, L]
            where = torch.where(inside, self.starts[index, None] + place, len(self.tokens) - 1)
            yield Batch(index, self.tokens[where].long(), self.labels[index])

    def _hash(self, digest: "hashlib._Hash") -> None:
        digest.update(f"{len(self)} {self.pad_id} {self.max_tokens}\n".encode())
        for tensor in (self.starts, self.lengths, self.tokens):
            digest.update(tensor.cpu().numpy())
        digest.update("\n".join(self.vocab).encode())
        if self.vectors is not None:
            digest.update(f"{list(self.vectors.shape)}".encode())
            digest.update(self.vectors.cpu().contiguous().numpy())
