"""The error of missing and broken files, and those that numpy raises."""

import shlex
import tokenize
import zipfile
import zlib
from pathlib import Path


class DataError(ValueError):
    """A dataset's files are missing, broken or not what they should be; one line that names the culprit."""


def fetch_command(name: str, root: Path) -> str:
    """The command that fetches a dataset or an encoder, as a shell takes it."""
    return f"python -m data {name} --data-root {shlex.quote(str(root))}"


# What numpy lets through of a damaged .npz, beside OSError.
DAMAGED_NPZ = (
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,  # encrypted, or compressed in a way that zipfile does not know
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
