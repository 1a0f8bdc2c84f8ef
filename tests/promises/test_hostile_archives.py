"""Hostile archives are refused by name, and put nothing anywhere."""

import gzip
import hashlib
import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from data import DataError
from data.files.tar import read_tar
from data.files.tree import ZipTree
from data.sets import official_cifar
from tests.support.corpora import add_members, tar_of

CONTENT = bytes(range(256)) * 40


def special(kind: bytes, target: str = "/etc/passwd", name: str = "a/x") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tar_with(*members) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        add_members(tar, members)
    return buffer.getvalue()


def claims(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A member's header that claims `size` bytes, with none of them."""
    info = tarfile.TarInfo("a/bomb")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def bad_crc() -> bytes:
    content = bytearray(gzip.compress(tar_with(("a/1", CONTENT))))
    content[-6] ^= 1
    return bytes(content)


TARS = {
    "..": tar_with(("a/../../evil", b"x")),
    "absolute path": tar_with(("/tmp/evil", b"x")),
    "symlink": tar_with(special(tarfile.SYMTYPE), ("a/x/evil", b"x")),
    "hardlink": tar_with(special(tarfile.LNKTYPE)),
    "device": tar_with(special(tarfile.BLKTYPE)),
    "pipe": tar_with(special(tarfile.FIFOTYPE)),
    "duplicate": tar_with(("a/1", b"x"), ("a/./1", b"y")),
    "bomb": gzip.compress(claims(2**40) + bytes(2**20)),
    "bomb of a name": gzip.compress(claims(2**36, tarfile.GNUTYPE_LONGNAME) + bytes(2**20)),
    "bomb of a header": gzip.compress(claims(2**36, tarfile.XHDTYPE) + bytes(2**20)),
    "many that are too much together": gzip.compress(
        b"".join(tar_with((f"a/{i}", bytes(2**24)))[: 512 + 2**24] for i in range(65)), compresslevel=1
    ),
    "bad CRC": bad_crc(),
    "truncated": gzip.compress(tar_with(*((f"a/{i}", CONTENT[i:]) for i in range(9))))[:-300],
}


def zip_with(*members: tuple[str, bytes], mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("warnings.warn", lambda *args, **kwargs: None)  # of the duplicate
                archive.writestr(info, content)
    return buffer.getvalue()


def understated(content: bytes, size: int) -> bytes:
    """The archive of one member with another uncompressed size in its two headers."""
    changed = bytearray(content)
    central = content.rindex(b"PK\x01\x02")
    changed[central + 24 : central + 28] = changed[22:26] = struct.pack("<I", size)
    return bytes(changed)


def corrupted(content: bytes) -> bytes:
    changed = bytearray(content)
    central = content.rindex(b"PK\x01\x02")
    changed[central + 16] ^= 1  # the CRC
    changed[14] ^= 1
    return bytes(changed)


ONE = zip_with(("a/1", CONTENT))
ZIPS = {
    "..": zip_with(("a/../../evil", b"x")),
    ".. of another system": zip_with(("a\\..\\..\\evil", b"x")),
    "absolute path": zip_with(("/tmp/evil", b"x")),
    "drive": zip_with(("C:/evil", b"x")),
    "symlink": zip_with(("a/x", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777),
    "device": zip_with(("a/x", b""), mode=stat.S_IFBLK | 0o666),
    "duplicate": zip_with(("a/1", b"x"), ("a/1", b"y")),
    "bomb": zip_with(("a/1", bytes(65 * 2**20))),
    "bomb that claims a twentieth": understated(zip_with(("a/1", bytes(2**24))), 2**24 // 20),
    "bomb that claims more": understated(ONE, 2**32 - 2),
    "encrypted": ONE[:6]
    + b"\x01"
    + ONE[7:].replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"),
    "bad CRC": corrupted(ONE),
    "truncated": ONE[:-30],
}


def read_zip(archive: Path) -> None:
    with ZipTree([archive], "a") as tree:
        for path in tree.files:
            tree.read(path)


@pytest.fixture
def root(tmp_path):
    """A folder two levels down, so that what escapes is seen."""
    (tmp_path / "outer" / "root").mkdir(parents=True)
    return tmp_path / "outer" / "root"


@pytest.mark.parametrize(("read", "archives"), [(read_tar, TARS), (read_zip, ZIPS)], ids=["tar", "zip"])
def test_hostile_archives(root, read, archives):
    refusals = 0
    for content in archives.values():
        archive = root / "archive"
        archive.write_bytes(content)
        with pytest.raises(DataError, match="archive") as caught:
            read(archive)
        assert "\n" not in str(caught.value)
        assert [path for path in root.parent.parent.rglob("*") if path.is_file()] == [archive]
        refusals += 1
    assert not Path("/tmp/evil").exists()
    print(f"{refusals} of {len(archives)} hostile {read.__name__[-3:]} archives refused, 0 files written")


@pytest.mark.parametrize("kind", ["..", "absolute path", "symlink", "hardlink", "device", "pipe", "bomb"])
def test_an_archive_that_is_unpacked(root, kind):
    """CIFAR's is the only one. Even one whose MD5 fits, as MD5s can be made to fit, leaves nothing behind."""
    from torchvision.datasets import CIFAR10

    class Source(CIFAR10):
        filename, base_folder, tgz_md5 = "archive.tar.gz", "a", hashlib.md5(TARS[kind]).hexdigest()

    (root / Source.filename).write_bytes(TARS[kind])
    with pytest.raises(DataError, match=r"archive\.tar\.gz"):
        official_cifar._unpack(root, Source)
    found = {path.name for path in root.parent.parent.rglob("*") if not path.is_dir()}
    assert found <= {Source.filename, f"{Source.filename}.lock"}


def test_honest_archives_are_read(root):
    """As hostile as the others but for what makes them so."""
    long = "a/" + "long" * 40
    tar_of(root / "t", [("a/1", CONTENT), (long, b"x")])
    assert read_tar(root / "t") == {"a/1": CONTENT, long: b"x"}
    for mode in (0, stat.S_IFREG | 0o644):
        (root / "z").write_bytes(zip_with(("a/1", CONTENT), mode=mode))
        with ZipTree([root / "z"], "a") as tree:
            assert tree.read("1") == CONTENT
