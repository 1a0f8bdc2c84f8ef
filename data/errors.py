"""The error of missing and broken files, and those that numpy raises."""

import tokenize
import zipfile
import zlib


class DataError(ValueError):
    """A dataset's files are missing, broken or not what they should be; one line that names the culprit."""


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
