"""Images in a folder a class: which there are, and their pixels."""

import hashlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from data.errors import DataError
from data.facts import FACTS
from data.files.cache import cached
from data.files.pixels import as_mode, why_not
from data.files.tree import Tree

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


class Listing(NamedTuple):
    """The images of one part of a dataset: their paths in the tree and their labels, class after class."""

    paths: list[str]
    labels: list[int]


def class_folders(tree: Tree, parts: tuple[str, ...], num_classes: int | None = None) -> tuple[str, ...]:
    """Sorted names of the class folders, which must be the same in every part.

    Args:
        tree: where to look.
        parts: folders that hold the class folders, e.g. ("train", "test").
        num_classes: how many there must be; None takes any number.

    Raises:
        DataError: naming a part that is not there, a class folder that a part lacks, or the wrong number of them.
    """
    first, *others = parts
    for part in parts:
        if part not in tree.folders:
            raise DataError(f"there is no {part}/ in {tree.where}")
    names = tree.subfolders(first)
    for part in others:
        differing = sorted(set(names) ^ set(tree.subfolders(part)))
        if differing:
            has, lacks = (first, part) if differing[0] in names else (part, first)
            raise DataError(f"class folder {differing[0]!r} is in {has}/ but not in {lacks}/ of {tree.where}")
    if not names or (num_classes is not None and len(names) != num_classes):
        expected = num_classes or "at least one"
        raise DataError(f"expected {expected} class folders in {first}/ of {tree.where}, found {len(names)}")
    return tuple(names)


def tell_if_incomplete(name: str, where: str, training: int, held_out: int) -> None:
    """Warn where a dataset has other numbers of images than its publishers'; an excerpt may be meant."""
    for what, found, expected in zip(("training", "held-out"), (training, held_out), FACTS[name].images, strict=True):
        if found != expected:
            warnings.warn(f"{where} holds {found:,} {what} images, {FACTS[name].label} has {expected:,}: an excerpt?")


def list_images(tree: Tree, part: str, classes: tuple[str, ...], below: tuple[str, ...] = ("",)) -> Listing:
    """The images of `part`/<class>/`below`, by class and then by name; of several places below, the first with images.

    Raises:
        DataError: naming a class without images.
    """
    by_folder: dict[str, list[str]] = {}
    for path in tree.files:
        if path.lower().endswith(SUFFIXES):
            by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    paths, labels = [], []
    for label, name in enumerate(classes):
        folders = ["/".join(filter(None, (part, name, place))) for place in below]
        found = sorted(next((by_folder[folder] for folder in folders if folder in by_folder), []))
        if not found:
            raise DataError(f"no images ({', '.join(SUFFIXES)}) in {folders[0]}/ of {tree.where}")
        paths += found
        labels += [label] * len(found)
    return Listing(paths, labels)


def read_images(tree: Tree, listings: dict[str, Listing], size: int, root: Path, name: str) -> dict[str, np.ndarray]:
    """All images of some listings, out of the cache if the files are still those it was made from.

    Args:
        tree: holds the files.
        listings: the parts to read.
        size: height and width that every image must have.
        root: the data root, below which the cache lies.
        name: the dataset.

    Returns:
        For every part, uint8 [N, 3, size, size]; grey images are repeated over the channels.

    Raises:
        DataError: naming an image that cannot be read or has another size.
    """
    digest = hashlib.sha256(f"{name} {size}\n".encode())
    for part, listing in listings.items():
        for path in listing.paths:
            digest.update(f"{part}\0{path}\0{tree.files[path]}\n".encode())

    def decode_all() -> dict[str, np.ndarray]:
        arrays = {}
        for part, listing in listings.items():
            arrays[part] = np.empty((len(listing.paths), 3, size, size), np.uint8)
            progress = tqdm(listing.paths, desc=f"decoding {name} {part}", unit="image", disable=None)
            for i, path in enumerate(progress):
                arrays[part][i] = decode(tree, path, size)
        return arrays

    return cached(root, name, digest.hexdigest(), decode_all)


def decode(tree: Tree, path: str, size: int) -> np.ndarray:
    """One image as uint8 [3, size, size]; raises DataError naming it if it is broken or of another size."""
    content = tree.read(path)
    try:
        with Image.open(io.BytesIO(content)) as image:
            found = image.size  # known from the header: a huge image is refused before its pixels are decoded
            pixels = np.asarray(as_mode(image, "RGB")) if found == (size, size) else None
    except Exception as error:  # Pillow's decoders raise whatever a broken file drives them into
        raise DataError(f"cannot decode image {path} in {tree.where}: {why_not(error, content)}") from error
    if pixels is None:
        raise DataError(f"image {path} in {tree.where} is {found[0]}x{found[1]}, expected {size}x{size}")
    return pixels.transpose(2, 0, 1)
