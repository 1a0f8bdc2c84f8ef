"""20 Newsgroups out of a tiny corpus: what is found, cut, split and counted, and what is said of broken files."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch

from data import DATASETS, DataError, TokenSplit, load
from data.__main__ import main
from data.sets import newsgroups
from data.sets.newsgroups_files import GROUPS, text_of
from data.text.words import index_words
from tests.support.corpora import tar_folder, write_newsgroups, write_vectors

from .conftest import SIZES
from .test_download import server  # noqa: F401 (a fixture)


def test_sizes_groups_and_seeds(root):
    splits = load("newsgroups", root=root, seed=3, **SIZES)
    assert [len(split) for split in splits] == [70, 10, 20]
    assert splits.train.classes == GROUPS
    places = torch.cat([split.index for split in splits])
    assert places.sort().values.tolist() == list(range(100))  # disjoint, and nothing is lost
    order = np.random.RandomState(3).permutation(100)  # Kumar et al.'s order of the parts
    assert splits.test.index.tolist() == sorted(order[80:])
    assert splits.val.index.tolist() == sorted(order[70:80])
    for split in splits:
        assert isinstance(split, TokenSplit)
        assert (split.labels == split.index // 5).all()  # five documents a group, groups in their order
    again, other = load("newsgroups", root=root, seed=3, **SIZES), load("newsgroups", root=root, seed=4, **SIZES)
    assert [split.fingerprint for split in again] == [split.fingerprint for split in splits]
    assert all(a.fingerprint != b.fingerprint for a, b in zip(splits, other, strict=True))


@pytest.mark.parametrize("name", ["newsgroups", "newsgroups-bydate"])
def test_a_part_of_the_training_documents(tmp_path, name):
    if name == "newsgroups":
        write_newsgroups(tmp_path)
        options = SIZES
    else:
        write_newsgroups(tmp_path, folder="20news-bydate-train")
        write_newsgroups(tmp_path, 2, folder="20news-bydate-test")
        options = {"val_size": 10, "num_documents": 140}
    options = {**options, "vectors": None}
    whole, part = load(name, root=tmp_path, **options), load(name, root=tmp_path, train_size=30, **options)
    assert len(part.train) == 30
    assert set(part.train.index.tolist()) < set(whole.train.index.tolist())
    assert part.train.index.tolist() == sorted(part.train.index.tolist())
    for held_out in ("val", "test"):
        assert torch.equal(getattr(part, held_out).index, getattr(whole, held_out).index)
    smaller = load(name, root=tmp_path, train_size=20, **options).train
    assert set(smaller.index.tolist()) < set(part.train.index.tolist())
    assert load(name, root=tmp_path, seed=1, train_size=30, **options).train.index.tolist() != part.train.index.tolist()
    for size in (0, len(whole.train) + 1):
        with pytest.raises(ValueError, match=f"train_size must be from 1 to the {len(whole.train)} .* got {size}"):
            load(name, root=tmp_path, train_size=size, **options)


def test_documents_are_the_words_of_the_files_below_their_headers(root):
    train = load("newsgroups", root=root, **SIZES).train
    assert not {"from", "subject", "header", "words"} & set(train.vocab)
    for i in range(len(train)):
        group, number = divmod(int(train.index[i]), 5)
        text = ["the", "of"] * (number + 1) + [f"topic{group}"] * 3 + [f"doc{group}x{number}"]
        ids, label = train[i]
        assert label == group
        assert [train.vocab[j - 1] for j in ids] == text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"From: x\nSubject: y\n\nbody\n\nmore", "\n\nbody\n\nmore"),
        (b"From: x\r\n\r\nbody", "\n\nbody"),
        (b"no header at all", "no header at all"),
        (b"\n\nbody", "\n\nbody"),
        (b"From: x\n\n", "\n\n"),
        (b"", ""),
        (b"H: \xff\n\ncaf\xe9 \x80", "\n\ncafé \x80"),
    ],
)
def test_header_and_latin_1(content, text):
    assert text_of(content) == text


def test_the_split_is_that_of_the_code_behind_the_papers_numbers():
    """`NewsGroup/ng_loader.py` of branch `nlp` of focal_calibration, literally."""
    np.random.seed(1)  # noqa: NPY002
    indices = np.arange(19997)
    np.random.shuffle(indices)  # noqa: NPY002
    held_out = int(0.2 * 19997)
    train = indices[: -(held_out + 900)]
    val = indices[19997 - held_out - 900 : 19997 - held_out]
    test = indices[-held_out:]
    found = newsgroups.parts(19997, seed=1, test_size=3999, val_size=900)
    assert [len(found[part]) for part in ("train", "val", "test")] == [15098, 900, 3999]
    for part, expected in (("train", train), ("val", val), ("test", test)):
        assert found[part].tolist() == sorted(expected)


def test_vocabulary_is_counted_on_all_documents(root):
    held_out = load("newsgroups", root=root, **SIZES).test.index[0].item()
    path = sorted((root / "20_newsgroups").glob("*/*"), key=lambda path: (path.parent.name, path.name))[held_out]
    path.write_text(path.read_text() + "unheard " * 1000, encoding="latin-1")
    assert load("newsgroups", root=root, **SIZES).train.vocab[0] == "unheard"


def test_num_words_and_max_tokens(root):
    splits = load("newsgroups", root=root, num_words=3, max_tokens=3, **SIZES)
    assert splits.train.vocab == ("the", "of")
    documents = {tuple(splits.train[i][0].tolist()) for i in range(len(splits.train))}
    assert documents == {(2, 1, 2), (1, 2)}  # the last three words, or the only two


def test_empty_and_unknown_documents_are_kept(root):
    folder = root / "20_newsgroups"
    (folder / "sci.med" / "1000").write_text("")
    (folder / "sci.med" / "1001").write_text("H: x\n\n")
    (folder / "sci.med" / "1002").write_text("H: x\n\nunheardof")
    splits = load("newsgroups", root=root, num_words=3, **SIZES)
    ids = {int(split.index[i]): split[i][0].tolist() for split in splits for i in range(len(split))}
    first = 5 * GROUPS.index("sci.med")
    assert [ids[first + i] for i in range(4)] == [[0], [0], [0], [*[1, 2] * 4]]
    assert len(ids) == 100


def test_vectors_and_their_coverage(root):
    train = load("newsgroups", root=root, num_words=7, **SIZES).train
    assert train.vocab == ("the", "of", "topic0", "topic1", "topic2", "topic3")  # each topic's word comes 15 times
    assert train.vectors.dtype == torch.float32
    assert train.vectors[:3].tolist() == [[0, 0, 0], [1, 2, 3], [-1, 0.5, 0]]
    assert train.vectors[3:].tolist() == [[0, 0, 0]] * 3 + [torch.tensor([0.1, 0.2, 0.3]).tolist()]
    tokens = torch.cat([train[i][0] for i in range(len(train))]).tolist()
    covered = sum(train.vocab[i - 1] in {"the", "of", "topic3"} for i in tokens)
    assert train.note == (
        f"glove.tiny.txt, 3-d, covers 50.0 % of the vocabulary and "
        f"{100 * covered / len(tokens):.1f} % of the training tokens"
    )
    without = load("newsgroups", root=root, num_words=7, vectors=None, **SIZES).train
    assert without.vectors is None
    assert without.note == ""
    assert without.fingerprint != train.fingerprint


def test_coverage_by_hand(root):
    write_vectors(root / "glove.tiny.txt", ["the 1 2"])
    train = load("newsgroups", root=root, num_words=3, **SIZES).train
    assert train.note == "glove.tiny.txt, 2-d, covers 50.0 % of the vocabulary and 50.0 % of the training tokens"


def test_changed_vectors_are_read_again(root):
    first = load("newsgroups", root=root, **SIZES).train
    write_vectors(root / "glove.tiny.txt", ["the 1 2 4"])
    second = load("newsgroups", root=root, **SIZES).train
    assert second.vectors[second.vocab.index("the") + 1].tolist() == [1, 2, 4]
    assert second.fingerprint != first.fingerprint


def test_missing_vectors(root):
    (root / "glove.tiny.txt").unlink()
    with pytest.raises(DataError, match=r"no word vectors .*glove\.6B\.zip"):
        load("newsgroups", root=root, **SIZES)


@pytest.mark.parametrize(
    "archive", ["20_newsgroups.tar.gz", "20_newsgroups.tar.xz", "20news-19997.tar.gz", "news20.tar.gz"]
)
def test_archives_give_what_the_folder_gives(root, archive):
    expected = [split.fingerprint for split in load("newsgroups", root=root, **SIZES)]
    if archive == "news20.tar.gz":  # its folder has another name
        (root / "20_newsgroups").rename(root / "20_newsgroup")
    folder = "20_newsgroup" if archive == "news20.tar.gz" else "20_newsgroups"
    tar_folder(root, folder, root / archive, "w:xz" if archive.endswith("xz") else "w:gz")
    shutil.rmtree(root / folder)
    assert [split.fingerprint for split in load("newsgroups", root=root, **SIZES)] == expected
    assert not (root / folder).exists()


def test_the_cache_is_used_and_follows_the_files(root, monkeypatch):
    tar_folder(root, "20_newsgroups", root / "20_newsgroups.tar.gz")
    (root / "20_newsgroups" / "sci.med" / "1000").write_text("H: x\n\nof of of")
    calls = []
    monkeypatch.setattr("data.sets.newsgroups.index_words", lambda texts: calls.append(1) or index_words(texts))
    folder = load("newsgroups", root=root, **SIZES)
    assert load("newsgroups", root=root, **SIZES).train.fingerprint == folder.train.fingerprint
    load("newsgroups", root=root, num_words=3, max_tokens=2, seed=5, **SIZES)  # the options cost no reading
    assert len(calls) == 1
    shutil.rmtree(root / "20_newsgroups")
    archive = load("newsgroups", root=root, **SIZES)
    assert len(calls) == 2
    assert [s.fingerprint for s in archive] != [s.fingerprint for s in folder]
    for file in (root / ".cache").glob("*.npz"):
        with np.load(file, allow_pickle=False) as arrays:
            assert arrays.files


def test_the_whole_corpus_is_asked_for_unless_told_otherwise(root):
    with pytest.raises(DataError, match=r"holds 100 documents in 20 groups, expected 19,997 in 20: incomplete\?"):
        load("newsgroups", root=root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_size": 100}, "test_size must be at least 1 and below the 100"),
        ({"test_size": 60, "val_size": 40}, r"test_size \+ val_size must be at least 1 and below the 100"),
        ({"val_size": 0}, "val_size must be at least 1"),
        ({"test_size": 0}, "test_size must be at least 1"),
        ({"num_words": 1}, "num_words must be >= 2, padding and a word, got 1"),
        ({"max_tokens": 0}, "max_tokens must be >= 1, got 0"),
        ({"receptive_field": -1}, "receptive_field >= 0, got 1000 and -1"),
    ],
)
def test_options_out_of_range(root, options, message):
    with pytest.raises(ValueError, match=message):
        load("newsgroups", root=root, **SIZES | options)


def test_by_date(tmp_path):
    write_newsgroups(tmp_path, 6, "20news-bydate-train")
    write_newsgroups(tmp_path, 4, "20news-bydate-test")
    splits = load("newsgroups-bydate", root=tmp_path, val_size=30, num_documents=200, vectors=None)
    assert [len(split) for split in splits] == [90, 30, 80]
    assert torch.bincount(splits.test.labels).tolist() == [4] * 20
    assert not set(splits.train.index.tolist()) & set(splits.val.index.tolist())
    own_words = [word for word in splits.train.vocab if word.startswith("doc")]  # one a training document
    assert len(own_words) == len(splits.train)
    other = load("newsgroups-bydate", root=tmp_path, seed=1, val_size=30, num_documents=200, vectors=None)
    assert other.test.index.tolist() == splits.test.index.tolist()
    assert other.val.index.tolist() != splits.val.index.tolist()
    shutil.rmtree(tmp_path / "20news-bydate-test")
    with pytest.raises(DataError, match="holds no test documents"):
        load("newsgroups-bydate", root=tmp_path, val_size=30, num_documents=None, vectors=None)


def test_command(root, capsys, monkeypatch):
    monkeypatch.setitem(DATASETS, "newsgroups", partial(newsgroups.load, **SIZES))
    assert main(["newsgroups", "--data-root", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("train        70 documents of 6/")
    assert " tokens (quartiles) over " in lines[0]
    assert lines[3].startswith("glove.tiny.txt, 3-d, covers ")
