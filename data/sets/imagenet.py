"""ImageNet (ILSVRC 2012), decoded while it is used."""

import os
from pathlib import Path

import torch

from data import facts
from data.errors import DataError
from data.files.image_folder import tell_if_incomplete
from data.splits.holdout import uniform
from data.splits.lazy import LazySplit
from data.splits.split import Splits
from data.splits.workers import usable_cores

FACTS = facts.FACTS["imagenet"]
PARTS = ("train", "val")
SUFFIXES = (".jpeg", ".jpg")


def load(
    root: Path,
    seed: int,
    download: bool,
    *,
    crop_size: int = FACTS.size,
    resize: int = 256,
    num_classes: int = FACTS.num_classes,
    workers: int | None = None,
) -> Splits:
    """Photographs of `imagenet/{train,val}/<wnid>/*.JPEG`: 1,281,167 / 25,000 / 25,000.

    The official validation images are split in halves by a seeded permutation: the first is the test split, the
    second the validation split. Training images: a random resized crop and a flip. Others: resized, then the centre.

    Source: `train.py` of the authors' code, whose split seed is 1.

    Args:
        root: the data root.
        seed: of the validation/test split.
        download: unused: ImageNet can only be had by registering.
        crop_size: height and width of the inputs.
        resize: shorter side of a validation or test image before its centre is cropped.
        num_classes: class folders there must be.
        workers: processes that decode; the batches are the same with any number. None takes one a core that this
            process may use, shared with the other processes of a torchrun on this machine, at most 16.

    Raises:
        DataError: missing folders.
        ValueError: sizes that do not fit.
    """
    if not 1 <= crop_size <= resize:
        raise ValueError(f"crop_size must lie in [1, resize], got crop_size {crop_size} and resize {resize}")
    if workers is None:
        workers = min(16, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if workers < 0:
        raise ValueError(f"workers must be >= 0, got {workers}")
    folder = root / "imagenet"
    for part in PARTS:
        if not (folder / part).is_dir():
            raise DataError(
                f"no imagenet in {root.absolute()}: looked for imagenet/{part}/<wnid>/*.JPEG; get the images from "
                f"https://image-net.org and put them at {folder.absolute() / part}, a folder a class"
            )
    classes = _classes(folder, num_classes)
    settings = {"mean": FACTS.mean, "std": FACTS.std, "crop_size": crop_size, "resize": resize, "workers": workers}
    paths, labels = _list(folder / "train", classes)
    held_out_paths, held_out_labels = _list(folder / "val", classes)
    tell_if_incomplete("imagenet", str(folder), len(labels), len(held_out_labels))
    val, test = uniform(len(held_out_labels), len(held_out_labels) // 2, seed)

    def held_out(index: torch.Tensor) -> LazySplit:
        chosen = [held_out_paths[i] for i in index]
        return LazySplit(chosen, held_out_labels[index], classes, folder, index=index, **settings)

    return Splits(LazySplit(paths, labels, classes, folder, **settings), held_out(val), held_out(test))


def _classes(folder: Path, num_classes: int) -> tuple[str, ...]:
    names = {part: {path.name for path in _entries(folder / part) if path.is_dir()} for part in PARTS}
    for part, found in names.items():
        if not found:
            raise DataError(
                f"{folder / part} has no class folders: sort its images into {part}/<wnid>/"
                + (", as the labels that come with them say" if part == "val" else "")
            )
    differing = sorted(names["train"] ^ names["val"])
    if differing:
        has, lacks = PARTS if differing[0] in names["train"] else PARTS[::-1]
        raise DataError(f"class folder {differing[0]!r} is in {folder / has} but not in {folder / lacks}")
    if len(names["train"]) != num_classes:
        raise DataError(f"expected {num_classes} class folders in {folder / 'train'}, found {len(names['train'])}")
    return tuple(sorted(names["train"]))


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, without the hidden entries that notebooks and macOS leave there."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _list(folder: Path, classes: tuple[str, ...]) -> tuple[list[str], torch.Tensor]:
    """Paths relative to the folder above `folder`, class after class, and labels [N] int64."""
    paths, labels = [], []
    for label, name in enumerate(classes):
        found = sorted(path.name for path in _entries(folder / name) if path.name.lower().endswith(SUFFIXES))
        if not found:
            raise DataError(f"no images ({', '.join(SUFFIXES)}) in {folder / name}")
        paths += [f"{folder.name}/{name}/{file}" for file in found]
        labels += [label] * len(found)
    return paths, torch.tensor(labels)


LOADERS = {"imagenet": load}
