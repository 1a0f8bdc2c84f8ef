"""CIFAR-10 and CIFAR-100, from the official files, folders of images, or zips of such folders."""

import re
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from data.errors import DataError, fetch_command
from data.facts import FACTS
from data.files.image_folder import class_folders, list_images, read_images, tell_if_incomplete
from data.files.tree import FolderTree, Tree, ZipTree
from data.sets import official_cifar
from data.splits.arrays import ArraySplit
from data.splits.holdout import uniform
from data.splits.split import Splits

PARTS = ("train", "test")


SOURCES = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}  # torchvision's classes of the official files


def load(
    name: str,
    root: Path,
    seed: int,
    download: bool,
    *,
    train_size: int | None = None,
    val_size: int = 5000,
    crop_padding: int = 4,
    flip: bool = True,
) -> Splits:
    """32x32 colour images: 45,000 / 5,000 / 10,000.

    Looked for below `root`, in this order: the official folder or tar.gz; `<name>/train/<class>/*.png` (or webp,
    jpg, jpeg) with `<name>/test/...`, or the same without `<name>/`; zips `<name>*.zip` that together hold these
    folders. Sorted class folders give the official label order. Folders do not keep the official sample order, so
    there the same seed holds out other images than over the official files.

    Args:
        name: "cifar10" or "cifar100".
        root: the data root.
        seed: of the train/val split.
        download: fetch the official archive if nothing is there.
        train_size: of the training images that are not held out, so many, uniformly; None: all.
        val_size: training images held out, uniformly.
        crop_padding: zero pixels around a training image before the random crop; 0: no crop.
        flip: mirror training images with probability 1/2.

    Raises:
        DataError: missing or broken files.
        ValueError: `val_size` not below the number of training images, or `train_size` above what it leaves.
    """
    parts, classes = _read(name, root, download)
    images, labels = parts["train"]
    train, val = uniform(len(labels), val_size, seed, train_size)
    scale = FACTS[name].mean, FACTS[name].std
    return Splits(
        ArraySplit(images[train], labels[train], classes, *scale, train, crop_padding, flip),
        ArraySplit(images[val], labels[val], classes, *scale, val),
        ArraySplit(*parts["test"], classes, *scale),
    )


def _read(name: str, root: Path, download: bool) -> tuple[dict[str, tuple[Tensor, Tensor]], tuple[str, ...]]:
    """{"train": (images [N, 3, 32, 32] uint8, labels [N] int64), "test": ...} and the class names."""
    from torchvision import datasets  # takes two seconds to import, and texts and digits need none of it

    source, num_classes = getattr(datasets, SOURCES[name]), FACTS[name].num_classes
    if official_cifar.find(root, source):
        return official_cifar.read(root, source)
    with ExitStack() as stack:
        tree = _find_tree(root, name)
        if tree is not None:
            stack.enter_context(tree)
            return _read_tree(tree, root, name, num_classes)
    if download:
        official_cifar.download(root, source)
        return official_cifar.read(root, source)
    raise DataError(
        f"no {name} in {root.absolute()}: looked for {source.base_folder}/, {source.filename}, {name}/train/, train/ "
        f"and {name}*.zip; fetch it with: {fetch_command(name, root)}"
    )


def _find_tree(root: Path, name: str) -> Tree | None:
    for folder in (root / name, root):
        if any((folder / part).is_dir() for part in PARTS) and not (folder == root and _is_the_other(root, name)):
            return FolderTree(folder, PARTS)
    # cifar10*.zip, but not cifar100.zip
    zips = sorted(path for path in root.glob("*.zip") if re.match(rf"{name}(?!\d)", path.name))
    return ZipTree(zips, strip=name) if zips else None


def _is_the_other(root: Path, name: str) -> bool:
    """Whether root/train, which bears no dataset's name, has exactly the other dataset's number of classes."""
    folders = [path for path in (root / "train").glob("[!.]*") if path.is_dir()]
    return any(len(folders) == FACTS[other].num_classes for other in SOURCES if other != name)


def _read_tree(tree: Tree, root: Path, name: str, num_classes: int) -> tuple[dict, tuple[str, ...]]:
    classes = class_folders(tree, PARTS, num_classes)
    listings = {part: list_images(tree, part, classes) for part in PARTS}
    tell_if_incomplete(name, tree.where, *(len(listings[part].labels) for part in PARTS))
    arrays = read_images(tree, listings, size=32, root=root, name=name)
    parts = {part: (torch.from_numpy(arrays[part]), torch.tensor(listings[part].labels)) for part in PARTS}
    return parts, classes


LOADERS = {name: partial(load, name) for name in ("cifar10", "cifar100")}
