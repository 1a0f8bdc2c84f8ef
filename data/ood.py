"""Out-of-distribution images, in the form of the in-distribution dataset: `load_ood("svhn", "cifar10")`.

A new set is a function and one line in `OOD`.
"""

import hashlib
import os
from collections.abc import Callable, Sized
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import tqdm

from data.errors import DataError
from data.facts import FACTS, Facts
from data.files.download import fetch
from data.files.foreign import told, truncated
from data.files.image_folder import SUFFIXES
from data.files.pixels import as_mode, why_not
from data.files.tree import FolderTree
from data.registry import data_root, load
from data.splits.arrays import ArraySplit
from data.splits.holdout import check_seed
from data.splits.lazy import LazySplit
from data.splits.split import Split

SVHN_FILE = "test_32x32.mat"
SVHN_URL = f"http://ufldl.stanford.edu/housenumbers/{SVHN_FILE}"
SVHN_MD5 = "eb5a983be6a315427106f1b164d9cef3"
CIFAR10_C_FILE = "CIFAR-10-C/gaussian_noise.npy"
CIFAR10_C_SIZE = 50_000  # 10,000 images at each of five severities
CIFAR10_C_SIGMAS = (0.04, 0.06, 0.08, 0.09, 0.10)  # of "gaussian_noise" for CIFAR by severity; full scale is 1
NUM_PHOTOS = 1000
MIN_PATCH = 32  # pixels; below, a patch of a photograph is nearly a plain grey
DIGITS_SIGMAS = (0.2, 0.4, 0.6, 0.8, 1.0)  # ours: the digits have 0.3 already
CLASSES = ("out-of-distribution",)


class Request(NamedTuple):
    """What a loader is given."""

    dataset: str  # the in-distribution one
    root: Path
    seed: int  # of whatever it draws
    download: bool
    in_test: Callable[[], ArraySplit]  # gives the in-distribution test split


class Loader(NamedTuple):
    """One set.

    Attributes:
        read: gives images [N, C, H, W] uint8 in the form of each of `fits`, and a note on their source.
        fits: the in-distribution datasets.
        shifted: whether they are the test images in their order, so that their labels are known.
    """

    read: Callable[[Request], tuple[Tensor, str]]
    fits: tuple[str, ...]
    shifted: bool = False


def _svhn(request: Request) -> tuple[Tensor, str]:
    """The 26,032 test images of Street View House Numbers (Netzer et al. 2011)."""
    from scipy.io import loadmat

    places = [request.root / "svhn" / SVHN_FILE, request.root / SVHN_FILE]
    path = next((place for place in places if place.exists()), places[0])
    if not path.exists():
        if not request.download:
            raise DataError(
                f"no svhn in {request.root.absolute()}: fetch {SVHN_URL} (MD5 {SVHN_MD5}) and put it at "
                f"{path.absolute()}, or allow the download"
            )
        fetch(SVHN_URL, path, SVHN_MD5)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != SVHN_MD5:
        raise DataError(
            f"{path} has a wrong MD5 (expected {SVHN_MD5}): {truncated(path)} remove it and fetch {SVHN_URL}"
        )
    try:
        pixels = loadmat(path, variable_names=["X"])["X"]  # [32, 32, 3, N]
    except Exception as error:  # SciPy's reader raises whatever a broken file drives it into
        raise DataError(f"{path} is no MATLAB file with an array X: {type(error).__name__}") from error
    if pixels.dtype != np.uint8 or pixels.shape[:3] != (32, 32, 3):
        raise DataError(f"{path}: X must be uint8 [32, 32, 3, N], got {pixels.dtype} {list(pixels.shape)}")
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 2, 0, 1))), "SVHN test images"


