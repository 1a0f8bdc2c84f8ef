"""Words and vocabularies, worked by hand after Keras' Tokenizer."""

import numpy as np
import pytest

from data.text.ragged import Ragged
from data.text.words import encode, index_words, split_words


def rows(documents: Ragged) -> list[list[int]]:
    return [documents[i].tolist() for i in range(len(documents))]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat, the HAT.", ["the", "cat", "the", "hat"]),
        ("don't 'quote' it", ["don't", "'quote'", "it"]),  # Keras leaves the apostrophe
        ("a_b-c/d\te\nf@g.h", list("abcdefgh")),
        ("x\x0cy z\xa0w", ["x\x0cy", "z\xa0w"]),  # neither a form feed nor a hard space is a separator
        ("Ångström ÉTÉ", ["ångström", "été"]),
        ("  ...  \n", []),
        ("", []),
    ],
)
def test_words_of_a_text(text, words):
    assert split_words(text) == words


def test_index_numbers_words_as_they_appear():
    corpus = index_words(["b a", "", "c b b"])
    assert corpus.words == ("b", "a", "c")
    assert rows(corpus.documents) == [[0, 1], [], [2, 0, 0]]
    assert corpus.documents.flat.dtype == np.int32


def test_index_of_no_words():
    corpus = index_words(["", "!!"])
    assert corpus.words == ()
    assert rows(corpus.documents) == [[], []]


def test_most_frequent_words_of_all_documents():
    # q 5, z 4, b 2, a 2, c 2; b and a before c, as they appear before it
    corpus = index_words(["z z b a", "z b a c", "q q q q q z c"])
    documents, vocab = encode(corpus, num_words=5, max_tokens=10)
    assert vocab == ("q", "z", "b", "a")  # one id of five is padding's
    assert rows(documents) == [[2, 2, 3, 4], [2, 3, 4], [1, 1, 1, 1, 1, 2]]


def test_most_frequent_words_of_some_documents():
    corpus = index_words(["z z b a", "z b a c", "q q q q q z c"])
    documents, vocab = encode(corpus, num_words=4, max_tokens=10, counted=np.array([0, 1]))
    assert vocab == ("z", "b", "a")
    assert rows(documents) == [[1, 1, 2, 3], [1, 2, 3], [1]]  # c is dropped, and so is q, the commonest of all


def test_words_of_no_counted_document_are_no_vocabulary():
    corpus = index_words(["a a", "b"])
    documents, vocab = encode(corpus, num_words=11, max_tokens=10, counted=np.array([0]))
    assert vocab == ("a",)
    assert rows(documents) == [[1, 1], []]


def test_the_last_tokens_are_kept_after_unknown_words_went():
    corpus = index_words(["a b c d x x x x", "a b"])
    documents, vocab = encode(corpus, num_words=4, max_tokens=2)
    assert vocab == ("x", "a", "b")
    assert rows(documents) == [[1, 1], [2, 3]]
    documents, _ = encode(corpus, num_words=3, max_tokens=1, counted=np.array([1]))
    assert rows(documents) == [[2], [2]]  # b is the last known word of both


def test_ragged_rows():
    ragged = Ragged.of([[1, 2, 3], [], [4], [5, 6]])
    assert len(ragged) == 4
    assert ragged.lengths.tolist() == [3, 0, 1, 2]
    assert rows(ragged.take(np.array([3, 1, 0, 0]))) == [[5, 6], [], [1, 2, 3], [1, 2, 3]]
    assert rows(ragged.keep(ragged.flat % 2 == 0)) == [[2], [], [4], [6]]
    assert rows(ragged.last(2)) == [[2, 3], [], [4], [5, 6]]
    assert rows(Ragged.of([])) == []
    assert rows(ragged.take(np.array([], int))) == []
