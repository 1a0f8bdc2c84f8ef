import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from experiments import records, run
from experiments.records import lock
from experiments.records.provenance import ROOT
from experiments.training import checkpoint
from tests.support.runs import ENDLESS, cli, tiny_run
from tests.support.waiting import HANGS, started, wait_until


def heed_interrupts():
    """A shell's background jobs are started with SIGINT ignored, and so would be what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def holder(path) -> lock.Owner | None:
    return lock.holder(path.parent)


def command(module: str, *arguments: str):
    """A command in a process of its own, which heeds interrupts."""
    options = {
        "cwd": ROOT,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "text": True,
        "start_new_session": True,
    }
    return started([sys.executable, "-m", module, *arguments], preexec_fn=heed_interrupts, **options)


def test_ctrl_c_on_a_run_says_how_to_go_on(tmp_path):
    run = tiny_run("ce", 0, ENDLESS)
    with command("experiments.train", *cli(run, "--runs", str(tmp_path))) as process:
        wait_until((run.folder(tmp_path) / records.HISTORY).exists, process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=HANGS)[1].endswith("the same command goes on from the last checkpoint\n")
        assert process.returncode == 130
    assert not (run.folder(tmp_path) / ".lock").exists()


def test_ctrl_c_on_the_launcher_leaves_no_worker(tmp_path):
    with command("experiments.run", "--runs", str(tmp_path), "--workers", "1", "--device", "cpu") as process:
        wait_until(lambda: list(tmp_path.rglob(records.HISTORY)), process)
        workers = []
        wait_until(lambda: workers or workers.extend(filter(None, map(holder, tmp_path.rglob(".lock")))), process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=HANGS)[1]
        assert said == "stopped; the same command goes on from the last checkpoints\n"
        assert process.returncode == 130
    wait_until(lambda: lock._start(workers[0].pid) != workers[0].started)  # else it goes on training


def to_the_launcher(process):
    process.send_signal(signal.SIGTERM)


def to_the_whole_job(process):
    os.killpg(process.pid, signal.SIGUSR1)


@pytest.mark.parametrize("send", [to_the_launcher, to_the_whole_job])
def test_a_signal_stops_every_run_after_a_checkpoint(send, tmp_path):
    with command("experiments.run", "--runs", str(tmp_path), "--workers", "2", "--device", "cpu") as process:
        wait_until(lambda: len(list(tmp_path.rglob(records.HISTORY))) >= 2, process)
        send(process)
        said = process.communicate(timeout=HANGS)[1]
        assert said.endswith("the same command goes on from the last checkpoints\n")
        assert "Traceback" not in said
        assert process.returncode == 75
    begun, kept = ({path.parent for path in tmp_path.rglob(name)} for name in (records.HISTORY, checkpoint.CURRENT))
    assert kept == begun
    assert not list(tmp_path.rglob(".lock"))


def chatter(progress):
    run._start_worker(progress, "cpu")
    for _ in range(2000):
        progress.put("x" * 1000)


def test_a_worker_ends_though_nobody_reads_its_news():
    # more than a pipe holds: it used to wait for the launcher, which waited for it
    context = multiprocessing.get_context("spawn")
    progress = context.Queue()  # kept: a reader that is gone would end the wait
    worker = context.Process(target=chatter, args=(progress,))
    worker.start()
    worker.join(HANGS)
    hung = worker.is_alive()
    worker.kill()
    assert not hung
