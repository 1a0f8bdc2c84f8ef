"""Archives as other tools make them, and files that are none."""

import zipfile

import pytest

from data import DataError
from data.errors import fetch_command
from data.files.tar import read_tar
from data.files.tree import ZipTree
from tests.support.corpora import tar_of

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def test_backslashes_of_windows(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name, content in (("top\\train\\cat\\1.png", b"x"), ("top\\train\\dog\\", b"")):
            info = zipfile.ZipInfo("placeholder")
            info.filename = name  # the constructor would stop at nothing but other systems' signs
            archive.writestr(info, content)
    with ZipTree([tmp_path / "z.zip"], "top") as tree:
        assert tree.read("train/cat/1.png") == b"x"
        assert tree.subfolders("train") == ["cat", "dog"]
    tar_of(tmp_path / "t.tar", [("train\\cat\\1", b"x")])
    assert read_tar(tmp_path / "t.tar") == {"train/cat/1": b"x"}


def test_what_macos_and_notebooks_leave_behind(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        for name in ("a/1", "a/._1", "a/.ipynb_checkpoints/1", "__MACOSX/a/._1", "b/__MACOSX/1", ".DS_Store"):
            archive.writestr(name, b"x")
    with ZipTree([tmp_path / "z.zip"], "") as tree:
        assert set(tree.files) == {"a/1"}


@pytest.mark.parametrize(("content", "what"), [(POINTER, "a Git LFS pointer"), (b"<html>no", "a web page")])
def test_something_else_in_the_place_of_an_archive(tmp_path, content, what):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=f"cannot open .*x: it is {what}"):
        ZipTree([tmp_path / "x"], "")
    with pytest.raises(DataError, match=f"cannot read .*x: .*; it is {what}"):
        read_tar(tmp_path / "x")


def test_the_command_that_fetches_is_one_that_a_shell_takes(tmp_path):
    assert fetch_command("cifar10", tmp_path / "my data").endswith(f"--data-root '{tmp_path}/my data'")
