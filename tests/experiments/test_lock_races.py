"""One of many processes that want a run at the same time gets it."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from experiments import records
from experiments.records.lock import NAME, Owner, holder
from experiments.records.provenance import ROOT
from tests.experiments.test_lock import dead, leave  # noqa: F401
from tests.support.runs import cli, tiny_run
from tests.support.waiting import HANGS

PROCESSES = 8
# Each of several folders in turn, at the same moment as the other processes; a winner holds it to the end.
RACE = """
import contextlib, sys, time
from pathlib import Path
from experiments.records.lock import RunIsLocked, only_writer
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
# The command, which once it has the lock does not train before the file of this name is there.
TRAIN = f"""
import contextlib, os, sys, time
from pathlib import Path
from experiments import train
from experiments.training import job
gate, only_writer = Path(sys.argv.pop(1)), job.only_writer

@contextlib.contextmanager
def only_writer_that_waits(folder):
    with only_writer(folder):
        end = time.monotonic() + {HANGS}
        while not gate.exists() and time.monotonic() < end:
            time.sleep(0.01)
        yield

job.only_writer = only_writer_that_waits
"""
ALONE = f"{TRAIN}\nsys.exit(train.main(sys.argv[1:]))\n"
# The command in copies of one process; prints "process-id exit-status last line of stderr" as they end.
FORKS = f"""{TRAIN}
import sklearn.datasets, torch._dynamo  # which are imported late, by each copy for itself
count, runs, *arguments = sys.argv[1:]
go = time.time() + 0.2
for _ in range(int(count)):
    if os.fork() == 0:
        sys.stdout = open(os.devnull, "w")
        sys.stderr = open(Path(runs) / f"{{os.getpid()}}.err", "w")
        time.sleep(max(0, go - time.time()))
        status = train.main(arguments)
        sys.stderr.close()
        os._exit(status)
for _ in range(int(count)):
    pid, status = os.wait()
    lines = (Path(runs) / f"{{pid}}.err").read_text().splitlines() or [""]
    print(pid, os.waitstatus_to_exitcode(status), lines[-1], flush=True)
"""


def test_one_of_many_takes_a_stale_lock_over(tmp_path, dead):  # noqa: F811
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
            process.communicate(timeout=HANGS)
    assert not [path for folder in folders for path in folder.iterdir()]


def commands_together(gate, runs, arguments):
    """The command in several new processes; yields (process id, exit status, last line of stderr) as they end."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ALONE, str(gate), *arguments],
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


def forks_together(gate, runs, arguments):
    """As `commands_together`, in copies of a process that has imported all: they come to the lock at the same time."""
    command = [sys.executable, "-c", FORKS, str(gate), str(PROCESSES), str(runs), *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        try:
            for line in parent.stdout:
                pid, status, text = line.rstrip("\n").split(" ", 2)
                yield int(pid), int(status), text
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def start_together(runs, together) -> None:
    """One run in several processes, of which one trains, once all the others have been refused."""
    run, gate = tiny_run("ce"), runs / "all the others have come"
    folder = run.folder(runs)
    ends = together(gate, runs, cli(run, "--runs", str(runs), "--device", "cpu"))
    try:
        others = list(itertools.islice(ends, PROCESSES - 1))
        owner = Owner(**json.loads((folder / NAME).read_text()))
        assert holder(folder) == owner
        for pid, status, message in others:
            assert pid != owner.pid
            assert status == 2
            assert message == f"error: {folder} is being trained by {owner}"
            assert f"process {owner.pid} on {socket.gethostname()}, since " in message
        assert not records.is_finished(folder)
        gate.touch()
        assert [end[:2] for end in ends] == [(owner.pid, 0)]
    finally:
        ends.close()
    records.read(folder, run)
    assert not [path for path in folder.iterdir() if NAME in path.name]


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
    for number in range(rounds):
        runs = tmp_path / f"{number}"
        runs.mkdir()
        start_together(runs, together)
    print(f"{rounds} rounds x {PROCESSES} processes ({together.__name__}): 1 trained in each, the others were refused")
