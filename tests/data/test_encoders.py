"""Pretrained encoders: found, fetched whole, or refused by name."""

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data import DataError, find_encoder, weights_sha256
from data.__main__ import main
from data.files import download
from data.text import encoders
from data.text.encoders import ENCODERS, Encoder

FILES = {"config.json": b"{}", "vocab.txt": b"[PAD]\n", "model.safetensors": b"weights" * 1000}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server with the files of an encoder called "published"; its folder."""
    folder = tmp_path / "hub"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setattr(Encoder, "url", lambda self, file: f"http://127.0.0.1:{server.server_port}/{file}")
        monkeypatch.setitem(ENCODERS, "published", Encoder("somebody/published", "0" * 40, {**SHA256, "vocab.txt": ""}))
        yield folder
        server.shutdown()
        thread.join()


def test_an_encoder_is_fetched_whole_and_once(hub, tmp_path, capsys):
    root = tmp_path / "data"
    assert main(["published", "--data-root", str(root)]) == 0
    folder = root / "published"
    assert f"published in {folder}, weights SHA-256 {SHA256['model.safetensors']}" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir() if path.suffix != ".lock"} == set(FILES)
    for path in hub.iterdir():
        path.unlink()
    assert find_encoder("published", root, download=True) == find_encoder("published", root) == folder
    assert weights_sha256(folder) == SHA256["model.safetensors"]


def test_a_failed_download_leaves_no_file_of_that_name(hub, tmp_path):
    (hub / "model.safetensors").write_bytes(b"somebody else's")
    with pytest.raises(DataError, match=r"SHA-256 is .*expected .*put it at .*published/model\.safetensors"):
        find_encoder("published", tmp_path, download=True)
    assert not (tmp_path / "published" / "model.safetensors").exists()


def test_nothing_is_fetched_unless_asked_for(hub, tmp_path):
    with pytest.raises(DataError, match=r"no pretrained encoder.*published.*: python -m data published --data-root"):
        find_encoder("published", tmp_path)
    with pytest.raises(DataError, match=r"no pretrained encoder in .*mine: put its folder there or give --pretrained$"):
        find_encoder("mine", tmp_path, download=True)


def test_other_weights_under_a_published_name(hub, tmp_path):
    (hub / "model.safetensors").write_bytes(FILES["model.safetensors"][:-1])
    with pytest.raises(DataError, match=r"model\.safetensors is not that of published .*give its folder another name"):
        find_encoder("published", tmp_path, folder=hub)
    assert find_encoder("mine", tmp_path, folder=hub) == hub


def test_a_pointer_in_the_place_of_weights(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(DataError, match=r"mine/model\.safetensors: it is a Git LFS pointer.* git lfs pull"):
        find_encoder("mine", tmp_path)


def test_the_published_encoder_has_a_fixed_revision():
    bert = ENCODERS["bert-base-uncased"]
    assert "/google-bert/bert-base-uncased/resolve/86b5e0934494bd15c9632b12f734a8a67f723594/" in bert.url("vocab.txt")
    assert len(bert.files[encoders.WEIGHTS]) == 64
    assert {"config.json", "tokenizer.json"} <= set(bert.files)
