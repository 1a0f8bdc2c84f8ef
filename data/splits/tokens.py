"""Splits of texts: sequences of token ids, packed or padded into batches."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from data.splits.split import Batch, Split
from data.text.ragged import Ragged

CNN_RECEPTIVE_FIELD = 21  # tokens that decide one value of the paper's CNN before its global pooling


class Packed(NamedTuple):
    """Texts of one batch, one after the other in a single row, each with its padding in front.

    Attributes:
        ids: [T] int64, T the sum of `lengths`.
        lengths: [B] int64, tokens of each text, its padding included.
    """

    ids: Tensor
    lengths: Tensor


class TokenSplit(Split):
    """Documents as token ids in one flat resident tensor; a batch is gathered in one go.

    Batches of a net with global pooling are `Packed`. A text gets as much padding in front as windows of
    `receptive_field` tokens can tell from padding to `max_tokens`: a window of padding alone, if one fits, and those
    that reach from it into the text. The net then sees the windows of texts padded in front to `max_tokens`.

    With `receptive_field` 0, batches are [B, L] int64 ids, padded at the end to their longest text; a text without
    tokens is all padding, and L is at least 1.

    Args:
        documents: N rows of token ids.
        labels: [N] int64 in [0, K).
        classes: K class names.
        index: [N] int64, positions in the source set; None counts from 0.
        pad_id: the id of padding.
        max_tokens: no document is longer, >= 1.
        receptive_field: tokens that decide one value of the net before its global pooling; 0: batches are not packed.
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
        receptive_field: int = 0,
        vocab: tuple[str, ...] = (),
        vectors: Tensor | None = None,
        note: str = "",
    ):
        super().__init__(labels, classes, index)
        lengths = documents.lengths
        if len(lengths) != len(labels):
            raise ValueError(f"{len(lengths)} documents have {len(labels)} labels")
        if max_tokens < 1 or receptive_field < 0:
            raise ValueError(
                f"max_tokens must be >= 1 and receptive_field >= 0, got {max_tokens} and {receptive_field}"
            )
        if len(lengths) and lengths.max() > max_tokens:
            raise ValueError(f"a document has {lengths.max()} tokens, more than max_tokens, {max_tokens}")
        # A padding token ends the flat array: every place of a batch that no document fills is gathered from there.
        self.tokens = torch.from_numpy(np.append(documents.flat, np.int32(pad_id)).astype(np.int32))  # [T + 1]
        self.starts = torch.from_numpy(documents.offsets[:-1].copy())  # [N]
        self.lengths = torch.from_numpy(lengths)  # [N], always on the CPU: a batch's size waits for no device
        self._lengths = self.lengths  # [N], on the split's device
        self.pad_id, self.max_tokens, self.receptive_field = pad_id, max_tokens, receptive_field
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

    @property
    def batching(self) -> str:
        """How training batches are made, for a run's record."""
        how = "packed, padding in front" if self.receptive_field else "padded at the end to the longest"
        return f"{Split.batching}; texts {how}"

    def _eval_order(self) -> Tensor:
        return self.lengths.argsort(stable=True, descending=True)

    def _batches(self, order: Tensor, cuts: list[slice], seed: int | None, epoch: int) -> Iterator[Batch]:
        del seed, epoch  # nothing is drawn for a text
        # Sizes come from the CPU's lengths, so that no batch waits for the device.
        of_batch = [self.lengths[order[cut]] for cut in cuts]
        order = order.to(self.device)
        for cut, lengths in zip(cuts, of_batch, strict=True):
            index = order[cut]
            if self.receptive_field:
                inputs = self._packed(index, int(self._padded(lengths).sum()))
            else:
                inputs = self._padded_at_the_end(index, max(int(lengths.max()), 1))
            yield Batch(index, inputs, self.labels[index])

    def _padded(self, lengths: Tensor) -> Tensor:
        """Lengths of texts with their padding in front; at least one window each."""
        return (lengths + self.receptive_field).clamp(max=self.max_tokens).clamp(min=self.receptive_field)

    def _packed(self, index: Tensor, total: int) -> Packed:
        """The texts `index` [B] in one row of `total` ids."""
        lengths = self._padded(self._lengths[index])
        ends = lengths.cumsum(0)
        # Where the token at position 0 of the row would lie, were the whole row of one text: [B], then [T].
        first = self.starts[index] + self._lengths[index] - ends
        padding = ends - self._lengths[index]  # [B] the position at which a text's own tokens begin
        first, padding = torch.repeat_interleave(torch.stack([first, padding], 1), lengths, 0, output_size=total).T
        position = torch.arange(total, device=self.device)
        where = torch.where(position < padding, len(self.tokens) - 1, first + position)
        return Packed(self.tokens[where].long(), lengths)

    def _padded_at_the_end(self, index: Tensor, width: int) -> Tensor:
        """The texts `index` [B] as [B, width] ids."""
        place = torch.arange(width, device=self.device)
        inside = place < self._lengths[index, None]  # [B, L]
        where = torch.where(inside, self.starts[index, None] + place, len(self.tokens) - 1)
        return self.tokens[where].long()

    def _hash(self, digest: "hashlib._Hash") -> None:
        digest.update(f"{len(self)} {self.pad_id} {self.max_tokens}\n".encode())
        for tensor in (self.starts, self.lengths, self.tokens):
            digest.update(tensor.cpu().numpy())
        digest.update("\n".join(self.vocab).encode())
        if self.vectors is not None:
            digest.update(f"{list(self.vectors.shape)}".encode())
            digest.update(self.vectors.cpu().contiguous().numpy())
