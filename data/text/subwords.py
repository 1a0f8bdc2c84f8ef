"""Documents in the ids of a pretrained tokenizer."""

import hashlib
from pathlib import Path

import numpy as np

from data.errors import DataError
from data.text.ragged import Ragged

FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")  # one of them holds a tokenizer's vocabulary
CHUNK = 1000  # documents tokenised at once


class Subwords:
    """A fast tokenizer of transformers, with its special tokens.

    Args:
        name: local directory, or name on the hub.
        download: ask the hub; otherwise only what is on this machine is taken.
        max_tokens: a document is cut to its first tokens, so that it is no longer with its special tokens.

    Attributes:
        pad_id: the id of padding.
        identity: SHA-256 hex of all that the ids are a function of, the text aside.
        note: the tokenizer's name, size and identity, for a run's record.

    Raises:
        DataError: no tokenizer there, or one that cannot pad.
        ValueError: `max_tokens` leaves no room beside the special tokens.
    """

    def __init__(self, name: str, download: bool, max_tokens: int):
        from transformers import AutoTokenizer  # takes two seconds to import, and words need none of it

        if Path(name).is_dir() and not any(next(Path(name).glob(pattern), None) for pattern in FILES):
            raise DataError(f"no tokenizer in {name}: expected one of {', '.join(FILES)}")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True, local_files_only=not download)
            state = self._tokenizer.backend_tokenizer.to_str()
        except Exception as error:  # whatever a broken file drives the parsers into
            raise DataError(
                f"cannot load tokenizer {name!r}: {' '.join(str(error).split())[:200]}; give a local directory, or "
                "fetch it first where there is a network"
            ) from error
        if self._tokenizer.pad_token_id is None:
            raise DataError(f"tokenizer {name!r} has no padding token")
        special = self._tokenizer.num_special_tokens_to_add()
        if max_tokens <= special:
            raise ValueError(f"max_tokens must be above the tokenizer's {special} special tokens, got {max_tokens}")
        self.max_tokens, self.pad_id = max_tokens, int(self._tokenizer.pad_token_id)
        self.identity = hashlib.sha256(f"{max_tokens} {self.pad_id}\n{state}".encode()).hexdigest()
        self.note = f"tokenizer {Path(name).name}, {len(self._tokenizer):,} ids, sha256 {self.identity[:12]}"

    def encode(self, texts: list[str]) -> Ragged:
        """The ids of some documents, special tokens included."""
        from tqdm import tqdm

        rows = []
        for start in tqdm(range(0, len(texts), CHUNK), desc="tokenising", unit="k documents", disable=None):
            chunk = self._tokenizer(
                texts[start : start + CHUNK],
                truncation=True,
                max_length=self.max_tokens,
                return_attention_mask=False,
                return_token_type_ids=False,
            )
            rows += [np.array(ids, np.int32) for ids in chunk["input_ids"]]
        return Ragged.of(rows)
