import multiprocessing
import signal
import subprocess
import sys
import time

from experiments import checkpoint, records, run
from experiments.provenance import ROOT
from tests.experiments.tiny import cli, tiny_run


def heed_interrupts():
    """A shell's background jobs are started with SIGINT ignored, and so would be what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_on_a_run_says_how_to_go_on(tmp_path):
    run = tiny_run("ce", 0, "epochs=400")
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.train", *cli(run, "--runs", str(tmp_path))],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    while not (run.folder(tmp_path) / records.HISTORY).exists():
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].endswith("the same command goes on from the last checkpoint\n")
    assert process.returncode == 130
    assert not (run.folder(tmp_path) / ".lock").exists()


def test_ctrl_c_on_the_launcher_leaves_no_worker(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.run", "--runs", str(tmp_path), "--workers", "1", "--device", "cpu"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    while not list(tmp_path.rglob(records.HISTORY)):
        time.sleep(0.05)
        assert process.poll() is None
    history = next(iter(tmp_path.rglob(records.HISTORY)))
    process.send_signal(signal.SIGINT)
    assert "the same command goes on from the last checkpoints" in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    time.sleep(1)
    before = history.read_bytes()
    time.sleep(2)
    assert history.read_bytes() == before, "a worker went on training"


def test_sigterm_on_the_launcher_stops_every_run_after_a_checkpoint(tmp_path):
    command = [sys.executable, "-m", "experiments.run", "--runs", str(tmp_path), "--workers", "2", "--device", "cpu"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while len(list(tmp_path.rglob(records.HISTORY))) < 2:
        time.sleep(0.05)
        assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1].endswith("the same command goes on from the last checkpoints\n")
    assert process.returncode == 75
    assert len(list(tmp_path.rglob(checkpoint.CURRENT))) == 2
    assert not list(tmp_path.rglob(".lock"))


def chatter(progress):
    run._start_worker(progress)
    for _ in range(2000):
        progress.put("x" * 1000)


def test_a_worker_ends_though_nobody_reads_its_news():
    # more than a pipe holds: it used to wait for the launcher, which waited for it
    context = multiprocessing.get_context("spawn")
    progress = context.Queue()  # kept: a reader that is gone would end the wait
    worker = context.Process(target=chatter, args=(progress,))
    worker.start()
    worker.join(30)
    hung = worker.is_alive()
    worker.kill()
    assert not hung
