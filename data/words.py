"""Words and vocabularies as Keras' Tokenizer and pad_sequences make them."""

from collections.abc import Iterable
from itertools import count
from typing import NamedTuple

import numpy as np

from .ragged import Ragged

# Only these and the space separate words: an apostrophe or a control character is part of its word.
_SEPARATORS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))


class Corpus(NamedTuple):
    """Texts as indices into all of their words.

    Attributes:
        documents: N rows of indices.
        words: W different words, in the order of their code points.
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
    unused = count()
    rows = [
        np.fromiter((numbers[w] if w in numbers else numbers.setdefault(w, next(unused)) for w in words), np.int32)
        for words in map(split_words, texts)
    ]
    words = sorted(numbers)
    rank = np.empty(len(words), np.int32)
    rank[[numbers[word] for word in words]] = np.arange(len(words), dtype=np.int32)
    documents = Ragged.of(rows)
    return Corpus(Ragged(rank[documents.flat], documents.offsets), tuple(words))


def encode(corpus: Corpus, train: np.ndarray, vocab_size: int, max_tokens: int) -> tuple[Ragged, tuple[str, ...]]:
    """Ids of the most frequent words of the training documents, and documents of those words alone.

    Other words are dropped, as Keras' `texts_to_sequences` does without an `oov_token`; of a document that is still
    longer than `max_tokens` the last ones are kept (pad_sequences' truncating="pre"). Differs from the code of
    Kumar et al. 2018: they count the words of all documents, test set included, and their `num_words` of 20,000
    counts the padding, so that 19,999 words are left. Words of equal frequency come in the order of their code
    points, where Keras has the order of first appearance.

    Args:
        corpus: all documents.
        train: indices of the documents whose words are counted.
        vocab_size: words to keep, V; fewer if the training documents have no more.
        max_tokens: tokens to keep of a document.

    Returns:
        The N documents in ids 1..V (0 is padding), and the V words, most frequent first.
    """
    counts = np.bincount(corpus.documents.take(train).flat, minlength=len(corpus.words))
    order = np.argsort(-counts, kind="stable")[:vocab_size]
    order = order[counts[order] > 0]
    ids = np.zeros(len(corpus.words), np.int32)
    ids[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    documents = Ragged(ids[corpus.documents.flat], corpus.documents.offsets)
    return documents.keep(documents.flat > 0).last(max_tokens), tuple(corpus.words[i] for i in order)