def _cifar10_c(request: Request, severity: int = 5, in_order: bool = False) -> tuple[Tensor, str]:
    """CIFAR-10's test images with Gaussian noise of a severity: the official file, else by its published formula.

    With `in_order` they are the test split's images, each at its place, so that its labels are theirs.
    """
    path = request.root / CIFAR10_C_FILE
    if not path.exists():
        return _noisy(request, CIFAR10_C_SIGMAS[severity - 1])
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        what = told(path) or "is truncated or no array file"
        raise DataError(f"{path} {what}: remove it and fetch it again ({error})") from error
    if not isinstance(pixels, np.ndarray):
        raise DataError(f"{path} is an archive, not an array file: remove it and fetch it again")
    shape = (CIFAR10_C_SIZE, 32, 32, 3)
    if pixels.dtype != np.uint8 or pixels.shape != shape:
        raise DataError(f"{path} must be uint8 {list(shape)}, got {pixels.dtype} {list(pixels.shape)}")
    each = CIFAR10_C_SIZE // len(CIFAR10_C_SIGMAS)  # the severities come one after the other, in rising order
    part = np.array(pixels[(severity - 1) * each : severity * each])
    images = torch.from_numpy(part).permute(0, 3, 1, 2).contiguous()
    if in_order and not _same_order(images, request.in_test().images.cpu()):
        images, note = _noisy(request, CIFAR10_C_SIGMAS[severity - 1])
        return images, f"{note}; {CIFAR10_C_FILE} has other test images, or these in another order"
    return images, f"official {CIFAR10_C_FILE}, severity {severity}"


def _same_order(noisy: Tensor, images: Tensor) -> bool:
    """Whether each noisy image is the image at its place: noise moves pixels by at most 20 levels, another image 60."""
    if len(noisy) != len(images):
        return False
    apart = (noisy[::10].short() - images[::10].short()).abs().flatten(1).double().mean(dim=1)
    return bool(apart.median() < 40)


def _noisy(request: Request, sigma: float) -> tuple[Tensor, str]:
    note = f"generated: test images + N(0, {sigma:.2f}), clipped, seed {request.seed}"
    return add_noise(request.in_test().images.cpu(), sigma, request.seed), note


def add_noise(images: Tensor, sigma: float, seed: int) -> Tensor:
    """Images [N, C, H, W] uint8 with Gaussian noise, as `gaussian_noise` of CIFAR-10-C makes it.

    Pixels are scaled to [0, 1], get independent noise of standard deviation `sigma` and are clipped to [0, 1]. They are
    then scaled to 255 and cut down, not rounded, to uint8: a pixel inside the range loses half a level on average.

    Source: Hendrycks & Dietterich 2019 and the code published with it, `make_cifar_c.py`.
    """
    rng = np.random.default_rng(seed)
    noisy = torch.empty_like(images)
    for part, out in zip(images.split(1000), noisy.split(1000), strict=True):  # float64 of all would be 0.7 GB
        pixels = part.numpy() / 255 + sigma * rng.standard_normal(tuple(part.shape))
        out.copy_(torch.from_numpy((pixels.clip(0, 1) * 255).astype(np.uint8)))
    return noisy


