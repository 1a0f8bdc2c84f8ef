"""20 Newsgroups: all 19,997 documents as Kumar et al. 2018 use them, and the by-date version of 18,846."""

import hashlib
from pathlib import Path

import numpy as np
import torch

from data.errors import DataError
from data.files.cache import cached
from data.sets.newsgroups_files import VERSIONS, Document, Source, open_source
from data.splits import holdout
from data.splits.holdout import check_size
from data.splits.split import Splits
from data.splits.tokens import CNN_RECEPTIVE_FIELD, TokenSplit
from data.text import glove
from data.text.ragged import Ragged
from data.text.words import Corpus, encode, index_words

MAX_WORDS, MAX_PIECES = 1000, 512  # Kumar et al.'s; BERT has no positions beyond
KEPT = 3  # cache entries of a kind: vocabularies, tokenizers and their lengths alternate


def load(
    root: Path,
    seed: int,
    download: bool,
    *,
    test_size: int = 3999,
    val_size: int = 900,
    num_words: int = 20_000,
    max_tokens: int | None = None,
    vectors: str | None = "glove.*.txt",
    tokenizer: str | None = None,
    receptive_field: int = CNN_RECEPTIVE_FIELD,
    num_documents: int | None = 19_997,
    train_size: int | None = None,
) -> Splits:
    """20 Newsgroups, all documents with their headers cut: 15,098 / 900 / 3,999 by one seeded permutation.

    Looked for below `root`, in this order: the folder 20_newsgroups/<group>/<document>; 20_newsgroups.tar.gz or
    .tar.xz, 20news-19997.tar.gz, news20.tar.gz, which are read as they are. Documents posted to several groups are
    in each of them, so that a document may be trained on under one label and tested under another.

    Words are those of Keras' Tokenizer, counted in all documents, the test set's too: see `words.encode`. With
    `tokenizer`, documents are the ids of a pretrained tokenizer instead, special tokens included, without vectors.

    Source: NewsGroup/ng_loader.py in branch `nlp` of github.com/torrvision/focal_calibration, whose split seed is 1.

    Args:
        root: the data root.
        seed: of the train/val/test split.
        download: fetch the archive (and a tokenizer given by its name) if it is not there.
        test_size: documents held out for the test.
        val_size: documents held out for validation.
        num_words: ids, that of padding included: one more than the words that are kept.
        max_tokens: length to which longer documents are cut: to their last words, or with `tokenizer` to their first
            tokens; None: 1,000 words or 512 tokens.
        vectors: file of word vectors in GloVe's text format, a glob relative to `root`; None: no vectors.
        tokenizer: local directory or name of a pretrained tokenizer of transformers; None: words.
        receptive_field: see `TokenSplit`; with `tokenizer` it is 0.
        num_documents: documents that must be there; None takes any number in any groups.
        train_size: training documents that are kept, drawn by the split's seed; None: all. Validation and test stay.

    Raises:
        DataError: missing or broken files.
        ValueError: sizes out of range.
    """
    texts = _Texts("newsgroups", root, download, num_documents)
    places = parts(texts.size, seed, test_size, val_size, train_size)
    return texts.splits(places, num_words, max_tokens, vectors, tokenizer, receptive_field)


def parts(size: int, seed: int, test_size: int, val_size: int, train_size: int | None = None) -> dict[str, np.ndarray]:
    """Which of `size` documents are "train", "val" and "test", each ascending. Arguments as `load`."""
    total = test_size + val_size
    check_size("test_size", test_size, size)
    check_size("val_size", val_size, size)
    check_size("test_size + val_size", total, size)
    # The legacy generator: its stream is frozen by NumPy.
    order = np.random.RandomState(seed).permutation(size)
    train = _kept(order[:-total], train_size)
    return {"train": np.sort(train), "val": np.sort(order[-total:-test_size]), "test": np.sort(order[-test_size:])}


def load_bydate(
    root: Path,
    seed: int,
    download: bool,
    *,
    val_size: int = 900,
    num_words: int = 20_000,
    max_tokens: int | None = None,
    vectors: str | None = "glove.*.txt",
    tokenizer: str | None = None,
    receptive_field: int = CNN_RECEPTIVE_FIELD,
    num_documents: int | None = 18_846,
    train_size: int | None = None,
) -> Splits:
    """The by-date version, which scikit-learn fetches too: 10,414 / 900 / 7,532, without duplicates.

    Its test documents are younger than its training documents. Looked for below `root`: the folders
    20news-bydate-train and 20news-bydate-test, or 20news-bydate.tar.gz. All else as `load`.

    Args:
        root: the data root.
        seed: of the train/val split.
        download: fetch the archive if it is not there.
        val_size: training documents held out, uniformly.
        num_words: as `load`, but only the words of the training documents count.
        max_tokens: as `load`.
        vectors: as `load`.
        tokenizer: as `load`.
        receptive_field: as `load`.
        num_documents: as `load`.
        train_size: as `load`.

    Raises:
        DataError: missing or broken files.
        ValueError: `val_size` not below the number of training documents.
    """
    texts = _Texts("newsgroups-bydate", root, download, num_documents)
    of_train, test = np.flatnonzero(texts.parts == 0), np.flatnonzero(texts.parts == 1)
    if not len(test):
        raise DataError(f"{texts.source.where} holds no test documents")
    train, val = (part.numpy() for part in holdout.uniform(len(of_train), val_size, seed))
    if train_size is not None:
        train = np.sort(_kept(np.random.RandomState(seed).permutation(train), train_size))
    parts = {"train": of_train[train], "val": of_train[val], "test": test}
    return texts.splits(parts, num_words, max_tokens, vectors, tokenizer, receptive_field, counted=parts["train"])


