"""Documents in the ids of a tiny WordPiece tokenizer."""

import numpy as np
import pytest
import torch

from data import DataError, load
from data.sets.newsgroups_files import GROUPS
from data.text.subwords import Subwords
from tests.support.corpora import CLS, OF, PAD, SEP, THE, TOPIC, UNK, VOCAB, write_newsgroups, write_tokenizer

SIZES = {"test_size": 20, "val_size": 10, "num_documents": 100}


@pytest.fixture
def tokenizer(tmp_path):
    return write_tokenizer(tmp_path / "tokenizer")


@pytest.fixture
def root(tmp_path):
    write_newsgroups(tmp_path / "data")
    return tmp_path / "data"


def test_documents_in_pieces(root, tokenizer):
    splits = load("newsgroups", root=root, tokenizer=tokenizer, **SIZES)
    assert [len(split) for split in splits] == [70, 10, 20]
    train = splits.train
    assert (train.pad_id, train.receptive_field, train.max_tokens) == (PAD, 0, 512)
    assert (train.vocab, train.vectors) == ((), None)
    assert train.note.startswith("tokenizer tokenizer, 20 ids, sha256 ")
    for i in range(len(train)):
        group, number = divmod(int(train.index[i]), 5)
        digits = [10 + int(digit) for digit in str(group)]
        expected = [CLS, *[THE, OF] * (number + 1), *[TOPIC, *digits] * 3, UNK, SEP]  # doc0x0 has no pieces: ##x
        assert train[i][0].tolist() == expected
        assert train.classes[train[i][1]] == GROUPS[group]


def test_the_first_tokens_are_kept_within_the_special_ones(root, tokenizer):
    train = load("newsgroups", root=root, tokenizer=tokenizer, max_tokens=4, **SIZES).train
    assert {tuple(train[i][0].tolist()) for i in range(len(train))} == {(CLS, THE, OF, SEP)}


def test_truncation_at_512(tokenizer):
    rows = Subwords(tokenizer, download=False, max_tokens=512).encode(["the " * 600, "the " * 510, "the", ""])
    assert rows.lengths.tolist() == [512, 512, 3, 2]
    assert rows[0].tolist() == [CLS, *[THE] * 510, SEP]


def test_the_cache_follows_the_tokenizer(root, tokenizer, tmp_path, monkeypatch):
    first = load("newsgroups", root=root, tokenizer=tokenizer, **SIZES).train
    with monkeypatch.context() as patch:
        patch.setattr(Subwords, "encode", None)
        again = load("newsgroups", root=root, tokenizer=tokenizer, **SIZES).train
    assert again.fingerprint == first.fingerprint
    VOCAB[5], VOCAB[6] = VOCAB[6], VOCAB[5]
    try:
        swapped = write_tokenizer(tmp_path / "swapped")
    finally:
        VOCAB[5], VOCAB[6] = VOCAB[6], VOCAB[5]
    other = load("newsgroups", root=root, tokenizer=swapped, **SIZES).train
    assert other[0][0][1:3].tolist() == [OF, THE]
    batch = next(first.eval_batches(4))
    assert batch.inputs.dtype == torch.int64
    assert (batch.inputs[:, 0] == CLS).all()
    assert np.array_equal(batch.index.numpy(), sorted(batch.index, key=lambda i: (-int(first.lengths[i]), int(i))))


def test_a_folder_without_a_tokenizer(root, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no tokenizer in .*empty: expected one of tokenizer\.json, vocab\.txt"):
        load("newsgroups", root=root, tokenizer=str(tmp_path / "empty"), **SIZES)
    (tmp_path / "empty" / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match=r"cannot load tokenizer '.*empty': ") as error:
        load("newsgroups", root=root, tokenizer=str(tmp_path / "empty"), **SIZES)
    assert "\n" not in str(error.value)


def test_a_name_that_is_not_here(root, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        DataError, match=r"cannot load tokenizer 'no-such/tokenizer': .*; give a local directory"
    ) as error:
        load("newsgroups", root=root, tokenizer="no-such/tokenizer", **SIZES)
    assert "\n" not in str(error.value)


def test_a_tokenizer_without_padding(root, tmp_path):
    write_tokenizer(tmp_path / "bare", pad="")
    with pytest.raises(DataError, match="has no padding token"):
        load("newsgroups", root=root, tokenizer=str(tmp_path / "bare"), **SIZES)


def test_no_room_for_words(root, tokenizer):
    with pytest.raises(ValueError, match="max_tokens must be above the tokenizer's 2 special tokens, got 2"):
        load("newsgroups", root=root, tokenizer=tokenizer, max_tokens=2, **SIZES)