def _photos(request: Request) -> tuple[Tensor, str]:
    """Random square patches of scikit-learn's two photographs, grey, shrunk to the digits' 8x8."""
    from sklearn.datasets import load_sample_images

    photos = [Image.fromarray(pixels).convert("L") for pixels in load_sample_images().images]
    rng, size = np.random.default_rng(request.seed), FACTS["digits"].size
    patches = np.empty((NUM_PHOTOS, 1, size, size), np.uint8)
    for patch in patches:
        photo = photos[rng.integers(len(photos))]
        side = int(rng.integers(MIN_PATCH, min(photo.size) // 2, endpoint=True))
        left, top = (int(rng.integers(length - side, endpoint=True)) for length in photo.size)
        patch[0] = photo.resize((size, size), Image.Resampling.BOX, (left, top, left + side, top + side))
    return torch.from_numpy(patches), f"patches of scikit-learn's sample photographs, seed {request.seed}"


def _shift(severity: int) -> Loader:
    """The test images with Gaussian noise of one of five severities."""

    def read(request: Request) -> tuple[Tensor, str]:
        if request.dataset == "digits":
            return _noisy(request, DIGITS_SIGMAS[severity - 1])
        return _cifar10_c(request, severity, in_order=True)

    return Loader(read, ("cifar10", "digits"), shifted=True)


OOD: dict[str, Loader] = {
    "svhn": Loader(_svhn, ("cifar10", "cifar100")),
    "cifar10-c": Loader(_cifar10_c, ("cifar10",)),
    "photos": Loader(_photos, ("digits",)),
    "noise": Loader(lambda request: _noisy(request, DIGITS_SIGMAS[-1]), ("digits",)),
    **{f"gaussian-noise-{severity}": _shift(severity) for severity in range(1, 6)},
}
SHIFTS = tuple(name for name, loader in OOD.items() if loader.shifted)  # in the order of their severity


def check_ood(name: str | os.PathLike, in_dataset: str) -> None:
    """Refuse a pair that cannot be: ValueError listing the choices."""
    images = [name for name, facts in FACTS.items() if facts.size]
    if in_dataset not in images:
        raise ValueError(f"no out-of-distribution images for {in_dataset!r}: choose from {', '.join(images)}")
    choices = [key for key, loader in OOD.items() if in_dataset in loader.fits]
    if str(name) not in choices and (str(name) in OOD or not Path(name).is_dir()):
        reason = "does not fit" if str(name) in OOD else "is unknown, and no folder, as out-of-distribution set of"
        raise ValueError(
            f"{str(name)!r} {reason} {in_dataset}: choose from {', '.join([*choices, 'a folder of images'])}"
        )


def load_ood(
    name: str | os.PathLike,
    in_dataset: str,
    root: str | os.PathLike | None = None,
    seed: int = 0,
    download: bool = False,
    in_test: Callable[[], ArraySplit] | None = None,
) -> Split:
    """Read images that are none of the in-distribution dataset's, normalised exactly as its evaluation images.

    Args:
        name: a key of `OOD`; or a folder of images (png, webp, jpg or jpeg, at any depth), whose largest centred
            squares are resized to the dataset's size (for imagenet: as its evaluation images) and get its channels.
        in_dataset: a dataset of images.
        root: the data root, see `data.data_root`.
        seed: of patches and noise, >= 0.
        download: fetch SVHN if it is missing.
        in_test: gives the in-distribution test split to the sets that are made of it; None loads it with the dataset's
            default options. A run's own split differs where its recipe's options do.

    Returns:
        Split of N images whose labels are all 0, in one class; `note` says where they are from.

    Raises:
        DataError: missing or broken files, an empty folder; one line that names the file.
        ValueError: an unknown set, one that does not fit the dataset, or a number out of range.
    """
    check_ood(name, in_dataset)
    check_seed(seed)
    if str(name) not in OOD:
        return _folder(Path(name), in_dataset)
    in_test = in_test or (lambda: load(in_dataset, root=root, download=download).test)
    images, note = OOD[str(name)].read(Request(in_dataset, data_root(root), seed, download, in_test))
    form = FACTS[in_dataset]
    return _noted(note, ArraySplit(images, _labels(images), CLASSES, form.mean, form.std))


def _labels(images: Sized) -> Tensor:
    return torch.zeros(len(images), dtype=torch.int64)


def _noted(note: str, split: Split) -> Split:
    split.note = note
    return split


def _folder(folder: Path, in_dataset: str) -> Split:
    found = FolderTree(folder, tuple(path.name for path in folder.iterdir() if not path.name.startswith("."))).files
    paths = sorted(path for path in found if Path(path).suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(f"no images ({', '.join(SUFFIXES)}) in {folder}")
    form, note = FACTS[in_dataset], f"folder {folder.absolute().name}"
    common = {"labels": _labels(paths), "classes": CLASSES, "mean": form.mean, "std": form.std}
    if in_dataset == "imagenet":  # too large for memory
        return _noted(note, LazySplit(paths, folder=folder, crop_size=form.size, resize=256, **common))
    images = np.empty((len(paths), len(form.mean), form.size, form.size), np.uint8)
    for i, path in enumerate(tqdm(paths, desc=f"decoding {folder.name}", unit="image", disable=None)):
        images[i] = _decode(folder / path, form)
    return _noted(note, ArraySplit(torch.from_numpy(images), **common))


def _decode(path: Path, form: Facts) -> np.ndarray:
    """One image's largest centred square as uint8 [C, size, size]."""
    try:
        with Image.open(path) as image:
            image = as_mode(image, "RGB" if len(form.mean) == 3 else "L")
            pixels = np.asarray(ImageOps.fit(image, (form.size, form.size), Image.Resampling.BILINEAR))
    except Exception as error:  # Pillow's decoders raise whatever a broken file drives them into
        raise DataError(f"cannot decode image {path}: {why_not(error, path)}") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
