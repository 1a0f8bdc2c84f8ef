"""A disk of a few hundred kilobytes that can be filled up to any free size."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a tmpfs of that size at `place`; skips the test where that is not allowed."""
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k,nr_inodes=200", "tmpfs", str(place)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"cannot mount a small disk: {error}")
    if done.returncode:
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def leave(disk: Path, free: int) -> None:
    """Fill the disk until so many bytes are free, rounded down to whole pages."""
    found = os.statvfs(disk)
    page, have = found.f_frsize, found.f_bavail
    with (disk / "ballast").open("ab") as file:
        file.write(bytes(page) * max(0, have - free // page))
