"""Rows of different lengths in one flat array: a corpus without a Python object a document."""

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """N rows of token ids.

    Attributes:
        flat: [T] int32, all rows one after the other.
        offsets: [N + 1] int64: row i is flat[offsets[i]:offsets[i + 1]]; the first is 0, the last T.
    """

    flat: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        return self.flat[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """[N] int64."""
        return np.diff(self.offsets)

    @classmethod
    def of(cls, rows: list) -> Self:
        """Join a list of sequences of ids."""
        flat = np.concatenate([np.zeros(0, np.int32), *(np.asarray(row, np.int32) for row in rows)])
        return cls(flat, _offsets(np.array([len(row) for row in rows], np.int64)))

    def take(self, index: np.ndarray) -> Self:
        """The rows `index` [M] int, in that order."""
        lengths = self.lengths[index]
        offsets = _offsets(lengths)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)  # position of every token in its row
        return type(self)(self.flat[np.repeat(self.offsets[index], lengths) + within], offsets)

    def keep(self, mask: np.ndarray) -> Self:
        """The same rows with only the tokens where `mask` [T] bool is true."""
        kept = np.concatenate([[0], np.cumsum(mask)])  # tokens kept before each position
        return type(self)(self.flat[mask], kept[self.offsets])

    def last(self, count: int) -> Self:
        """The last `count` tokens of each row."""
        from_end = np.repeat(self.offsets[1:], self.lengths) - np.arange(len(self.flat))  # 1 for a row's last token
        return self.keep(from_end <= count)


def _offsets(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
