"""Tar archives read into memory, never unpacked."""

import lzma
import tarfile
import zlib
from pathlib import Path

from data.errors import DataError
from data.files.foreign import truncated
from data.files.tree import MAX_MEMBER_BYTES, check_member

MAX_TOTAL_BYTES = 2**30  # far above any corpus here: an archive that claims more would only fill the memory
MAX_HEADER_BYTES = 2**20  # of a long name or extended header, which tarfile reads whole before it names a member
CHUNK = 2**20


class _LongHeaderError(Exception):
    """A header that would fill the memory."""


class _Member(tarfile.TarInfo):
    """A member whose header is refused before tarfile reads what it claims."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        member = super().frombuf(buf, encoding, errors)
        if not (member.isfile() or member.isdir()) and member.size > MAX_HEADER_BYTES:
            raise _LongHeaderError(f"a header claims {member.size:,} bytes")
        return member


def read_tar(archive: Path) -> dict[str, bytes]:
    """The content of every regular file of a tar archive, compressed or not, by its path; hidden files are left out.

    Raises:
        DataError: an archive that is truncated or no tar; a member that is absolute, has `..` in its path, is a link
            or a device, is too large or comes twice. The message names it.
    """
    files: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(archive, "r:*", tarinfo=_Member) as tar:
            for member in tar:
                check_member(archive, member.name)
                parts = [part for part in member.name.replace("\\", "/").split("/") if part not in ("", ".")]
                path, total = "/".join(parts), total + member.size
                if member.isdir():
                    continue
                reason = _refusal(member, path in files, total)
                if reason:
                    raise DataError(f"{archive}: member {member.name!r} {reason}; do not use this file")
                if not any(part.startswith(".") for part in parts):
                    content = tar.extractfile(member).read()
                    if len(content) != member.size:
                        raise EOFError(f"it ends within {member.name!r}")
                    files[path] = content
            while tar.fileobj.read(CHUNK):  # to the end of the compressed stream, which has the checksum
                pass
    except _LongHeaderError as error:
        raise DataError(f"{archive}: {error}; do not use this file") from None
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        reason = " ".join(str(error).split())  # tarfile's reasons have several lines
        raise DataError(
            f"cannot read {archive}: {reason}; {truncated(archive)} remove it and fetch it again"
        ) from error
    return files


def _refusal(member: tarfile.TarInfo, known: bool, total: int) -> str:
    """Why a member is not read; "" if it is."""
    if not member.isfile():
        return "is a link or a device"
    if known:
        return "comes twice"
    if member.size > MAX_MEMBER_BYTES or total > MAX_TOTAL_BYTES:
        return f"claims {member.size:,} bytes, {total:,} with those before it"
    return ""
