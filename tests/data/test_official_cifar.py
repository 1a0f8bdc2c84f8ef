"""CIFAR out of the official files: checked before they are unpacked, and again before they are unpickled."""

import hashlib
import io
import os
import pickle
import tarfile

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from data import DataError, load

from .conftest import write_class_folders


@pytest.fixture(params=[CIFAR10, CIFAR100])
def official(request, tmp_path, monkeypatch):
    """A root with a small official archive of either dataset, and torchvision's checksums made to fit."""
    source, fine = request.param, request.param is CIFAR100
    rng = np.random.default_rng(0)
    num_classes = 100 if fine else 10
    names = [f"class {i}" for i in range(num_classes)]
    files = {}
    for name, _ in [*source.train_list, *source.test_list]:
        labels = [i % num_classes for i in range(20)]
        pixels = rng.integers(0, 256, (20, 3072), dtype=np.uint8)
        files[name] = pickle.dumps({"data": pixels, "fine_labels" if fine else "labels": labels})
    files[source.meta["filename"]] = pickle.dumps({source.meta["key"]: names})
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    with tarfile.open(tmp_path / source.filename, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{source.base_folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    for table in ("train_list", "test_list"):
        monkeypatch.setattr(source, table, [[name, md5[name]] for name, _ in getattr(source, table)])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": md5[source.meta["filename"]]})
    monkeypatch.setattr(source, "tgz_md5", hashlib.md5((tmp_path / source.filename).read_bytes()).hexdigest())
    return "cifar100" if fine else "cifar10", tmp_path, source


def test_official_archive(official):
    name, root, source = official
    splits = load(name, root=root, val_size=4)
    num_train = 20 * len(source.train_list)
    assert [len(split) for split in splits] == [num_train - 4, 4, 20]
    reference = source(root, train=False)
    assert splits.test.labels.tolist() == reference.targets
    assert np.array_equal(splits.test.images.permute(0, 2, 3, 1).numpy(), reference.data)
    assert splits.test.classes == tuple(reference.classes)
    (root / source.filename).unlink()
    again = load(name, root=root, val_size=4)  # out of the folder now
    assert [split.fingerprint for split in again] == [split.fingerprint for split in splits]


def test_official_files_come_before_folders(official):
    name, root, _ = official
    write_class_folders(root, {"train": 1, "test": 1}, ["only one"], size=32)
    assert len(load(name, root=root, val_size=4).test) == 20


def test_damaged_official_archive_is_not_unpacked(official):
    name, root, source = official
    os.truncate(root / source.filename, 1000)
    with pytest.raises(DataError, match=f"{source.filename} has a wrong MD5"):
        load(name, root=root)
    assert [path.name for path in root.iterdir()] == [source.filename]


def test_tampered_official_file_is_not_unpickled(official):
    name, root, source = official
    load(name, root=root, val_size=4)
    first = source.train_list[0][0]
    (root / source.base_folder / first).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(DataError, match=f"{first} has a wrong MD5"):
        load(name, root=root)
    (root / source.base_folder / first).unlink()
    with pytest.raises(DataError, match=f"{first} is missing"):
        load(name, root=root)


def test_hostile_official_archive_writes_nothing_outside(official, monkeypatch):
    name, root, source = official
    with tarfile.open(root / source.filename, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../evil"), None)
    monkeypatch.setattr(source, "tgz_md5", hashlib.md5((root / source.filename).read_bytes()).hexdigest())
    with pytest.raises(DataError, match=r"member '../evil' points outside"):
        load(name, root=root)
    assert not (root / "evil").exists()
    assert not (root.parent / "evil").exists()
