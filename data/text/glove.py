"""Pretrained word vectors in the text formats of GloVe, word2vec and fastText."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data.errors import DataError
from data.files.foreign import told

PREFERRED = "glove.6B.100d.txt"  # Kumar et al.'s
URL = "https://nlp.stanford.edu/data/glove.6B.zip"
NUMBERS = b"0123456789+-.eE "
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
HEADER = re.compile(rb"(\d+)[ \t]+([1-9]\d*)\s*")


class Vectors(NamedTuple):
    """Vectors of a vocabulary.

    Attributes:
        matrix: [V + 1, D] float32; row i is the vector of id i, zeros for padding (id 0) and for words without one.
        found: [V + 1] bool, which ids have a vector.
    """

    matrix: np.ndarray
    found: np.ndarray


def find(root: Path, pattern: str) -> Path:
    """The file of vectors below `root`.

    Args:
        root: the data root.
        pattern: a glob relative to it; if several files match, `PREFERRED` is taken.

    Raises:
        DataError: no file matches, or several and not the preferred one among them.
    """
    given = Path(pattern).expanduser()
    if given.is_absolute():
        matches = [given] if given.is_file() else []
    else:
        matches = sorted(path for path in root.glob(pattern) if path.is_file())
    if not matches:
        raise DataError(
            f"no word vectors {pattern!r} in {root.absolute()}: fetch {URL} and put its {PREFERRED} there, or give "
            "another file with the option vectors (None: no vectors)"
        )
    if len(matches) == 1:
        return matches[0]
    for path in matches:
        if path.name == PREFERRED:
            return path
    names = ", ".join(path.relative_to(root).as_posix() for path in matches)
    raise DataError(f"several files in {root.absolute()} match {pattern!r}: {names}; choose one with vectors=NAME")


def read(path: Path, vocab: tuple[str, ...]) -> Vectors:
    """The vectors of some words. If a word comes twice in the file, its last line counts.

    Args:
        path: a line a word: the word and D numbers, with single spaces between; D is that of the first line. As in the
            published files of GloVe and fastText, words may hold spaces, a line may end in a blank, and the first one
            may be word2vec's: how many words there are, and D.
        vocab: the words of ids 1, 2, ...

    Raises:
        DataError: naming the file and the line that is short, too long, or has something that is no number; a file with
            another number of words than its first line says, or that is something else.
    """
    if what := told(path):
        raise DataError(f"{path} {what}")
    ids = {word.encode(): i for i, word in enumerate(vocab, start=1)}
    matrix, found, dimension, announced, number = None, np.zeros(len(vocab) + 1, bool), 0, None, 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and (header := HEADER.fullmatch(line)):
                    announced, dimension = map(int, header.groups())
                    continue
                word, _, rest = line.rstrip(b" \r\n").partition(b" ")
                if not dimension:
                    dimension = len(rest.split())
                    if not dimension:
                        raise DataError(f"{path}, line 1: expected a word and its vector")
                if matrix is None:
                    matrix = np.zeros((len(vocab) + 1, dimension), np.float32)
                if rest.count(b" ") != dimension - 1:
                    word, rest = _split(line.rstrip(b" \r\n"), dimension, path, number)
                if rest.translate(None, NUMBERS):
                    raise DataError(f"{path}, line {number}: not a vector of numbers")
                if word in ids:
                    matrix[ids[word]] = _numbers(rest, path, number)
                    found[ids[word]] = True
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if matrix is None:
        raise DataError(f"{path} is empty")
    if announced is not None and announced != number - 1:
        raise DataError(f"{path} holds {number - 1:,} words, its header line says {announced:,}: truncated?")
    return Vectors(matrix, found)


def _split(line: bytes, dimension: int, path: Path, number: int) -> tuple[bytes, bytes]:
    """The word, which holds spaces, and the vector of a line."""
    parts = line.split(b" ")
    word, values = parts[:-dimension], parts[-dimension:]
    if not word or (NUMBER.fullmatch(word[-1]) and len(word) > 1):
        count = sum(NUMBER.fullmatch(part) is not None for part in parts[1:])
        raise DataError(f"{path}, line {number}: {count} numbers, expected {dimension}")
    return b" ".join(word), b" ".join(values)


def _numbers(text: bytes, path: Path, number: int) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            values = np.array([float(value) for value in text.split(b" ")]).astype(np.float32)
    except ValueError as error:
        raise DataError(f"{path}, line {number}: {error}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{path}, line {number}: a number is too large for float32")
    return values
