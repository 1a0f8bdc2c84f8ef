"""Downloads from a local server that works, refuses, breaks off or sends something else."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data import DataError, load
from data.files import download
from data.files.download import fetch

CONTENT = b"0123456789abcdef" * 5000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """The path says what happens; `flaky` fails with status 503 as often as the server is told."""

    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path == "/missing" or (self.path == "/flaky" and self.server.failures > 0):
            self.server.failures -= 1
            self.send_error(404 if self.path == "/missing" else 503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        body = {"/truncated": CONTENT[:1000], "/other": CONTENT[::-1]}.get(self.path, CONTENT)
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests, server.failures = [], 0
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def left(folder):
    """Files in the folder, locks aside."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_download_is_complete_and_happens_once(server, tmp_path):
    target = tmp_path / "new" / "file.zip"
    fetch(f"{server.url}/good", target, MD5)
    fetch(f"{server.url}/good", target, MD5)
    assert target.read_bytes() == CONTENT
    assert server.requests == ["/good"]
    assert left(target.parent) == ["file.zip"]


def test_two_at_once_download_once(server, tmp_path):
    threads = [threading.Thread(target=fetch, args=(f"{server.url}/good", tmp_path / "f", MD5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == ["/good"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_that_recovers_is_asked_again(server, tmp_path):
    server.failures = 2
    fetch(f"{server.url}/flaky", tmp_path / "f", MD5)
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "reason", "num_requests"),
    [
        ("missing", "HTTP status 404", 1),
        ("truncated", f"the connection ended after 1000 of {len(CONTENT)} bytes", 3),
        ("other", f"its MD5 is {hashlib.md5(CONTENT[::-1]).hexdigest()}, expected {MD5}", 3),
        ("flaky", "HTTP status 503", 3),
    ],
)
def test_failures_leave_nothing_and_say_what_to_do(server, tmp_path, path, reason, num_requests):
    server.failures = 3
    target = tmp_path / "file.zip"
    with pytest.raises(DataError) as caught:
        fetch(f"{server.url}/{path}", target, MD5)
    message = str(caught.value)
    assert "\n" not in message
    assert f"downloading {server.url}/{path} failed: {reason}; " in message
    assert f"(md5 {MD5}) and put it at {target}" in message
    assert left(tmp_path) == []
    assert len(server.requests) == num_requests


def test_refused_connection(server, tmp_path):
    with pytest.raises(DataError, match=r"http://127.0.0.1:1/x failed: .*refused; fetch it by hand"):
        fetch("http://127.0.0.1:1/x", tmp_path / "f", MD5)
    assert left(tmp_path) == []


def test_a_stalled_server_is_given_up(tmp_path, monkeypatch):
    import socket

    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(DataError, match="timed out; fetch it by hand"):
            fetch(url, tmp_path / "f", MD5)
    assert left(tmp_path) == []


def test_root_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"File exists|Not a directory"):
        fetch(f"{server.url}/good", tmp_path / "file" / "f", MD5)


def test_load_downloads_only_when_told_to(server, tmp_path, monkeypatch):
    monkeypatch.setattr("data.sets.tiny_imagenet.URL", f"{server.url}/missing")
    monkeypatch.setattr("torchvision.datasets.CIFAR10.url", f"{server.url}/missing")
    for name in ("cifar10", "tiny-imagenet"):
        with pytest.raises(DataError, match="looked for"):
            load(name, root=tmp_path)
    assert server.requests == []
    for name in ("cifar10", "tiny-imagenet"):
        with pytest.raises(DataError, match="HTTP status 404; fetch it by hand"):
            load(name, root=tmp_path, download=True)
    assert left(tmp_path) == []


def test_mirrors_are_tried_in_turn(server, tmp_path):
    fetch([f"{server.url}/missing", f"{server.url}/good"], tmp_path / "f", MD5)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.requests == ["/missing", "/good"]
    with pytest.raises(DataError, match=r"/missing failed: HTTP status 404; downloading .*/other failed: its MD5 is"):
        fetch([f"{server.url}/missing", f"{server.url}/other"], tmp_path / "g", MD5)
    assert left(tmp_path) == ["f"]


def test_sha256(server, tmp_path):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    fetch(f"{server.url}/good", tmp_path / "f", sha256=sha256)
    assert (tmp_path / "f").read_bytes() == CONTENT
    with pytest.raises(DataError, match=rf"its SHA-256 is .*, expected {sha256}; fetch it by hand \(sha256 {sha256}\)"):
        fetch(f"{server.url}/other", tmp_path / "g", sha256=sha256)


def test_a_file_without_checksum_is_verified_by_its_content(server, tmp_path):
    def verify(path):
        if path.read_bytes() != CONTENT:
            raise DataError("it is another file")

    with pytest.raises(DataError, match="failed: it is another file; fetch it by hand and put it at"):
        fetch(f"{server.url}/other", tmp_path / "f", verify=verify)
    assert left(tmp_path) == []
    fetch(f"{server.url}/good", tmp_path / "f", verify=verify)
    assert left(tmp_path) == ["f"]
