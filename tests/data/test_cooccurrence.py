"""Word vectors from co-occurrences: a literal count, hand-worked values, and the command that writes them."""

import math

import numpy as np
import pytest

from data import load
from data.cooccurrence import NORM, main, ppmi, word_vectors
from data.ragged import Ragged

from .corpora import write_newsgroups

DOCUMENTS = Ragged.of([[0, 1, 2, 1, 0], [3], [], [2, 3, 3, 1], [4]])


def literal_ppmi(rows, vocab_size, window):
    """Loops over every pair of tokens of every document."""
    counts = np.zeros((vocab_size, vocab_size))
    for row in rows:
        for i, word in enumerate(row):
            for j, other in enumerate(row):
                if 0 < abs(i - j) <= window:
                    counts[word, other] += 1 / abs(i - j)
    of_word = counts.sum(1)
    neighbour = of_word**0.75 / (of_word**0.75).sum()
    result = np.zeros_like(counts)
    for i, j in np.argwhere(counts):
        p_pair, p_word = counts[i, j] / counts.sum(), of_word[i] / counts.sum()
        result[i, j] = max(0.0, math.log(p_pair / (p_word * neighbour[j])))
    return result


@pytest.mark.parametrize("window", [1, 2, 5])
def test_as_counted_one_by_one(window):
    rows = [list(DOCUMENTS[i]) for i in range(len(DOCUMENTS))]
    found = ppmi(DOCUMENTS, 5, window).toarray()
    assert found == pytest.approx(literal_ppmi(rows, 5, window), abs=1e-12)
    assert not found[4].any()  # a word without neighbours


def test_by_hand():
    # "a b" alone: each is the other's only neighbour, P(a, b) = 1/2, P(a) = P(b) = 1/2: ln 2
    found = ppmi(Ragged.of([[0, 1]]), 2).toarray()
    assert found == pytest.approx(np.array([[0, math.log(2)], [math.log(2), 0]]))


def test_documents_are_not_neighbours_of_each_other():
    together, apart = Ragged.of([[0, 1], [2, 3]]), Ragged.of([[2, 3], [0, 1]])
    assert (ppmi(together, 4).toarray() == ppmi(apart, 4).toarray()).all()
    assert ppmi(together, 4)[1, 2] == 0


def test_vectors_carry_the_singular_values():
    """The columns of U S^0.5 have squared lengths S, up to the one scale of all vectors."""
    documents = Ragged.of([list(np.random.default_rng(0).integers(0, 30, 2000))])
    matrix = ppmi(documents, 30).toarray()
    vectors = word_vectors(documents, 30, 29)
    assert np.linalg.norm(vectors, axis=1).mean() == pytest.approx(NORM)
    values = np.linalg.svd(matrix, compute_uv=False)
    found = np.sort((vectors**2).sum(axis=0))[::-1]
    assert found / found[0] == pytest.approx(values[:29] / values[0], rel=1e-9)


def test_the_same_vectors_every_time():
    first = word_vectors(DOCUMENTS, 5, 2)
    assert (first == word_vectors(DOCUMENTS, 5, 2)).all()
    assert not first[4].any()


@pytest.mark.parametrize("dimension", [0, 5])
def test_dimensions_out_of_range_are_refused(dimension):
    with pytest.raises(ValueError, match=f"dimension must be from 1 to 4, one below the words, got {dimension}"):
        word_vectors(DOCUMENTS, 5, dimension)


def test_the_command_writes_a_file_that_the_data_set_reads(tmp_path, capsys, monkeypatch):
    total = write_newsgroups(tmp_path)
    sizes = {"num_documents": total, "test_size": 20, "val_size": 20}
    monkeypatch.setattr("data.cooccurrence.load", lambda *args, **kwargs: load(*args, **kwargs, **sizes))
    assert main(["newsgroups", "--data-root", str(tmp_path), "--dimension", "3"]) == 0
    path = tmp_path / "ppmi.newsgroups.3d.split0.txt"
    assert f"--set data_options.vectors={path.name}" in capsys.readouterr().out
    train = load("newsgroups", root=tmp_path, vectors=path.name, **sizes).train
    assert train.vectors.shape == (len(train.vocab) + 1, 3)
    assert not train.vectors[0].any()
    assert train.vectors[1:].any(dim=1).all()
    assert not list(tmp_path.glob("*.tmp"))
    before = path.read_bytes()
    assert main(["newsgroups", "--data-root", str(tmp_path), "--dimension", "3"]) == 0
    assert path.read_bytes() == before


def test_bad_input_gets_one_line(tmp_path, capsys):
    assert main(["newsgroups", "--data-root", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.glob("ppmi*"))
