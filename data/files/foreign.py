"""Files that are something else than their place or name says: what they are, and what to do with them."""

import zipfile
from pathlib import Path

HEAD = 4096  # bytes that tell
POINTER = b"version https://git-lfs.github.com/spec/"
HOW = "save its arrays with numpy.savez(FILE, logits=..., labels=...)"
# by their first bytes; the longest first
MAGIC = {
    b"\x89HDF\r\n\x1a\n": f"is an HDF5 file: {HOW}",
    b"MATLAB 5.0 MAT-file": f"is a MATLAB file: {HOW}",
    b"<!doctype html": "is a web page, not what it links to: fetch the file itself",
    b"\xfd7zXZ\x00": "is compressed by xz: unpack it first",
    b"(\xb5/\xfd": "is compressed by zstd: unpack it first",
    b"<html": "is a web page, not what it links to: fetch the file itself",
    b"ARROW1": f"is an Arrow file: {HOW}",
    b"PAR1": f"is a Parquet file: {HOW}",
    b"BZh": "is compressed by bzip2: unpack it first",
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
}
PICKLE = (
    "is a pickle, which could run any code and is never opened here: where you trust it, open it yourself and "
    "save its arrays as an .npz with numpy.savez(FILE, logits=..., labels=...)"
)
TORCH = f"is a file of torch.save: load it with torch.load(FILE, weights_only=True) and {HOW}"


def told(path: Path) -> str:
    """What a file is that cannot be what it should be, for the end of an error; "" where nothing tells.

    Nothing in the file is run, and little of it is read.
    """
    content = head(path)
    return _zipped(path) if content.startswith(b"PK") else told_of(content)


def head(path: Path) -> bytes:
    """A file's first bytes; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def truncated(path: Path) -> str:
    """What is to be said of a file with a wrong checksum, or that is no archive."""
    content = head(path)
    return f"it {told_of(content)};" if content.startswith(POINTER) or content.lstrip()[:1] == b"<" else "truncated?"


def told_of(content: bytes) -> str:
    """As `told`, of a file's first bytes."""
    if content.startswith(POINTER):
        return "is a Git LFS pointer, not the file that it stands for: get that with git lfs pull"
    for magic, what in MAGIC.items():
        if content.lstrip()[: len(magic)].lower() == magic.lower():
            return what
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return TORCH if b"torch" in content or content[2:14] == b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19" else PICKLE
    return ""


def _zipped(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        return "is a damaged zip archive, truncated perhaps: fetch it again"
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return TORCH
    if "xl/workbook.xml" in names:
        return "is an Excel sheet: save it as CSV"
    return ""
