"""Read-only trees of files, in a folder or in the members of zip archives (which are never unpacked)."""

import os
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple, Self

from data.errors import DataError
from data.files.foreign import head, told_of

# Far above any image of these datasets: a member that claims more would only fill the memory.
MAX_MEMBER_BYTES = 64 * 2**20


class File(NamedTuple):
    """One file of a tree: its size in bytes, and a stamp that changes with its content."""

    size: int
    stamp: int


class Tree(ABC):
    """Files and folders by their relative POSIX path; a context manager that closes what it opened.

    Attributes:
        where: the folder or the archives, for messages.
        files: path -> `File`; hidden files are left out.
        folders: every folder's path, empty ones included.
    """

    def __init__(self, where: str):
        self.where = where
        self.files: dict[str, File] = {}
        self.folders: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027 - a tree without open files has nothing to do
        """Close the files that reading needs; nothing for a folder."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """The content of one file. Raises DataError naming a file that is gone or damaged."""

    def subfolders(self, folder: str) -> list[str]:
        """Sorted names of the folders directly in `folder`."""
        return sorted(path.rpartition("/")[2] for path in self.folders if path.rpartition("/")[0] == folder)


class FolderTree(Tree):
    """Some entries of a folder, with all that lies below them.

    Args:
        folder: the folder.
        entries: names directly in it, files or folders; those that do not exist are left out.
    """

    def __init__(self, folder: Path, entries: tuple[str, ...]):
        super().__init__(str(folder))
        self._folder = folder
        for entry in entries:
            if (folder / entry).is_file():
                self._add(entry)
            for parent, folders, names in os.walk(folder / entry, followlinks=True):
                folders[:] = [name for name in folders if not name.startswith(".")]
                relative = Path(parent).relative_to(folder).as_posix()
                self.folders.add(relative)
                for name in names:
                    if not name.startswith("."):
                        self._add(f"{relative}/{name}")

    def _add(self, path: str) -> None:
        try:
            found = os.stat(os.path.join(self.where, path))
        except OSError as error:
            raise DataError(f"cannot read {self._folder / path}: {error.strerror}") from error
        self.files[path] = File(found.st_size, found.st_mtime_ns)

    def read(self, path: str) -> bytes:
        """The content of one file. Raises DataError naming one that cannot be read."""
        try:
            return (self._folder / path).read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {self._folder / path}: {error.strerror}") from error


class ZipTree(Tree):
    """The members of one or several zip archives that together hold one tree.

    Args:
        archives: paths of the archives.
        strip: a leading folder that is left out of every path if it is there.

    Raises:
        DataError: an archive that is truncated or no zip; a member that is absolute, has `..` in its path, is a link
            or a device, encrypted, too large, or in the archives twice. The message names it.
    """

    def __init__(self, archives: list[Path], strip: str):
        super().__init__(", ".join(map(str, archives)))
        self._members: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        self._open: list[zipfile.ZipFile] = []
        try:
            for archive in archives:
                self._add(archive, strip)
        except BaseException:
            self.close()
            raise

    def _add(self, archive: Path, strip: str) -> None:
        try:
            opened = zipfile.ZipFile(archive)
        except (OSError, zipfile.BadZipFile) as error:
            what = f"it {found}" if (found := told_of(head(archive))) else error
            raise DataError(f"cannot open {archive}: {what}; remove it and fetch it again") from error
        self._open.append(opened)
        for info in opened.infolist():
            check_member(archive, info.filename)
            name = info.filename.replace("\\", "/")  # as some tools of Windows write it
            parts = [part for part in name.split("/") if part not in ("", ".")]
            parts = parts[1:] if parts[:1] == [strip] else parts
            if any(part.startswith(".") or part == "__MACOSX" for part in parts):
                continue
            self.folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
            path = "/".join(parts)
            if name.endswith("/"):
                self.folders.add(path)
                continue
            if reason := _refusal(info):
                raise DataError(f"{archive}: member {info.filename!r} {reason}")
            if path in self._members:
                raise DataError(f"{archive}: member {info.filename!r} comes twice in {self.where}")
            self._members[path] = opened, info
            self.files[path] = File(info.file_size, info.CRC)

    def read(self, path: str) -> bytes:
        """The content of one member. Raises DataError naming one that is damaged."""
        opened, info = self._members[path]
        try:
            return opened.read(info)  # checks the member's CRC; RuntimeError: encrypted, or an unknown compression
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise DataError(f"{opened.filename}: cannot read member {info.filename!r}: {error}") from error

    def close(self) -> None:
        """Close the archives."""
        for opened in self._open:
            opened.close()


def _refusal(info: zipfile.ZipInfo) -> str:
    """Why a member is not read; "" if it is."""
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):  # 0: made where files have no type
        return "is a link or a device"
    if info.flag_bits & 1:
        return "is encrypted"
    return f"claims {info.file_size} bytes" if info.file_size > MAX_MEMBER_BYTES else ""


def check_member(archive: Path, name: str) -> None:
    """Raise DataError for an archive member's name that points out of the folder it would be unpacked in."""
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or parts[0].endswith(":") or ".." in parts:
        raise DataError(f"{archive}: member {name!r} points outside the archive; do not use this file")
