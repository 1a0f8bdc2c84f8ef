"""Tiny-ImageNet: 200 classes of 64x64 images, in the layout of its official zip."""

from pathlib import Path, PurePosixPath

import torch

from data.errors import DataError, fetch_command
from data.facts import FACTS
from data.files.download import fetch
from data.files.image_folder import Listing, list_images, read_images, tell_if_incomplete
from data.files.tree import FolderTree, Tree, ZipTree
from data.splits.arrays import ArraySplit
from data.splits.split import Splits

FOLDER = "tiny-imagenet-200"
URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
PLACES = ("images", "")  # below a class folder


def load(
    root: Path,
    seed: int,
    download: bool,
    *,
    val_from: int = 450,
    crop_padding: int = 4,
    flip: bool = True,
) -> Splits:
    """64x64 colour images: 90,000 / 10,000 / 10,000; the official validation images are the test split.

    Looked for below `root`: the folder `tiny-imagenet-200/`, then a zip `tiny-imagenet-200*.zip`. The layout is the
    official one; the images of train/<wnid>/images/ may lie in train/<wnid>/, and those of val/images/ may have been
    sorted into val/<wnid>/ (or val/<wnid>/images/) or val/images/<wnid>/. The validation
    split holds the training images whose number in their class (`<wnid>_<number>.JPEG`) is `val_from` or more.

    Source: data_utils/tiny_imagenet.py of the authors' code.

    Args:
        root: the data root.
        seed: unused: the images' names make the split.
        download: fetch the official zip if nothing is there.
        val_from: the smallest number of a held-out training image.
        crop_padding: zero pixels around a training image before the random crop; 0: no crop.
        flip: mirror training images with probability 1/2.

    Raises:
        DataError: missing or broken files.
        ValueError: `val_from` leaves no training or no validation images.
    """
    with _find_tree(root, download) as tree:
        classes = _classes(tree)
        listings = {
            "train": list_images(tree, "train", classes, below=PLACES),
            "test": _list_val(tree, classes),
        }
        tell_if_incomplete("tiny-imagenet", tree.where, *(len(listing.labels) for listing in listings.values()))
        arrays = read_images(tree, listings, size=FACTS["tiny-imagenet"].size, root=root, name="tiny-imagenet")
    images = torch.from_numpy(arrays["train"])
    labels = torch.tensor(listings["train"].labels)
    held_out = torch.tensor([_number(path) >= val_from for path in listings["train"].paths])
    train, val = (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]
    for part, size in (("training", len(train)), ("validation", len(val))):
        if not size:
            raise ValueError(f"val_from={val_from} leaves no {part} images among the {len(labels)}")
    scale = FACTS["tiny-imagenet"].mean, FACTS["tiny-imagenet"].std
    return Splits(
        ArraySplit(images[train], labels[train], classes, *scale, train, crop_padding, flip),
        ArraySplit(images[val], labels[val], classes, *scale, val),
        ArraySplit(torch.from_numpy(arrays["test"]), torch.tensor(listings["test"].labels), classes, *scale),
    )


def _number(path: str) -> int:
    """The number of a training image in its class."""
    number = PurePosixPath(path).stem.rpartition("_")[2]
    if not number.isdecimal():
        raise DataError(f"training image {path}: expected a name <wnid>_<number>")
    return int(number)


def _find_tree(root: Path, download: bool) -> Tree:
    if (root / FOLDER).is_dir():
        return FolderTree(root / FOLDER, ("wnids.txt", "train", "val"))
    if download and not any(root.glob(f"{FOLDER}*.zip")):
        fetch(URL, root / f"{FOLDER}.zip", MD5)
    zips = sorted(root.glob(f"{FOLDER}*.zip"))
    if not zips:
        raise DataError(
            f"no tiny-imagenet in {root.absolute()}: looked for {FOLDER}/ and {FOLDER}*.zip; "
            f"fetch it with: {fetch_command('tiny-imagenet', root)}"
        )
    return ZipTree(zips, strip=FOLDER)


def _classes(tree: Tree) -> tuple[str, ...]:
    """The WordNet ids of wnids.txt, sorted, which the folders of train/ must match."""
    classes = sorted(_read_text(tree, "wnids.txt").split())
    differing = sorted(set(classes) ^ set(tree.subfolders("train")))
    if differing:
        has, lacks = ("wnids.txt", "train/") if differing[0] in classes else ("train/", "wnids.txt")
        raise DataError(f"class {differing[0]!r} is in {has} but not in {lacks} of {tree.where}")
    return tuple(classes)


def _list_val(tree: Tree, classes: tuple[str, ...]) -> Listing:
    """The official validation images: sorted into class folders, as many scripts leave them, or as published."""
    for folder in ("val", "val/images"):
        if set(tree.subfolders(folder)) & set(classes):
            return list_images(tree, folder, classes, below=PLACES)
    return _list_annotated(tree, classes)


def _list_annotated(tree: Tree, classes: tuple[str, ...]) -> Listing:
    """The images of val/images with the labels of val/val_annotations.txt (name, class and box, tab-separated)."""
    label_of = {name: label for label, name in enumerate(classes)}
    paths, labels = [], []
    for number, line in enumerate(_read_text(tree, "val/val_annotations.txt").splitlines(), start=1):
        name, wnid, *_ = [*line.split("\t"), ""]
        path = f"val/images/{name}"
        if wnid not in label_of or path not in tree.files:
            reason = f"unknown class {wnid!r}" if wnid not in label_of else f"there is no {path}"
            raise DataError(f"val/val_annotations.txt line {number} in {tree.where}: {reason}")
        paths.append(path)
        labels.append(label_of[wnid])
    if not paths:
        raise DataError(f"val/val_annotations.txt in {tree.where} is empty")
    return Listing(paths, labels)


def _read_text(tree: Tree, path: str) -> str:
    if path not in tree.files:
        raise DataError(f"no {path} in {tree.where}")
    try:
        return tree.read(path).decode("ascii")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} in {tree.where} is not plain text") from error


LOADERS = {"tiny-imagenet": load}
