"""A download is complete and verified, or a line that says what to do; tests/data/test_download.py has more."""

import hashlib
import io
import multiprocessing
import re
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread

import pytest

from data import DataError
from data.files import download
from data.files.download import fetch
from tests.support.waiting import HANGS, wait_until

CONTENT = b"0123456789abcdef" * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
# What a server does, how often it is asked then, and what the line says.
FAULTS = {
    "404": (1, "HTTP status 404"),
    "403": (1, "HTTP status 403"),
    "500": (3, "HTTP status 500"),
    "503": (3, "HTTP status 503"),
    "silent": (3, "timed out"),
    "stall": (3, "timed out"),
    "truncated": (3, rf"ended after 1000 of {len(CONTENT)} bytes"),
    "truncated-chunks": (3, "IncompleteRead"),
    "empty": (3, "SHA-256 is"),
    "too-long": (3, "SHA-256 is"),
    "other": (3, "SHA-256 is"),
    "reset": (3, "closed|reset"),
    "no-http": (3, "rubbish"),
    "strange-length": (3, "SHA-256 is"),
    "to-file": (1, "HTTP status 302, .*file:///etc/hostname"),
    "to-ftp": (1, "redirects to ftp://127.0.0.1/x, which is not followed"),
    "to-nonsense": (1, "Invalid IPv6 URL"),
    "in-circles": (11, "HTTP status 302, .*infinite loop"),
}


class Faulty(BaseHTTPRequestHandler):
    """The path says what goes wrong."""

    def do_GET(self):
        fault = self.path[1:].partition("?")[0]
        with self.server.lock:
            self.server.requests.append(fault)
        places = {"to-file": "file:///etc/hostname", "to-ftp": "ftp://127.0.0.1/x", "to-nonsense": "http://[::1"}
        if fault.isdigit():
            self.send_error(int(fault))
        elif fault == "reset":
            self.close_connection = True
        elif fault == "no-http":
            self.wfile.write(b"rubbish\n\n")
        elif fault == "silent":
            self.server.over.wait()
        elif fault == "in-circles":
            self.redirect(f"/in-circles?{time.monotonic_ns()}")
        elif fault in places:
            self.redirect(places[fault])
        elif fault == "to-good":
            self.redirect("/good")
        else:
            self.body(fault)

    def redirect(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def body(self, fault: str) -> None:
        self.send_response(200)
        if fault == "truncated-chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"1000\r\nshort")
            return
        body = {"empty": b"", "too-long": CONTENT + b"x", "other": CONTENT[::-1], "strange-length": b"x"}.get(
            fault, CONTENT
        )
        self.send_header("Content-Length", "many" if fault == "strange-length" else str(len(body)))
        self.end_headers()
        self.wfile.write(body[:1000] if fault in ("truncated", "stall") else body)
        if fault == "stall":
            self.server.over.wait()

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that gave up is what is tested."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.0)
    server = Server(("127.0.0.1", 0), Faulty)
    server.requests, server.lock, server.over = [], Lock(), Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def patience(monkeypatch, fault: str) -> None:
    """Wait for long, but not for the server that never answers."""
    monkeypatch.setattr(download, "TIMEOUT", 0.2 if fault in ("silent", "stall") else HANGS)


def left(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_every_fault_is_one_line_and_leaves_nothing(server, tmp_path, monkeypatch):
    target = tmp_path / "file.zip"
    for fault, (times, reason) in FAULTS.items():
        patience(monkeypatch, fault)
        server.requests.clear()
        with pytest.raises(DataError) as caught:
            fetch(f"{server.url}/{fault}", target, sha256=SHA256)
        message = str(caught.value)
        assert "\n" not in message, fault
        assert re.search(rf"downloading {server.url}/{fault} failed: .*({reason})", message), message
        assert f"fetch it by hand (sha256 {SHA256}) and put it at {target}" in message
        assert left(tmp_path) == [], fault
        wait_until(lambda times=times: len(server.requests) >= times)  # a thread notes those that were given up, too
        assert len(server.requests) == times, fault
    print(f"{len(FAULTS)} of {len(FAULTS)} faults end in one line with the URL and what to do by hand")


def test_every_fault_of_the_first_place_leads_to_the_next(server, tmp_path, monkeypatch):
    fetch_once = download._download_once

    def patient(url, *arguments):
        patience(monkeypatch, url.rpartition("/")[2])
        return fetch_once(url, *arguments)

    monkeypatch.setattr(download, "_download_once", patient)
    for fault in FAULTS:
        fetch([f"{server.url}/{fault}", f"{server.url}/to-good"], tmp_path / fault, sha256=SHA256)
        assert (tmp_path / fault).read_bytes() == CONTENT
    assert left(tmp_path) == sorted(FAULTS)
    print(f"{len(FAULTS)} of {len(FAULTS)} faults were got round by the next mirror")


@pytest.mark.parametrize(
    ("first", "then", "followed"),
    [
        ("https://a/x", "https://b/y", True),
        ("http://a/x", "https://b/y", True),
        ("http://a/x", "http://b/y", True),
        ("https://a/x", "http://b/y", False),
        ("https://a/x", "ftp://b/y", False),
        ("http://a/x", "data:,x", False),
    ],
)
def test_no_redirection_out_of_https(first, then, followed):
    request = urllib.request.Request(first)
    arguments = request, io.BytesIO(), 302, "Found", {}, then
    handler = download._StaysSecure()
    if followed:
        assert handler.redirect_request(*arguments).full_url == then
    else:
        with pytest.raises(DataError, match="not followed"):
            handler.redirect_request(*arguments)


def fetch_it(url: str, target, begin) -> None:
    begin.wait()
    fetch(url, target, sha256=SHA256)


def test_two_processes_at_once_download_once(server, tmp_path):
    context = multiprocessing.get_context("fork")  # the quickest; nothing else runs in them
    begin = context.Event()
    arguments = f"{server.url}/good", tmp_path / "f", begin
    processes = [context.Process(target=fetch_it, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    begin.set()
    for process in processes:
        process.join(HANGS)
    assert [process.exitcode for process in processes] == [0, 0]
    assert server.requests == ["good"]
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert left(tmp_path) == ["f"]
    print("2 processes at once, 1 download")


@pytest.mark.slow
def test_eight_processes_at_once_ten_times(server, tmp_path):
    context = multiprocessing.get_context("fork")
    for number in range(10):
        begin = context.Event()
        arguments = f"{server.url}/good", tmp_path / str(number), begin
        processes = [context.Process(target=fetch_it, args=arguments) for _ in range(8)]
        for process in processes:
            process.start()
        begin.set()
        for process in processes:
            process.join(HANGS)
        assert [process.exitcode for process in processes] == [0] * 8
    assert server.requests == ["good"] * 10
    print("10 times 8 processes at once, 10 downloads")
