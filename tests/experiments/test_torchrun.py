"""The training command in two processes that torchrun starts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models
from experiments import records
from experiments.grid import Run
from experiments.records.provenance import ROOT
from experiments.training.job import train
from experiments.training.session import Session
from tests.support.runs import cli, tiny_run
from tests.support.training import record_of, silent
from tests.support.waiting import HANGS

TEXT = ("epochs=2", "model_options.dropout=0", "data_options.train_size=333")


# The command with a model in float64. Sums over processes come in another order than those of one, and training
# amplifies that: from the 8th digit of float32 into what is compared, from the 16th of float64 not.
DOUBLE = """
import models
from experiments import train
build = models.build
models.build = lambda *arguments, **options: build(*arguments, **options).double()
"""
# The command; after its second epoch the process of rank 1 is asked to stop.
ASKED = """
import os, signal
from dataclasses import replace
from experiments import train
original = train.train

def on_epoch(row):
    if row["epoch"] == 2 and os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGUSR1)

train.train = lambda run, session: original(run, replace(session, on_epoch=on_epoch))
"""


def torchrun(run: Run, runs: Path, code: str = "from experiments import train\n") -> tuple[int, str]:
    """The command in two processes: exit status, and what they said."""
    script = runs.parent / "command.py"
    script.write_text(f"import sys\n{code}\nif __name__ == '__main__':\n    sys.exit(train.main(sys.argv[1:]))\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    command += cli(run, "--runs", str(runs), "--device", "cpu")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=HANGS)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("method", ["adafocal", pytest.param("mmce", marks=pytest.mark.slow)])
def test_two_processes_come_to_the_record_of_one(method, tmp_path, monkeypatch):
    run = Run.make("demo", "topics", "cnn", method, 0, TEXT)
    status, said = torchrun(run, tmp_path / "two", DOUBLE)
    assert status == 0, said
    build = models.build
    monkeypatch.setattr(models, "build", lambda *arguments, **options: build(*arguments, **options).double())
    train(run, Session(runs=tmp_path / "one", say=silent))
    for name in (records.HISTORY, records.BINS):
        one, two = (
            pd.read_csv(run.folder(tmp_path / runs) / name).drop(columns="seconds", errors="ignore")
            for runs in ("one", "two")
        )
        assert list(one) == list(two)
        assert np.allclose(one, two, rtol=1e-6, atol=1e-6, equal_nan=True)  # float32 logits, confidences and gammas


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_the_run_goes_on_the_same(tmp_path):
    run = tiny_run("adafocal")
    folder = run.folder(tmp_path / "parts")
    assert torchrun(run, tmp_path / "whole")[0] == 0
    status, said = torchrun(run, tmp_path / "parts", ASKED)
    assert status != 0
    assert "as asked: the same command goes on from there" in said
    assert not records.is_finished(folder)
    status, said = torchrun(run, tmp_path / "parts")
    assert status == 0
    assert "going on after epoch 2 of 4" in said
    assert record_of(folder) == record_of(run.folder(tmp_path / "whole"))


def test_a_refusal_of_the_first_process_is_one_of_all(tmp_path):
    run = tiny_run("ce")
    folder = run.folder(tmp_path / "runs")
    folder.mkdir(parents=True)
    (folder / ".lock").mkdir()  # nobody can take it
    status, said = torchrun(run, tmp_path / "runs")
    assert status != 0
    assert "error: " in said


# The command: the process of rank 1 fails while the other waits for it; leaving in order hangs, as NCCL's does.
FAILING = """
import time
import torch.distributed as dist
from experiments import train
from experiments.training.loop import Training

def epoch(self, whole=Training.train_epoch):
    if self.world.rank == 1:
        raise KeyError("in one process")
    return whole(self)

def wait():
    while True:
        time.sleep(1)

Training.train_epoch, dist.destroy_process_group = epoch, wait
"""


def test_an_error_of_one_process_is_shown_and_ends_all(tmp_path):
    status, said = torchrun(tiny_run("ce"), tmp_path / "runs", FAILING)
    assert status == 1
    assert "KeyError: 'in one process'" in said
