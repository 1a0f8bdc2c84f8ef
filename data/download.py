"""Downloads that are complete and verified, or not there at all."""

import contextlib
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock
from tqdm import tqdm

from .errors import DataError

ATTEMPTS = 3
TIMEOUT = 60  # seconds without a byte
PAUSE = 2.0  # seconds before the second attempt, doubled before the third
CHUNK = 2**20


def fetch(url: str, target: Path, md5: str) -> None:
    """Download `url` to `target` unless it is there; processes that share the root download it once.

    The bytes go to `target`.part, which gets its final name once the checksum is right and is removed otherwise.

    Args:
        url: where it is.
        target: the file to make.
        md5: its MD5, hex.

    Raises:
        DataError: one line with the URL, what went wrong, and where to put the file by hand.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if target.exists():
                return
            try:
                _download(url, part, md5)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)
    except (OSError, http.client.HTTPException, _BadDownloadError) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        if isinstance(error, urllib.error.HTTPError):
            reason = f"HTTP status {error.code}"
        raise DataError(
            f"downloading {url} failed: {reason}; fetch it by hand (md5 {md5}) and put it at {target.absolute()}"
        ) from error


class _BadDownloadError(Exception):
    """The server's bytes are not the file."""


def _download(url: str, part: Path, md5: str) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return _download_once(url, part, md5)
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS - 1:
                raise  # the server has understood and refuses
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException, _BadDownloadError):
            if attempt == ATTEMPTS - 1:
                raise
        time.sleep(PAUSE * 2**attempt)


def _download_once(url: str, part: Path, md5: str) -> None:
    digest, received = hashlib.md5(usedforsecurity=False), 0
    with contextlib.ExitStack() as stack:
        response = stack.enter_context(urllib.request.urlopen(url, timeout=TIMEOUT))
        length = int(response.headers.get("Content-Length") or 0)
        bar = tqdm(total=length or None, desc=part.stem, unit="B", unit_scale=True, disable=None)
        stack.enter_context(bar)
        file = stack.enter_context(open(part, "wb"))
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    if length and received != length:
        raise _BadDownloadError(f"the connection ended after {received} of {length} bytes")
    if digest.hexdigest() != md5:
        raise _BadDownloadError(f"its MD5 is {digest.hexdigest()}, expected {md5}")
