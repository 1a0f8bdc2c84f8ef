"""Decoded images and texts kept as arrays, so that only the first run pays for the decoding."""

import contextlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock

from data.errors import DAMAGED_NPZ
from data.files.durable import sync

FOLDER = ".cache"
NAMES = "__names__"  # the array that lists all others: some damage makes a zip file forget its members


def cached(
    root: Path, name: str, key: str, make: Callable[[], dict[str, np.ndarray]], kept: int = 1
) -> dict[str, np.ndarray]:
    """Arrays from the cache below `root`, or made and then kept there.

    A damaged file counts as missing. Where nothing can be written the arrays are made anew every time, with a
    warning.

    Args:
        root: the data root.
        name: the dataset.
        key: hex digest of all that the arrays are a function of.
        make: makes the arrays; only one process at a time does.
        kept: how many arrays of one name stay, of which the ones used last do. With 1 those of changed files go.
    """
    path = root / FOLDER / f"{name}-{key[:16]}.npz"
    arrays = _read(path)
    if arrays is not None:
        with contextlib.suppress(OSError):
            os.utime(path)  # used last
        return arrays
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(path.parent / f"{name}.lock"))
        except OSError as error:
            warnings.warn(f"cannot write to {path.parent} ({error.strerror}): decoding the files on every run")
            return make()
        arrays = _read(path)  # another process may have made them meanwhile
        if arrays is None:
            arrays = make()
            try:
                _write(path, arrays, kept)
            except OSError as error:
                warnings.warn(f"cannot write {path} ({error.strerror}): the files are decoded again on the next run")
        return arrays


def _read(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {str(name): file[str(name)] for name in file[NAMES]}  # reading to the end checks the CRC
    except (OSError, KeyError, *DAMAGED_NPZ):
        return None


def _write(path: Path, arrays: dict[str, np.ndarray], kept: int) -> None:
    temporary = path.with_suffix(".tmp")  # nobody else writes: we hold the lock
    try:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays, **{NAMES: np.array(list(arrays))})
            file.flush()
            sync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    name = path.stem.rpartition("-")[0]
    by_use = sorted(path.parent.glob(f"{name}-{'[0-9a-f]' * 16}.npz"), key=lambda found: found.stat().st_mtime_ns)
    for stale in by_use[:-kept]:
        stale.unlink(missing_ok=True)
