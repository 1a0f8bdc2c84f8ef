"""Both trainers in two processes: each of them shows the loss the whole validation set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from experiments.records.provenance import ROOT
from tests.support.trainers import EPOCHS, by_hand, own_loop
from tests.support.waiting import HANGS

pytestmark = pytest.mark.slow

TRAINING = """
import os, sys
from pathlib import Path
import torch
from tests.support.trainers import own_loop
from tests.trainers.{module} import {function}

folder, rank = Path(sys.argv[1]), os.environ["RANK"]
done = {function}(own_loop(folder), folder, **{options})
torch.save({{"updates": done.updates, "gammas": done.loss.gammas}}, folder / f"rank{{rank}}.pt")
"""


def in_two_processes(folder: Path, **names) -> list[dict]:
    """What every process has seen: the logits and labels of its updates, and its gammas."""
    (folder / "command.py").write_text(TRAINING.format(**names))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, str(folder / "command.py"), str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.fixture
def val_labels(tmp_path):
    return own_loop(tmp_path).labels["val"]


def check_equal(processes: list[dict]) -> None:
    """Both have seen the same, and come to what it makes of the gammas by hand."""
    first, second = processes
    assert len(first["updates"]) == EPOCHS
    for one, other in zip(first["updates"], second["updates"], strict=True):
        assert all(map(torch.equal, one, other))
    for process in processes:
        assert torch.equal(process["gammas"], by_hand(process["updates"]).gammas)


def test_transformers_shows_every_sample_once(tmp_path, val_labels):
    pytest.importorskip("accelerate", reason="transformers.Trainer needs it")
    processes = in_two_processes(tmp_path, module="test_transformers", function="trained", options={})
    check_equal(processes)
    for _, labels in processes[0]["updates"]:
        assert torch.equal(labels, val_labels)


def test_lightning_shows_every_sample_and_one_twice(tmp_path, val_labels):
    pytest.importorskip("lightning")
    options = {"devices": 2, "strategy": "ddp"}
    processes = in_two_processes(tmp_path, module="test_lightning", function="fit", options=options)
    check_equal(processes)
    for _, labels in processes[0]["updates"]:
        assert len(labels) == len(val_labels) + 1  # 101 samples for two
        spare = torch.bincount(labels, minlength=20) - torch.bincount(val_labels, minlength=20)
        assert spare.sum() == spare.max() == 1
