"""Word vectors: what is read, and the line of whatever is wrong."""

import numpy as np
import pytest

from data import DataError
from data.text import glove
from tests.support.corpora import write_vectors


def test_vectors_by_id(tmp_path):
    write_vectors(tmp_path / "v.txt", ["the 1 2.5 -3e-1", "été 4 5 6", "never 7 8 9"])
    matrix, found = glove.read(tmp_path / "v.txt", ("été", "missing", "the"))
    assert matrix.dtype == np.float32
    assert matrix.tolist() == np.float32([[0, 0, 0], [4, 5, 6], [0, 0, 0], [1, 2.5, -0.3]]).tolist()
    assert found.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a 1 2 3", "b 1 2"], "line 2: 2 numbers, expected 3"),
        (["a 1 2 3", "b 1 2 3", "unused 1 2 3 4"], "line 3: 4 numbers, expected 3"),
        (["a 1 2 3", "b 1 two 3"], "line 2: not a vector of numbers"),
        (["a 1 2 3", "unused 1 nan 3"], "line 2: not a vector of numbers"),
        (["a 1 2 3", "b 1 2.3.4 3"], r"line 2: could not convert string to float"),
        (["a 1 2 3", "b 1  3"], "line 2: could not convert"),
        (["a 1 2 3", "b 1 1e99 3"], "line 2: a number is too large"),
        (["a 1 2 3", ""], "line 2: 0 numbers, expected 3"),
        (["a 1 2 3", "two words 1 2"], "line 2: not a vector of numbers"),
        (["2 3", "a 1 2 3", "b 1 2"], "line 3: 2 numbers, expected 3"),
        (["3 3", "a 1 2 3", "b 1 2 3"], "holds 2 words, its header line says 3: truncated"),
        (["version https://git-lfs.github.com/spec/v1", "oid sha256:0", "size 1"], "is a Git LFS pointer"),
        (["a"], "line 1: expected a word and its vector"),
        ([], "is empty"),
    ],
)
def test_broken_files_are_named_with_the_line(tmp_path, lines, message):
    write_vectors(tmp_path / "v.txt", lines)
    with pytest.raises(DataError, match=message) as error:
        glove.read(tmp_path / "v.txt", ("a", "b"))
    assert "v.txt" in str(error.value)


@pytest.mark.parametrize("end", ["", " ", "\r", " \r"])
@pytest.mark.parametrize("header", [[], ["4 3"], ["4 3 "]])
def test_the_published_files_of_word2vec_glove_and_fasttext(tmp_path, header, end):
    lines = [f"{word} {vector}{end}" for word, vector in WORDS.items()]
    write_vectors(tmp_path / "v.txt", [*header, *lines])
    matrix, found = glove.read(tmp_path / "v.txt", ("cat", "at name@domain.com", ". . .", "7"))
    assert found.tolist() == [False, True, True, True, True]
    assert matrix[1:].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, 0.5, 1000]]


WORDS = {"cat": "1 2 3", "at name@domain.com": "4 5 6", ". . .": "7 8 9", "7": "-1 .5 1e3"}


def test_a_file_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_vectors(tmp_path / "v.txt")
    assert glove.find(tmp_path / "elsewhere", "~/v.txt") == tmp_path / "v.txt"


def test_which_file(tmp_path):
    with pytest.raises(
        DataError, match=r"no word vectors 'glove\.\*\.txt' in .*glove\.6B\.zip.*put its glove\.6B\.100d"
    ):
        glove.find(tmp_path, "glove.*.txt")
    write_vectors(tmp_path / "glove.a.txt")
    assert glove.find(tmp_path, "glove.*.txt").name == "glove.a.txt"
    write_vectors(tmp_path / "glove.b.txt")
    with pytest.raises(DataError, match=r"match 'glove\.\*\.txt': glove\.a\.txt, glove\.b\.txt; choose one"):
        glove.find(tmp_path, "glove.*.txt")
    write_vectors(tmp_path / "glove.6B.100d.txt")
    assert glove.find(tmp_path, "glove.*.txt").name == "glove.6B.100d.txt"
    assert glove.find(tmp_path, "glove.b.txt").name == "glove.b.txt"
    assert glove.find(tmp_path / "elsewhere", str(tmp_path / "glove.b.txt")).name == "glove.b.txt"
