"""Signals as a cluster sends them, to every process of a job, while workers decode photographs."""

import os
import signal
import subprocess
import sys

import pytest

from experiments import records
from experiments.grid import Run
from experiments.records.provenance import ROOT
from experiments.train import PREEMPTED
from experiments.training import checkpoint
from tests.support.imagenet import OPTIONS, make_imagenet
from tests.support.runs import cli
from tests.support.training import record_of
from tests.support.waiting import HANGS, started, wait_until

SETTINGS = ("epochs=3", "batch_size=8", "eval_batch_size=8", "data_options.workers=2")
RUN = Run.make(
    "quick", "imagenet", "resnet50", "ce", 0, (*SETTINGS, *(f"data_options.{k}={v}" for k, v in OPTIONS.items()))
)
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


def begin(launcher, root, runs):
    command = [sys.executable, *launcher, "-m", "experiments.train", *cli(RUN), "--runs", str(runs)]
    return started(
        [*command, "--data-root", str(root)], cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.STDOUT,
    )  # fmt: skip


def to_every_process(process):
    os.killpg(process.pid, signal.SIGTERM)


def to_torchrun(process):
    process.terminate()  # which hands it on to every process of every rank


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "send", "status"),
    [((), to_every_process, PREEMPTED), (TORCHRUN, to_torchrun, None)],  # torchrun has a status of its own
    ids=["alone", "torchrun"],
)
def test_a_run_with_workers_stops_after_a_checkpoint_and_goes_on_the_same(launcher, send, status, tmp_path):
    root = make_imagenet(tmp_path / "data", train=20)
    with begin(launcher, root, tmp_path / "whole") as whole:
        said = whole.communicate(timeout=HANGS)[0]
        assert whole.returncode == 0, said
    folder = RUN.folder(tmp_path / "parts")
    history = folder / records.HISTORY
    with begin(launcher, root, tmp_path / "parts") as stopped:
        wait_until(lambda: history.exists() and history.read_text(), stopped)
        send(stopped)
        said = stopped.communicate(timeout=HANGS)[0]
    assert "as asked: the same command goes on from there" in said
    assert stopped.returncode == status if status else stopped.returncode != 0
    assert (folder / checkpoint.CURRENT).exists()
    assert not records.is_finished(folder)
    with begin(launcher, root, tmp_path / "parts") as again:
        said = again.communicate(timeout=HANGS)[0]
        assert again.returncode == 0, said
    assert "going on after epoch" in said
    assert record_of(folder) == record_of(RUN.folder(tmp_path / "whole"))
