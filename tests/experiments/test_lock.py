import contextlib
import dataclasses
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from experiments import lock, records
from experiments.lock import NAME, Owner, RunIsLocked, holder, only_writer
from experiments.provenance import ROOT
from tests.experiments.tiny import cli, tiny_run

PROCESSES = 8
HOLD = """
import sys, time
from pathlib import Path
from experiments.lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
# Each of several folders in turn, at the same moment as the other processes; a winner holds it to the end.
RACE = """
import contextlib, sys, time
from pathlib import Path
from experiments.lock import RunIsLocked, only_writer
print("ready", flush=True)
with contextlib.ExitStack() as held:
    for line in sys.stdin:
        moment, folder = line.rstrip("\\n").split(" ", 1)
        time.sleep(max(0, float(moment) - time.time()))
        try:
            held.enter_context(only_writer(Path(folder)))
            print("won", flush=True)
        except RunIsLocked as error:
            print(error, flush=True)
"""
# The command in copies of one process; prints "process-id exit-status last line of stderr" as they end.
FORKS = """
import os, sys, time
from pathlib import Path
import sklearn.datasets, torch._dynamo  # which are imported late, by each copy for itself
from experiments.train import main
count, runs, *arguments = sys.argv[1:]
go = time.time() + 0.2
for _ in range(int(count)):
    if os.fork() == 0:
        sys.stdout = open(os.devnull, "w")
        sys.stderr = open(Path(runs) / f"{os.getpid()}.err", "w")
        time.sleep(max(0, go - time.time()))
        status = main(arguments)
        sys.stderr.close()
        os._exit(status)
for _ in range(int(count)):
    pid, status = os.wait()
    lines = (Path(runs) / f"{pid}.err").read_text().splitlines() or [""]
    print(pid, os.waitstatus_to_exitcode(status), lines[-1], flush=True)
"""


@pytest.fixture
def alive(tmp_path):
    """A process that holds the lock of the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


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
    alive.kill()  # not waited for: a zombie holds nothing either
    time.sleep(0.2)
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
        ("sleep 5", False),
        ("exit 127", False),
    ],
)
def test_a_job_of_another_host(tmp_path, squeue, monkeypatch, answer, ended):
    monkeypatch.setattr(lock, "SQUEUE_SECONDS", 0.5)
    asked = squeue(answer)
    leave(tmp_path, host="elsewhere", job="12_3")
    assert is_taken_over(tmp_path) == ended
    assert set(asked.read_text().splitlines()) == {"-h -j 12_3 -o %T"}


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


def test_one_of_many_takes_a_stale_lock_over(tmp_path, dead):
    folders = [tmp_path / f"{number}" for number in range(20)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        if number % 2:  # half of them with a take-over that was cut short
            leave(folder, pid=dead, token="second")
            (folder / NAME).rename(folder / f"{NAME}-first")
        leave(folder, pid=dead, token="first")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RACE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for _ in range(PROCESSES)
    ]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * PROCESSES
        refused = 0
        for folder in folders:
            moment = time.time() + 0.05
            for process in processes:
                process.stdin.write(f"{moment} {folder}\n")
            answers = [process.stdout.readline() for process in processes]
            assert answers.count("won\n") == 1, answers
            refused += sum("is being trained by process" in answer for answer in answers)
            assert [path.name for path in folder.iterdir()] == [NAME]
            assert holder(folder).pid == processes[answers.index("won\n")].pid
        assert refused == len(folders) * (PROCESSES - 1)
        print(f"{len(folders)} stale locks x {PROCESSES} processes: {len(folders)} taken over, {refused} refused")
    finally:
        for process in processes:
            process.communicate(timeout=30)
    assert not [path for folder in folders for path in folder.iterdir()]


def commands_together(runs, arguments):
    """The command in several new processes; yields (process id, exit status, last line of stderr) as they end."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "experiments.train", *arguments],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(PROCESSES)
    ]  # fmt: skip
    try:
        while processes:
            for process in [process for process in processes if process.poll() is not None]:
                processes.remove(process)
                lines = process.communicate()[1].splitlines()
                yield process.pid, process.returncode, lines[-1] if lines else ""
            time.sleep(0.01)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def forks_together(runs, arguments):
    """As `commands_together`, in copies of a process that has imported all: they come to the lock at the same time."""
    command = [sys.executable, "-c", FORKS, str(PROCESSES), str(runs), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        try:
            for line in parent.stdout:
                pid, status, text = line.rstrip("\n").split(" ", 2)
                yield int(pid), int(status), text
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def start_together(runs, together) -> float:
    """One run in several processes, of which one trains; returns the seconds to the last refusal."""
    run = tiny_run("ce", 0, "epochs=30")
    folder, seen = run.folder(runs), {}

    def stop_the_holder():
        while "owner" not in seen and not given_up.wait(0.005):
            if owner := holder(folder):
                os.kill(owner.pid, signal.SIGSTOP)  # so that it holds the lock until all the others have come
                seen.update(owner=owner, begin=time.monotonic())

    given_up = threading.Event()
    watch = threading.Thread(target=stop_the_holder)
    watch.start()
    try:
        ends = together(runs, cli(run, "--runs", str(runs), "--device", "cpu"))
        others = list(itertools.islice(ends, PROCESSES - 1))
        seconds = time.monotonic() - seen["begin"]
        owner = seen["owner"]
        assert not records.is_finished(folder)
        assert holder(folder) == owner
        for pid, status, message in others:
            assert pid != owner.pid
            assert status == 2
            assert message == f"error: {folder} is being trained by {owner}"
            assert f"process {owner.pid} on {socket.gethostname()}, since " in message
        os.kill(owner.pid, signal.SIGCONT)
        assert [end[:2] for end in ends] == [(owner.pid, 0)]
    finally:
        given_up.set()
        watch.join()
        ends.close()
    records.read(folder, run)
    assert not [path for path in folder.iterdir() if NAME in path.name]
    return seconds


@pytest.mark.parametrize(
    ("rounds", "together"),
    [
        (2, forks_together),
        pytest.param(20, forks_together, marks=pytest.mark.slow),
        pytest.param(2, commands_together, marks=pytest.mark.slow),
    ],
)
def test_one_of_many_that_start_together_trains(tmp_path, monkeypatch, rounds, together):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    slowest = 0.0
    for number in range(rounds):
        runs = tmp_path / f"{number}"
        runs.mkdir()
        slowest = max(slowest, start_together(runs, together))
    print(
        f"{rounds} rounds x {PROCESSES} processes ({together.__name__}): {rounds} trained, "
        f"{rounds * (PROCESSES - 1)} refused, the slowest {slowest:.1f} s after the lock was taken"
    )
