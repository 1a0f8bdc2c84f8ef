"""Downloads that are complete and verified, or not there at all."""

import contextlib
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from data.errors import DataError
from data.files.durable import sync

ATTEMPTS = 3
TIMEOUT = 60  # seconds without a byte
PAUSE = 2.0  # seconds before the second attempt, doubled before the third
CHUNK = 2**20


def fetch(
    url: str | Sequence[str],
    target: Path,
    md5: str | None = None,
    *,
    sha256: str | None = None,
    verify: Callable[[Path], object] | None = None,
) -> None:
    """Download `url` to `target` unless it is there; processes that share the root download it once.

    The bytes go to `target`.part, which gets its final name once they are verified and is removed otherwise.

    Args:
        url: where it is; or several places, which are tried in turn.
        target: the file to make.
        md5: its MD5, hex.
        sha256: its SHA-256, hex.
        verify: called with the complete file before it gets its name, where no checksum is published; raises
            DataError for one that is not what it should be.

    Raises:
        DataError: one line with the URL, what went wrong, and where to put the file by hand.
    """
    urls = [url] if isinstance(url, str) else list(url)
    algorithm, expected = ("sha256", sha256) if sha256 else ("md5", md5)
    part = target.with_name(target.name + ".part")
    failures = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if target.exists():
                return
            for place in urls:
                try:
                    _download(place, part, algorithm, expected)
                    if verify:
                        verify(part)
                    os.replace(part, target)
                    return
                except (OSError, http.client.HTTPException, _BadDownloadError, ValueError) as error:
                    failures.append((place, error))
                finally:
                    part.unlink(missing_ok=True)
    except OSError as error:  # the folder or the lock
        failures.append((urls[0], error))
    reasons = "; ".join(f"downloading {place} failed: {_reason(error)}" for place, error in failures)
    checksum = f" ({algorithm} {expected})" if expected else ""
    raise DataError(f"{reasons}; fetch it by hand{checksum} and put it at {target.absolute()}") from failures[-1][1]


def _reason(error: Exception) -> str:
    reason = " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code}" + (f", {reason}" if error.code < 400 else "")  # a bad redirection
    return reason


class _BadDownloadError(Exception):
    """The server's bytes are not the file."""


class _StaysSecure(urllib.request.HTTPRedirectHandler):
    """Follows redirections to http or https, but none from https to http, where anybody could change the bytes."""

    def redirect_request(self, request, response, code, message, headers, url):
        scheme = urllib.parse.urlsplit(url).scheme
        if scheme not in ("http", "https") or (request.type == "https" and scheme != "https"):
            raise DataError(f"it redirects to {url}, which is not followed")
        return super().redirect_request(request, response, code, message, headers, url)


def _download(url: str, part: Path, algorithm: str, expected: str | None) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return _download_once(url, part, algorithm, expected)
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS - 1:
                raise  # the server has understood and refuses
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException, _BadDownloadError):
            if attempt == ATTEMPTS - 1:
                raise
        time.sleep(PAUSE * 2**attempt)


def _download_once(url: str, part: Path, algorithm: str, expected: str | None) -> None:
    digest, received = hashlib.new(algorithm, usedforsecurity=False), 0
    with contextlib.ExitStack() as stack:
        opener = urllib.request.build_opener(_StaysSecure)
        response = stack.enter_context(opener.open(url, timeout=TIMEOUT))
        length = response.headers.get("Content-Length", "")
        length = int(length) if length.isdecimal() else 0
        bar = tqdm(total=length or None, desc=part.stem, unit="B", unit_scale=True, disable=None)
        stack.enter_context(bar)
        file = stack.enter_context(open(part, "wb"))
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            bar.update(len(chunk))
        file.flush()
        sync(file.fileno())
    if length and received != length:
        raise _BadDownloadError(f"the connection ended after {received} of {length} bytes")
    if expected and digest.hexdigest() != expected:
        name = {"md5": "MD5", "sha256": "SHA-256"}[algorithm]
        raise _BadDownloadError(f"its {name} is {digest.hexdigest()}, expected {expected}")
