"""Archives are read in memory; hostile and broken ones are refused by name."""

import tarfile

import pytest

from data import DataError
from data.files.tar import read_tar
from tests.support.corpora import tar_of


def link(kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo("a/link")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_files_by_path(tmp_path, mode):
    folder = tarfile.TarInfo("a")
    folder.type = tarfile.DIRTYPE
    tar_of(tmp_path / "t", [folder, ("./a/1", b"one"), ("a/.hidden", b"x"), ("a/2", b"")], mode)
    assert read_tar(tmp_path / "t") == {"a/1": b"one", "a/2": b""}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../evil", b"x")], "member '../evil' points outside"),
        ([("/etc/evil", b"x")], "member '/etc/evil' points outside"),
        ([("a/../../evil", b"x")], "points outside"),
        ([link(tarfile.SYMTYPE)], "member 'a/link' is a link or a device"),
        ([link(tarfile.LNKTYPE)], "member 'a/link' is a link or a device"),
        ([link(tarfile.CHRTYPE)], "member 'a/link' is a link or a device"),
        ([link(tarfile.FIFOTYPE)], "member 'a/link' is a link or a device"),
        ([("a/1", b"x"), ("a/1", b"y")], "member 'a/1' comes twice"),
    ],
)
def test_hostile_members(tmp_path, members, message):
    tar_of(tmp_path / "t.tar.gz", members)
    with pytest.raises(DataError, match=message) as error:
        read_tar(tmp_path / "t.tar.gz")
    assert "t.tar.gz" in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.tar.gz"]


def test_an_archive_that_claims_too_much(tmp_path, monkeypatch):
    tar_of(tmp_path / "t", [("a/1", b"x" * 60), ("a/2", b"x" * 60)])
    monkeypatch.setattr("data.files.tar.MAX_TOTAL_BYTES", 100)
    with pytest.raises(DataError, match="member 'a/2' claims 60 bytes, 120 with those before"):
        read_tar(tmp_path / "t")
    monkeypatch.setattr("data.files.tar.MAX_MEMBER_BYTES", 50)
    with pytest.raises(DataError, match="member 'a/1' claims 60"):
        read_tar(tmp_path / "t")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_truncated_archives(tmp_path, mode, share):
    content = bytes(range(256)) * 40
    tar_of(tmp_path / "t", [(f"a/{i}", content[i:]) for i in range(20)], mode)
    whole = (tmp_path / "t").read_bytes()
    (tmp_path / "t").write_bytes(whole[: int(share * len(whole))])
    try:
        found = read_tar(tmp_path / "t")
    except DataError as error:
        assert "cannot read" in str(error) and str(tmp_path / "t") in str(error)  # noqa: PT017, PT018
    else:  # a bare tar that ends between two members looks whole; the number of documents will tell
        assert mode == "w"
        assert len(found) < 20


def test_no_archive(tmp_path):
    (tmp_path / "t").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"cannot read .*fetch it again"):
        read_tar(tmp_path / "t")
    with pytest.raises(DataError, match=r"cannot read .*gone"):
        read_tar(tmp_path / "gone")
