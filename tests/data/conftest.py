"""Small data roots made of random images, and archives of them."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data.files.image_folder
from data import load
from tests.support.corpora import write_newsgroups, write_vectors

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(autouse=True)
def _no_data_root_of_the_user(monkeypatch):
    monkeypatch.delenv("ADAFOCAL_DATA", raising=False)


def write_image(path: Path, size: int, rng: np.random.Generator, mode: str = "RGB") -> np.ndarray:
    """Write a random image and return its pixels, [size, size, 3] (exact for PNG only)."""
    shape = (size, size, 3) if mode == "RGB" else (size, size)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def write_class_folders(root: Path, counts: dict[str, int], classes, size: int, suffix: str = "png") -> None:
    """Write `counts[part]` images a class at root/<part>/<class>/<i>.<suffix>."""
    rng = np.random.default_rng(0)
    for part, count in counts.items():
        for name in classes:
            for i in range(count):
                write_image(root / part / name / f"{i}.{suffix}", size, rng)


def zip_folder(folder: Path, archives: list[Path], prefix: str = "") -> None:
    """Deal the files below `folder` out to the archives in turn."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for k, archive in enumerate(archives):
        with zipfile.ZipFile(archive, "w") as file:
            for path in files[k :: len(archives)]:
                file.write(path, prefix + path.relative_to(folder).as_posix())


@pytest.fixture
def cifar_root(tmp_path):
    """A data root with 3 training and 2 test PNGs for each of CIFAR-10's classes, directly in it."""
    write_class_folders(tmp_path, {"train": 3, "test": 2}, CIFAR10_CLASSES, size=32)
    return tmp_path


@pytest.fixture
def decoded(monkeypatch):
    """The paths of the images that are decoded, in order."""
    paths = []
    decode = data.files.image_folder.decode

    def spy(tree, path, size):
        paths.append(path)
        return decode(tree, path, size)

    monkeypatch.setattr(data.files.image_folder, "decode", spy)
    return paths


def fingerprints(root, **options):
    return [split.fingerprint for split in load("cifar10", root=root, val_size=6, **options)]


def cache_files(root):
    return sorted((root / ".cache").glob("*.npz"))


SIZES = {"test_size": 20, "val_size": 10, "num_documents": 100}


@pytest.fixture
def root(tmp_path):
    """A data root with 100 documents in 20 groups, and vectors."""
    write_newsgroups(tmp_path)
    write_vectors(tmp_path / "glove.tiny.txt")
    return tmp_path
