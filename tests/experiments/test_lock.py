import contextlib
import dataclasses
import itertools
import json
import os
import socket
import subprocess
import sys

import pytest

from experiments.records import lock
from experiments.records.lock import NAME, Owner, RunIsLocked, holder, only_writer
from experiments.records.provenance import ROOT
from tests.support.waiting import HANGS

HOLD = """
import sys
from pathlib import Path
from experiments.records.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def alive(tmp_path):
    """A process that holds the lock of the folder."""
    command, pipe = [sys.executable, "-c", HOLD, str(tmp_path)], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def dead():
    """The process id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def squeue(tmp_path_factory, monkeypatch):
    """Puts a program of this text on PATH as squeue; its arguments go to the file that is returned."""

    def put(text: str):
        folder = tmp_path_factory.mktemp("bin")
        (folder / "squeue").write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\n{text}\n')
        (folder / "squeue").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder / "asked"

    for name in ("JOB_ID", "ARRAY_JOB_ID", "ARRAY_TASK_ID", "RESTART_COUNT"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    return put


def leave(folder, **owner) -> Owner:
    """A lock as another process would have left it."""
    owner = Owner(**{"host": socket.gethostname(), "pid": 1, "since": "2026-01-02 03:04:05 UTC", "token": "t", **owner})
    (folder / NAME).write_text(json.dumps(dataclasses.asdict(owner)))
    return owner


def is_taken_over(folder) -> bool:
    """Whether the lock of the folder is; nothing is left behind if so, and all is as it was if not."""
    before, stale = (folder / NAME).read_text(), holder(folder) is None
    try:
        with only_writer(folder):
            assert holder(folder).pid == os.getpid()
            assert [path.name for path in folder.iterdir()] == [NAME]
    except RunIsLocked:
        assert (folder / NAME).read_text() == before
        assert not stale
        return False
    assert not list(folder.iterdir())
    assert stale
    return True


def test_the_second_says_who_holds_it(tmp_path, alive):
    text = rf"trained by process {alive.pid} on {socket.gethostname()}, since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC$"
    with pytest.raises(RunIsLocked, match=text), only_writer(tmp_path):
        pass
    assert alive.poll() is None
    assert holder(tmp_path).pid == alive.pid


def test_it_says_which_job_holds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with only_writer(tmp_path):
        assert holder(tmp_path).job == "17"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    with (
        only_writer(tmp_path),
        pytest.raises(RunIsLocked, match="Slurm job 12_3, since"),
        only_writer(tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, alive):
    assert not is_taken_over(tmp_path)
    alive.kill()
    os.waitid(os.P_PID, alive.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie, which holds nothing either
    assert is_taken_over(tmp_path)


def test_an_error_inside_frees_it(tmp_path):
    with pytest.raises(KeyError), only_writer(tmp_path):
        raise KeyError
    assert holder(tmp_path) is None
    with only_writer(tmp_path):
        pass


def test_a_lock_that_is_not_ours_any_more_is_left(tmp_path):
    with only_writer(tmp_path):
        owner = leave(tmp_path, pid=os.getpid())
    assert holder(tmp_path) == owner


def test_a_used_process_id_is_not_its_former_process(tmp_path):
    ours = lock._start(os.getpid())
    leave(tmp_path, pid=os.getpid(), started=ours)
    assert not is_taken_over(tmp_path)
    leave(tmp_path, pid=os.getpid(), started=str(int(ours) - 1))
    assert is_taken_over(tmp_path)


@pytest.mark.parametrize("started", ["", "1"])
def test_no_such_process(tmp_path, dead, started):
    leave(tmp_path, pid=dead, started=started)
    assert is_taken_over(tmp_path)


def test_an_earlier_attempt_of_a_job_of_this_host(tmp_path, dead, squeue, monkeypatch):
    squeue("echo RUNNING")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    leave(tmp_path, pid=dead, job="17")
    assert is_taken_over(tmp_path)


def test_an_earlier_attempt_of_our_job_on_another_host(tmp_path, squeue, monkeypatch):
    squeue("echo RUNNING")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    leave(tmp_path, host="elsewhere", job="17")
    assert not is_taken_over(tmp_path)  # the same attempt: a job on two hosts
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert is_taken_over(tmp_path)


def test_another_host_without_a_job_is_never_taken_over(tmp_path, squeue):
    asked = squeue("exit 0")
    leave(tmp_path, host="elsewhere", pid=5)
    assert not is_taken_over(tmp_path)
    assert not asked.exists()
    text = f"process 5 on elsewhere, since 2026.* UTC; if that process is gone, delete {tmp_path / NAME}$"
    with pytest.raises(RunIsLocked, match=text), only_writer(tmp_path):
        pass


@pytest.mark.parametrize(
    ("answer", "ended"),
    [
        ("exit 0", True),
        ("echo COMPLETED", True),
        ("echo slurm_load_jobs error: Invalid job id specified >&2; exit 1", True),
        ("echo RUNNING", False),
        ("echo COMPLETING", False),
        ("echo PENDING", False),
        ("echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1", False),
        ("exit 127", False),
    ],
)
def test_a_job_of_another_host(tmp_path, squeue, monkeypatch, answer, ended):
    monkeypatch.setattr(lock, "SQUEUE_SECONDS", HANGS)
    asked = squeue(answer)
    leave(tmp_path, host="elsewhere", job="12_3")
    assert is_taken_over(tmp_path) == ended
    assert set(asked.read_text().splitlines()) == {"-h -j 12_3 -o %T"}


def test_a_job_whose_squeue_does_not_answer(tmp_path, squeue, monkeypatch):
    monkeypatch.setattr(lock, "SQUEUE_SECONDS", 0.1)
    squeue(f"exec sleep {HANGS}")
    leave(tmp_path, host="elsewhere", job="17")
    assert not is_taken_over(tmp_path)


def test_a_job_where_there_is_no_squeue(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    leave(tmp_path, host="elsewhere", job="17")
    assert not is_taken_over(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "17\nelsewhere\n", "[]", '{"pid": "1"}', '{"pid": 1, "nothing": 2}'])
def test_an_unreadable_lock_holds(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    assert not is_taken_over(tmp_path)
    with pytest.raises(RunIsLocked, match="by another process; if that process is gone, delete"), only_writer(tmp_path):
        pass


def test_a_take_over_that_was_cut_short(tmp_path, dead):
    leave(tmp_path, pid=dead, token="second")
    (tmp_path / NAME).rename(tmp_path / f"{NAME}-first")  # a dead process's, that wanted to take over ...
    leave(tmp_path, pid=dead, token="first")  # ... this one
    assert is_taken_over(tmp_path)


def test_a_take_over_that_is_under_way(tmp_path, dead):
    leave(tmp_path, pid=os.getpid(), started=lock._start(os.getpid()))
    (tmp_path / NAME).rename(tmp_path / f"{NAME}-first")
    stale = leave(tmp_path, pid=dead, token="first")
    with pytest.raises(RunIsLocked, match=f"process {os.getpid()} on"), only_writer(tmp_path):
        pass
    assert json.loads((tmp_path / NAME).read_text()) == dataclasses.asdict(stale)


@pytest.mark.parametrize("reading", [1, 2, 3])
def test_another_comes_in_between(tmp_path, dead, monkeypatch, reading):
    leave(tmp_path, pid=dead)
    stale, read, times, winners = lock._read(tmp_path / NAME), lock._read, itertools.count(1), []

    with contextlib.ExitStack() as held:

        def come(name):
            with contextlib.suppress(RunIsLocked):
                held.enter_context(only_writer(tmp_path))
                winners.append(name)

        def read_and_wait(path):
            if (text := read(path)) == stale and next(times) == reading:
                monkeypatch.setattr(lock, "_read", read)
                come("the other")  # after we have read, before we do anything about it
            return text

        monkeypatch.setattr(lock, "_read", read_and_wait)
        come("we")
        # The third time is the check before the deletion: who has come so far is the one.
        assert winners == (["we"] if reading == 3 else ["the other"])


def test_without_hard_links(tmp_path, dead, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with only_writer(tmp_path), pytest.raises(RunIsLocked, match=f"process {os.getpid()} on"), only_writer(tmp_path):
        pass
    leave(tmp_path, pid=dead)
    assert is_taken_over(tmp_path)
