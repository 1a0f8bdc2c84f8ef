"""One writer per run: a file that says who trains it.

The file appears whole or not at all (`os.link` of one written beside it), also on network file systems without flock.
One whose process has ended is taken over.
"""

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

NAME, SQUEUE_SECONDS = ".lock", 10
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"}


class RunIsLocked(RuntimeError):
    """Another process is training this run."""


@dataclass(frozen=True)
class Owner:
    """Who holds a lock; the default is somebody whose file cannot be read."""

    host: str = ""
    pid: int = 0
    started: str = ""  # the process, in clock ticks since boot: a process id is used again, with another start
    job: str = ""  # of Slurm: "12", in an array "12_3"
    attempt: int = 0  # how often Slurm has requeued the job
    since: str = ""
    token: str = ""  # no two locks are the same text

    def __str__(self) -> str:
        job = f", Slurm job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}, since {self.since}" if self.pid else "another process"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, which exists.

    Raises:
        RunIsLocked: another process holds it; the message says which.
    """
    path, mine = Path(folder) / NAME, json.dumps(asdict(_ourselves()))
    _acquire(path, mine)
    try:
        yield
    finally:
        if _read(path) == mine:
            path.unlink(missing_ok=True)


def holder(folder: Path) -> Owner | None:
    """Who trains the run of this folder; None where nobody does, or where the one that did has ended."""
    owner = _parse(text) if (text := _read(Path(folder) / NAME)) is not None else None
    return owner if owner and _is_alive(owner) else None


def _acquire(path: Path, mine: str) -> None:
    while not _place(path, mine):
        if (text := _read(path)) is None:  # released meanwhile
            continue
        if _is_alive(owner := _parse(text)):
            hint = "" if owner.host == socket.gethostname() else f"; if that process is gone, delete {path}"
            raise RunIsLocked(f"{path.parent} is being trained by {owner}{hint}")
        # Who deletes a stale lock must know that it is not a new one by now: that takes a lock on the stale one, which
        # in its turn may have been left by a dead process.
        claim = path.with_name(f"{path.name}-{owner.token}")
        _acquire(claim, mine)
        try:
            if _read(path) == text:
                path.unlink()
        finally:
            claim.unlink()


def _place(path: Path, mine: str) -> bool:
    """Make the file unless there is one; returns whether it was made."""
    temporary = path.with_name(f".new{NAME}-{uuid.uuid4().hex}")
    temporary.write_text(mine)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # no hard links here: as exclusive, but for a moment the file is empty
        with suppress(FileExistsError), path.open("x") as file:
            file.write(mine)
    finally:
        temporary.unlink()
    return _read(path) == mine  # not what link() said: NFS repeats a request whose answer was lost


def _read(path: Path) -> str | None:
    with suppress(FileNotFoundError):
        return path.read_text(errors="replace")
    return None


def _parse(text: str) -> Owner:
    with suppress(ValueError, TypeError):
        if (owner := Owner(**json.loads(text))).pid > 0:
            return owner
    return Owner()


def _ourselves() -> Owner:
    get, pid, array = os.environ.get, os.getpid(), os.environ.get("SLURM_ARRAY_JOB_ID")
    job = f"{array}_{get('SLURM_ARRAY_TASK_ID')}" if array else get("SLURM_JOB_ID", "")
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    host, attempt, token = socket.gethostname(), int(get("SLURM_RESTART_COUNT") or 0), uuid.uuid4().hex
    return Owner(host, pid, _start(pid) or "", job, attempt, since, token)


def _is_alive(owner: Owner) -> bool:
    """Whether the owner may still be training; where that cannot be told, it is."""
    us = _ourselves()
    if owner.host == us.host:  # an unknown start is taken for the same
        return (start := _start(owner.pid)) is not None and (start == owner.started or "" in (start, owner.started))
    if owner.job and owner.job == us.job and owner.attempt < us.attempt:
        return False  # we are the same job, requeued to another host
    return not owner.job or _job_goes_on(owner.job)


def _start(pid: int) -> str | None:
    """When a process of this host was started; "" where the system does not say, None where it has ended."""
    try:
        with suppress(PermissionError):  # another user's process: it is there
            os.kill(pid, 0)
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (ProcessLookupError, OverflowError):
        return None
    except OSError:
        return ""
    return None if state in "ZX" else fields[18]  # the 22nd of the line


def _job_goes_on(job: str) -> bool:
    try:
        command = ["squeue", "-h", "-j", job, "-o", "%T"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SQUEUE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return "Invalid job id" not in done.stderr if done.returncode else not _ENDED.issuperset(done.stdout.split())
