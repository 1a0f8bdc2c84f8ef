"""Files of predictions: what is read, in which order of the classes, and what is said of files that are none."""

import contextlib
import gzip
import pickle
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.records import predictions
from tests.support.calibrators import planted

LOGITS, LABELS = planted(3.0, 40, 12, seed=0)


def table(**others) -> pd.DataFrame:
    return pd.DataFrame(LOGITS, columns=[f"c{k}" for k in range(12)]).assign(label=LABELS, **others)


def read_table(frame, path, said="", **options):
    """What is read of a CSV, which must be said to lack what `said` matches."""
    frame.to_csv(path, **{"index": False} | options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = predictions.read(path)
    assert [said in str(warning.message) for warning in caught] == ([True] if said else []), caught
    return found


def assert_all(found, logits=LOGITS, labels=LABELS):
    np.testing.assert_allclose(found.scores, logits)
    assert found.labels.tolist() == labels.tolist()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.csv"


def test_columns_that_are_no_class_are_left_out_with_a_word(path):
    assert_all(read_table(table(), path))
    assert_all(read_table(table(), path, "columns 'Unnamed: 0'", index=True))
    count = np.arange(40) + 1000
    assert_all(read_table(table(id=count), path, "columns 'id'"))
    assert_all(read_table(table(pred=LOGITS.argmax(1), split=["test"] * 40), path, "'pred', 'split'"))
    assert_all(read_table(table(patient=count), path, "columns 'patient'"))  # unlike those with numbers
    named = pd.DataFrame(LOGITS, columns=list("abcdefghijkl")).assign(label=LABELS)
    assert_all(read_table(named.assign(Prediction=LOGITS.argmax(1)), path, "columns 'Prediction'"))


def test_classes_go_in_the_order_of_their_numbers_or_of_the_file(path):
    order = np.random.default_rng(0).permutation(12)
    assert_all(read_table(table()[[f"c{k}" for k in order] + ["label"]], path))
    assert_all(read_table(table()[["label", *sorted(f"c{k}" for k in range(12))]], path))  # c0, c1, c10, c11, c2, ...
    assert_all(read_table(table().rename(columns=lambda name: name.lstrip("c")), path))
    from_one = {f"c{k}": f"class {k + 1}" for k in order}
    assert_all(read_table(table()[[f"c{k}" for k in order] + ["label"]].rename(columns=from_one), path))
    named = pd.DataFrame(LOGITS, columns=list("lkjihgfedcba")).assign(label=LABELS)
    assert_all(read_table(named, path))


def test_labels_by_name(path):
    names = np.array(list("lkjihgfedcba"))
    named = pd.DataFrame(LOGITS, columns=names).assign(label=names[LABELS])
    assert_all(read_table(named, path))
    renamed = named.rename(columns={"a": "id"}).replace({"label": {"a": "id"}})
    assert_all(read_table(renamed, path))  # a class may be called so
    with pytest.raises(
        ValueError, match=r"t\.csv: column 'label' is not of numbers, and no class column is called 'x'"
    ):
        read_table(named.replace({"label": {"a": "x"}}), path)


@pytest.mark.parametrize(
    "names",
    [
        ["n01443537", "n01629819", "n01641577", "n01644900"],  # WordNet's, of ImageNet
        ["G40", "G43", "other", "none"],
        ["T1", "T2", "N1", "N2"],
        ["NA", "None", "null", "nan"],
        ["class_1", "class_10", "class_2", "class_3"],
    ],
)
def test_labels_by_any_name(path, names):
    labels = LABELS % 4
    found = read_table(pd.DataFrame(LOGITS[:, :4], columns=names).assign(label=np.array(names)[labels]), path)
    assert_all(found, LOGITS[:, :4], labels)
    assert found.classes == tuple(names)


def test_a_column_beside_the_classes_of_named_labels_is_left_out(path):
    named = table(entropy=LOGITS.std(1)).assign(label=[f"c{k}" for k in LABELS])
    assert_all(read_table(named, path, "columns 'entropy'"))
    ours = named[["entropy", *sorted(named.columns.drop(["entropy", "label"])), "label"]]  # c0, c1, c10, ...
    found = read_table(ours, path, "columns 'entropy'")
    assert_all(found.in_order_of(read_table(table(), path)))


def test_labels_by_number_of_classes_whose_names_hold_numbers(path):
    names = ["n01443537", "n01629819", "n01641577"]
    numbered = pd.DataFrame(LOGITS[:, :3], columns=names).assign(label=LABELS % 3)
    assert_all(read_table(numbered, path), LOGITS[:, :3], LABELS % 3)
    with pytest.raises(
        ValueError, match=r"'n\.\.\.' are not in the order of their numbers: give their names as labels"
    ):
        read_table(numbered[[*names[::-1], "label"]], path)


@pytest.mark.parametrize("name", ["class_{}", "c{:02}"])
def test_labels_that_may_begin_at_one_are_refused(path, name):
    names = [name.format(k) for k in (1, 2, 3)]
    table = pd.DataFrame(LOGITS[:, :3], columns=names)
    assert_all(read_table(table.assign(label=LABELS % 3), path), LOGITS[:, :3], LABELS % 3)
    with pytest.raises(ValueError, match="no label is 0 or 3: whether labels begin at 0 or at 1 cannot be told"):
        read_table(table.assign(label=1 + LABELS % 2), path)
    by_name = np.array(names)[1 + LABELS % 2]
    assert_all(read_table(table.assign(label=by_name), path), LOGITS[:, :3], 1 + LABELS % 2)


def test_probabilities_that_are_called_logits_are_mentioned(path):
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    frame = pd.DataFrame(p, columns=[f"c{k}" for k in range(12)]).assign(label=LABELS)
    assert_all(read_table(frame, path, "look like probabilities"), p)


def test_classes_are_brought_into_the_order_of_another_file(tmp_path):
    order, names = np.random.default_rng(0).permutation(12), np.array([f"{k}th" for k in range(12)])
    ours = read_table(pd.DataFrame(LOGITS, columns=names).assign(label=LABELS), tmp_path / "ours.csv")
    shuffled = pd.DataFrame(LOGITS[:, order], columns=names[order])
    for labels in (np.argsort(order)[LABELS], names[LABELS]):  # numbers, and names
        assert_all(read_table(shuffled.assign(label=labels), tmp_path / "theirs.csv").in_order_of(ours))
    others = read_table(shuffled.rename(columns={"3th": "third"}).assign(label=LABELS), tmp_path / "others.csv")
    with pytest.raises(ValueError, match="no class column is called '3th'"):
        others.in_order_of(ours)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(label=[pd.NA, *LABELS[1:]]), "row 1 has no label"),
        (lambda t: t.drop(columns="c3"), "column 'c3' is missing before 'c4'"),
        (lambda t: t.assign(**{f"p{k}": 0.5 for k in range(12)}), r"columns 'c\.\.\.', 'p\.\.\.' could all be"),
        (lambda t: t[["label"]], "no column of a class"),
        (lambda t: t.assign(c3="x"), "column 'c3' is not of numbers"),
        (lambda t: t.drop(columns="label"), "no column 'label': it has c0, c1"),
        (
            lambda t: t.rename(columns={f"c{k}": f"{chr(97 + k)}" for k in range(12)}).assign(patient=range(5, 45)),
            "column 'patient' has nothing but whole numbers, unlike others",
        ),
    ],
)
def test_columns_that_nobody_can_tell_are_refused_by_name(path, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_table(change(table()), path)
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_separators_and_compression(tmp_path):
    assert_all(read_table(table(), tmp_path / "t.tsv", sep="\t"))
    assert_all(read_table(table(), tmp_path / "t.csv", sep=";"))
    assert_all(read_table(table(), tmp_path / "t.csv", sep=";", decimal=","))
    assert_all(read_table(table(), tmp_path / "t.csv.gz"))
    assert_all(read_table(table(), tmp_path / "T.TSV.GZ", sep="\t"))
    assert_all(read_table(table(), tmp_path / "t.csv", encoding="utf-8-sig"))


def test_one_column_of_two_classes(tmp_path, path):
    rng = np.random.default_rng(0)
    labels, z = rng.integers(0, 2, 30), rng.normal(size=30)
    p = 1 / (1 + np.exp(-z))
    for name, scores, probabilities, expected in (
        ("logits", z, False, np.stack([0 * z, z], axis=1)),
        ("logits", z[:, None], False, np.stack([0 * z, z], axis=1)),
        ("probabilities", p[:, None], True, np.stack([1 - p, p], axis=1)),
    ):
        np.savez(tmp_path / "p.npz", **{name: scores}, labels=labels)
        with pytest.warns(UserWarning, match=f"one column of {name}: taken as those of class 1 of two"):
            assert_all(predictions.read(tmp_path / "p.npz", probabilities=probabilities), expected, labels)
    frame = pd.DataFrame({"z": z, "label": labels})
    assert_all(read_table(frame, path, "one column of logits"), np.stack([0 * z, z], axis=1), labels)
    np.savez(tmp_path / "p.npz", probabilities=2 * p, labels=labels)
    with pytest.raises(ValueError, match="probabilities must be"), pytest.warns(UserWarning, match="one column"):
        predictions.read(tmp_path / "p.npz", probabilities=True)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 482123\n"
FOREIGN = {
    "a pointer": ("p.npz", POINTER, "is a Git LFS pointer.*git lfs pull"),
    "a pointer to a table": ("p.csv", POINTER, "is a Git LFS pointer"),
    "a pickle": (
        "p.pkl",
        pickle.dumps((LOGITS, LABELS)),
        r"is a pickle.*save its arrays as an \.npz with numpy\.savez",
    ),
    "a pickle by another name": ("p.npz", pickle.dumps((LOGITS, LABELS)), "is a pickle"),
    "a compressed pickle": ("p.pkl.gz", gzip.compress(pickle.dumps(LOGITS)), "is compressed by gzip"),
    "HDF5": ("p.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file"),
    "Parquet": ("p.parquet", b"PAR1" + bytes(99), "is a Parquet file"),
    "a web page": ("p.npz", b"<!DOCTYPE html><html>", "is a web page"),
    "a web page for a table": ("p.csv", b"<!doctype html><html>", "is a web page"),
    "a text": ("p.txt", b"1 2 3\n", r"neither an \.npz with logits and labels nor called \.csv"),
    "half an archive": ("p.npz", b"PK\x03\x04" + bytes(99), "is a damaged zip archive"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_files_that_are_something_else(tmp_path, kind):
    name, content, message = FOREIGN[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        predictions.read(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "allow_pickle" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_torch(tmp_path, zipped):
    content = {"logits": torch.tensor(LOGITS), "labels": torch.tensor(LABELS)}
    torch.save(content, tmp_path / "p.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"p\.pt: the file is a file of torch\.save: load it with torch\.load"):
        predictions.read(tmp_path / "p.pt")


def test_a_spreadsheet(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(ValueError, match="is an Excel sheet: save it as CSV"):
        predictions.read(tmp_path / "p.xlsx")


def test_a_record_of_another_library_is_told_which_arrays_are_wanted(tmp_path):
    np.savez(tmp_path / "netcal.npz", ground_truth=LABELS, predictions=LOGITS)
    with pytest.raises(
        ValueError, match=r"no array 'logits': it has ground_truth, predictions; wanted are 'logits' \[N, K"
    ):
        predictions.read(tmp_path / "netcal.npz")
    np.savez(tmp_path / "objects.npz", logits=np.array([{}, {}], dtype=object), labels=LABELS)
    with pytest.raises(ValueError, match="logits or labels holds Python objects, a pickle: save arrays of numbers"):
        predictions.read(tmp_path / "objects.npz")


def test_every_damaged_byte_is_read_or_refused(tmp_path):
    np.savez(tmp_path / "p.npz", test_logits=LOGITS, test_labels=LABELS)
    whole = (tmp_path / "p.npz").read_bytes()
    for place in range(0, len(whole), 97):
        content = bytearray(whole)
        content[place] ^= 0x55
        (tmp_path / "damaged.npz").write_bytes(content)
        with contextlib.suppress(ValueError):
            predictions.read(tmp_path / "damaged.npz", "test")


def test_an_array_that_claims_to_fill_the_memory_is_refused(tmp_path):
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 10), }"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        for name in ("test_logits.npy", "test_labels.npy"):
            archive.writestr(name, header + text.ljust(117).encode() + b"\n")
    with pytest.raises(ValueError, match=r"huge.npz: Unable to allocate"):
        predictions.read(tmp_path / "huge.npz", "test")
