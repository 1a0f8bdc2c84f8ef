"""Words and vocabularies as Keras' Tokenizer and pad_sequences make them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from data.text.ragged import Ragged

# Only these and the space separate words: an apostrophe or a control character is part of its word.
_SEPARATORS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))


class Corpus(NamedTuple):
    """Texts as indices into all of their words.

    Attributes:
        documents: N rows of indices.
        words: W different words, in the order of their first appearance.
    """

    documents: Ragged
    words: tuple[str, ...]


def split_words(text: str) -> list[str]:
    """Lower-case a text and cut it into words.

    Source: `text_to_word_sequence` of Keras with its default filters, which the code of Kumar et al. 2018 uses.
    """
    return [word for word in text.lower().translate(_SEPARATORS).split(" ") if word]


def index_words(texts: Iterable[str]) -> Corpus:
    """Cut texts into words and number the words."""
    numbers: dict[str, int] = {}
    rows = [
        np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int32)
        for words in map(split_words, texts)
    ]
    return Corpus(Ragged.of(rows), tuple(numbers))


def encode(
    corpus: Corpus, num_words: int, max_tokens: int, counted: np.ndarray | None = None
) -> tuple[Ragged, tuple[str, ...]]:
    """Ids of the most frequent words, and documents of those words alone.

    Other words are dropped, and of a document that is still longer than `max_tokens` the last ones are kept. Words of
    equal frequency come in the order of their first appearance.

    Source: Keras' `Tokenizer` without an `oov_token`, and `pad_sequences` with truncating="pre".

    Args:
        corpus: all documents.
        num_words: ids, that of padding (0) included: the num_words - 1 most frequent words are kept.
        max_tokens: tokens to keep of a document.
        counted: indices of the documents whose words are counted; None: all.

    Returns:
        The N documents in ids 1..V (0 is padding), and the V words, most frequent first.
    """
    documents = corpus.documents if counted is None else corpus.documents.take(counted)
    counts = np.bincount(documents.flat, minlength=len(corpus.words))
    order = np.argsort(-counts, kind="stable")[: num_words - 1]
    order = order[counts[order] > 0]
    ids = np.zeros(len(corpus.words), np.int32)
    ids[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    documents = Ragged(ids[corpus.documents.flat], corpus.documents.offsets)
    return documents.keep(documents.flat > 0).last(max_tokens), tuple(corpus.words[i] for i in order)
