"""The files of 20 Newsgroups: archives, half-extracted folders, downloads."""

import dataclasses
import shutil

import pytest

from data import DataError, load
from data.sets import newsgroups_files
from tests.support.corpora import tar_folder, tar_of

from .conftest import SIZES
from .test_download import server  # noqa: F401 (a fixture)


def test_half_extracted_folders(root):
    folder = root / "20_newsgroups"
    for i in range(4):
        (folder / "sci.med" / str(1000 + i)).unlink()
    with pytest.raises(
        DataError, match=r"20_newsgroups holds 96 documents in 20 groups, expected 100 in 20 \(sci.med has 1\)"
    ):
        load("newsgroups", root=root, **SIZES)
    shutil.rmtree(folder / "sci.med")
    with pytest.raises(DataError, match=r"95 documents in 19 groups, expected 100 in 20 \(sci.med has 0\)"):
        load("newsgroups", root=root, **SIZES)
    assert len(load("newsgroups", root=root, **SIZES | {"num_documents": None}).train) == 65
    (folder / "sci.med").mkdir()
    (folder / "strange").mkdir()
    for i in range(5):
        (folder / "strange" / str(i)).write_text("x")
    with pytest.raises(DataError, match=r"100 documents in 20 groups, .*sci.med has 0, strange is none of them"):
        load("newsgroups", root=root, **SIZES)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(DataError, match=r"no documents 20_newsgroups/<group>/<number> in .*20_newsgroups"):
        load("newsgroups", root=root, **SIZES)


def test_files_that_are_no_documents_are_left_alone(root):
    folder = root / "20_newsgroups"
    (folder / "README").write_text("x")
    (folder / "sci.med" / "index.html").write_text("x")
    (folder / "sci.med" / ".1000.swp").write_text("x")
    assert [len(split) for split in load("newsgroups", root=root, **SIZES)] == [70, 10, 20]


def test_broken_archives_are_named(root):
    tar_folder(root, "20_newsgroups", root / "20_newsgroups.tar.gz")
    shutil.rmtree(root / "20_newsgroups")
    archive = root / "20_newsgroups.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"cannot read .*20_newsgroups\.tar\.gz: .*truncated\?"):
        load("newsgroups", root=root, **SIZES)
    tar_of(archive, [("20_newsgroups/../../evil", b"x")])
    with pytest.raises(DataError, match="points outside"):
        load("newsgroups", root=root, **SIZES)
    assert not list((root / ".cache").glob("*.npz"))


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"no newsgroups in .*looked for 20_newsgroups/.*fetch it with: python -m data"):
        load("newsgroups", root=tmp_path)


def test_by_date_archive_with_another_checksum(tmp_path):
    tar_of(tmp_path / "20news-bydate.tar.gz", [("20news-bydate-train/sci.med/1", b"x")])
    with pytest.raises(DataError, match="has a wrong SHA-256"):
        load("newsgroups-bydate", root=tmp_path)


def test_download_is_verified_by_its_documents(root, server, monkeypatch):  # noqa: F811
    tar_folder(root, "20_newsgroups", root / "whole.tar.gz")
    content = (root / "whole.tar.gz").read_bytes()
    (root / "whole.tar.gz").unlink()
    shutil.rmtree(root / "20_newsgroups")
    version = newsgroups_files.VERSIONS["newsgroups"]
    urls = (f"{server.url}/good", f"{server.url}/other")

    def serve(body: bytes, expected: int):
        monkeypatch.setattr("tests.data.test_download.CONTENT", body)
        changed = dataclasses.replace(version, urls=urls, expected=expected)
        monkeypatch.setitem(newsgroups_files.VERSIONS, "newsgroups", changed)

    serve(content, expected=19_997)
    with pytest.raises(DataError, match=r"good failed: .* holds 100 documents .*other failed: cannot read .*put it at"):
        load("newsgroups", root=root, download=True, **SIZES)
    assert sorted(path.suffix for path in root.iterdir() if path.suffix != ".lock") == [".txt"]
    serve(content, expected=100)
    assert len(load("newsgroups", root=root, download=True, **SIZES).train) == 70
    assert (root / "20news-19997.tar.gz").read_bytes() == content
