"""Writing where a file system cannot sync, and who may read what is written."""

import errno
import os
import stat

import pytest

from data.files import cache, durable
from experiments.records import files


def failing(monkeypatch, code, folders_only=True):
    """fsync of folders, or of anything, answers `code`."""
    real = os.fsync

    def fsync(handle):
        if not folders_only or stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(code, os.strerror(code))
        return real(handle)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("folders_only", [True, False])
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EPERM])
def test_a_file_system_without_sync(tmp_path, monkeypatch, code, folders_only):
    failing(monkeypatch, code, folders_only)
    files.write_bytes(tmp_path / "x", b"content")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"content"]
    made = cache.cached(tmp_path, "name", "0" * 16, lambda: {"x": files.np.arange(3)})
    assert made["x"].tolist() == cache.cached(tmp_path, "name", "0" * 16, dict)["x"].tolist()


def test_a_folder_that_cannot_be_opened(tmp_path, monkeypatch):
    def refuse(path, flags, *mode):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    durable.sync_folder(tmp_path)


def test_a_failing_disk_is_an_error(tmp_path, monkeypatch):
    failing(monkeypatch, errno.EIO, folders_only=False)
    with pytest.raises(OSError, match="Input/output error") as caught:
        files.write_bytes(tmp_path / "x", b"content")
    assert caught.value.filename == str(tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_reads(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        files.write_bytes(tmp_path / "x", b"")
        assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode
    finally:
        os.umask(before)


def test_modes_that_cannot_be_changed(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    files.write_bytes(tmp_path / "x", b"content")
    assert (tmp_path / "x").read_bytes() == b"content"
