"""One writer per run."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import SoftFileLock, Timeout

NAME, OWNER = ".lock", ".lock-owner.json"


class RunIsLocked(RuntimeError):
    """Another process is training this run."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder.

    The lock is a file made with O_EXCL, which works on network file systems where flock does not; one left by a dead
    process of this machine is taken over.

    Raises:
        RunIsLocked: another process holds it; the message says which.
    """
    lock = SoftFileLock(folder / NAME, timeout=0.2, poll_interval=0.05)
    try:
        lock.acquire()
    except Timeout:
        raise RunIsLocked(f"{folder} is being trained by {_owner(folder)}") from None
    try:
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "job": os.environ.get("SLURM_JOB_ID")}
        (folder / OWNER).write_text(json.dumps({**owner, "since": time.strftime("%Y-%m-%d %H:%M:%S")}))
        yield
    finally:
        (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER).read_text())
        job = f", job {owner['job']}" if owner["job"] else ""
        return f"process {owner['pid']} on {owner['host']}{job}, since {owner['since']}"
    except (OSError, ValueError, KeyError):
        return f"another process (see {folder / NAME}; delete it if that process is gone)"