class _Texts:
    """All documents of one version, as words; the files are read only where the cache does not know them.

    Attributes:
        labels: [N] int64, the group.
        parts: [N] int64, which of the version's parts a document belongs to.
        corpus: its words.
        classes: the groups.
    """

    def __init__(self, name: str, root: Path, download: bool, num_documents: int | None):
        self.name, self.root, self.download = name, root, download
        self.source: Source = open_source(root, VERSIONS[name], name, download)
        self.num_documents = num_documents
        arrays = self._cached("words", "", self._words)
        words = tuple(arrays["words"].tobytes().decode().split("\n"))
        self.corpus = Corpus(Ragged(arrays["flat"], arrays["offsets"]), words)
        self.labels, self.parts = arrays["labels"], arrays["parts"]
        self.classes = tuple(arrays["classes"].tobytes().decode().split("\n"))

    @property
    def size(self) -> int:
        return len(self.labels)

    def splits(
        self, parts: dict[str, np.ndarray], num_words, max_tokens, vectors, tokenizer, receptive_field, counted=None
    ) -> Splits:
        """The documents `parts["train"]`, "val" and "test", with all that the options ask for.

        The vocabulary is that of the documents `counted`; None: all.
        """
        common: dict = {}
        if tokenizer is None:
            if num_words < 2:
                raise ValueError(f"num_words must be >= 2, padding and a word, got {num_words}")
            max_tokens = _at_least_one("max_tokens", MAX_WORDS if max_tokens is None else max_tokens)
            documents, vocab = encode(self.corpus, num_words, max_tokens, counted)
            common |= {"vocab": vocab, "receptive_field": receptive_field}
            if vectors is not None:
                common |= self._vectors(vectors, vocab, documents.take(parts["train"]))
        else:
            max_tokens = _at_least_one("max_tokens", MAX_PIECES if max_tokens is None else max_tokens)
            documents, pad_id, note = self._pieces(tokenizer, max_tokens)
            common |= {"pad_id": pad_id, "note": note}
        labels = torch.from_numpy(self.labels)
        made = {}
        for part, index in parts.items():
            places = torch.from_numpy(index)
            made[part] = TokenSplit(
                documents.take(index), labels[places], self.classes, places, max_tokens=max_tokens, **common
            )
        return Splits(**made)

    def _vectors(self, pattern: str, vocab: tuple[str, ...], train: Ragged) -> dict:
        path = glove.find(self.root, pattern)
        stat = path.stat()
        key = f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n" + "\n".join(vocab)
        arrays = cached(
            self.root,
            f"{self.name}-vectors",
            hashlib.sha256(key.encode()).hexdigest(),
            lambda: glove.read(path, vocab)._asdict(),
            KEPT,
        )
        matrix, found = arrays["matrix"], arrays["found"]
        of_tokens = found[train.flat].mean() if len(train.flat) else 0.0
        note = (
            f"{path.name}, {matrix.shape[1]}-d, covers {100 * found[1:].mean():.1f} % of the vocabulary and "
            f"{100 * of_tokens:.1f} % of the training tokens"
        )
        return {"vectors": torch.from_numpy(matrix), "note": note}

    def _words(self) -> dict[str, np.ndarray]:
        documents = self._documents()
        corpus = index_words(document.text for document in documents)
        groups = sorted({document.group for document in documents})
        number = {group: i for i, group in enumerate(groups)}
        return {
            "flat": corpus.documents.flat,
            "offsets": corpus.documents.offsets,
            "words": _blob(corpus.words),
            "classes": _blob(groups),
            "labels": np.array([number[document.group] for document in documents], np.int64),
            "parts": np.array([document.part for document in documents], np.int64),
        }

    def _pieces(self, tokenizer: str, max_tokens: int) -> tuple[Ragged, int, str]:
        """The documents in a pretrained tokenizer's ids, the id of padding, and a note."""
        from data.text.subwords import Subwords

        subwords = Subwords(tokenizer, self.download, max_tokens)

        def encode_all() -> dict[str, np.ndarray]:
            rows = subwords.encode([document.text for document in self._documents()])
            return {"flat": rows.flat, "offsets": rows.offsets}

        arrays = self._cached("pieces", subwords.identity, encode_all)
        return Ragged(arrays["flat"], arrays["offsets"]), subwords.pad_id, subwords.note

    def _documents(self) -> list[Document]:
        documents = self.source.documents()
        self.source.check(documents, self.num_documents)
        return documents

    def _cached(self, kind: str, identity: str, make) -> dict[str, np.ndarray]:
        key = f"{kind} 2\n{self.source.identity}\n{self.num_documents}\n{identity}"  # 2: raise when `make` changes
        return cached(self.root, f"{self.name}-{kind}", hashlib.sha256(key.encode()).hexdigest(), make, KEPT)


def _kept(train: np.ndarray, train_size: int | None) -> np.ndarray:
    """The first `train_size` of the training documents."""
    if train_size is not None and not 1 <= train_size <= len(train):
        raise ValueError(f"train_size must be from 1 to the {len(train)} training documents, got {train_size}")
    return train[:train_size]


def _blob(strings) -> np.ndarray:
    """Strings without line breaks as one array of bytes."""
    return np.frombuffer("\n".join(strings).encode(), np.uint8)


def _at_least_one(option: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{option} must be >= 1, got {value}")
    return value


LOADERS = {"newsgroups": load, "newsgroups-bydate": load_bydate}
