"""CIFAR in the files its authors publish, read through torchvision, which checks their MD5 before unpickling."""

from __future__ import annotations  # CIFAR10 is a name for the type checker: importing torchvision takes two seconds

import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from torch import Tensor

from data.errors import DataError
from data.files.download import fetch
from data.files.foreign import truncated
from data.files.tree import check_member

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10


def find(root: Path, source: type[CIFAR10]) -> Path | None:
    """The unpacked folder or else the archive of `source` below `root`; None if neither is there."""
    for path in (root / source.base_folder, root / source.filename):
        if path.exists():
            return path
    return None


def download(root: Path, source: type[CIFAR10]) -> None:
    """Fetch the archive of `source` into `root`. Raises DataError if that fails."""
    fetch(source.url, root / source.filename, source.tgz_md5)


def read(root: Path, source: type[CIFAR10]) -> tuple[dict[str, tuple[Tensor, Tensor]], tuple[str, ...]]:
    """Both parts of `source`, out of the folder or the archive that `find` has found.

    Returns:
        {"train": (images uint8 [N, 3, 32, 32], labels int64 [N]), "test": ...} and the class names.

    Raises:
        DataError: naming a file with another checksum than the official one.
    """
    from torchvision.datasets.utils import check_integrity

    folder = root / source.base_folder
    if not folder.exists():
        _unpack(root, source)
    meta = [source.meta["filename"], source.meta["md5"]]
    for name, md5 in [*source.train_list, *source.test_list, meta]:
        if not check_integrity(folder / name, md5):
            state = "has a wrong MD5" if (folder / name).exists() else "is missing"
            raise DataError(f"{folder / name} {state} (expected {md5}); remove {folder} and fetch it again")
    parts = {}
    for part in ("train", "test"):
        dataset = source(root, train=part == "train")
        images = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
        parts[part] = images, torch.tensor(dataset.targets)
    return parts, tuple(dataset.classes)


def _unpack(root: Path, source: type[CIFAR10]) -> None:
    """Unpack the verified archive beside itself; the folder appears whole or not at all."""
    from torchvision.datasets.utils import check_integrity

    archive, folder = root / source.filename, root / source.base_folder
    if not check_integrity(archive, source.tgz_md5):
        raise DataError(
            f"{archive} has a wrong MD5 (expected {source.tgz_md5}): {truncated(archive)} remove it and fetch it again"
        )
    try:
        with FileLock(f"{archive}.lock"), tempfile.TemporaryDirectory(dir=root, prefix=".unpack-") as temporary:
            if folder.exists():
                return  # another process has unpacked it meanwhile
            with tarfile.open(archive) as tar:
                for member in tar:
                    check_member(archive, member.name)
                tar.extractall(temporary, filter="data")
            unpacked = Path(temporary, source.base_folder)
            if not unpacked.is_dir():
                raise DataError(f"{archive} holds no folder {source.base_folder}")
            unpacked.rename(folder)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"cannot unpack {archive}: {error}") from error
