"""Whole runs on a GPU."""

import numpy as np
import pytest
import torch

from experiments import records
from experiments.grid import Run
from experiments.train import train
from experiments.training import checkpoint
from experiments.training.errors import Preempted
from experiments.training.session import Session
from tests.support.runs import tiny_run
from tests.support.training import After, silent

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
TEXTS = Run.make("demo", "topics", "cnn", "adafocal", 0, ("epochs=2", "data_options.train_size=200"))


def stopped_after(steps: int, run: Run, runs, device: str) -> dict:
    """Train so many steps; the checkpoint."""
    with pytest.raises(Preempted):
        train(run, Session(runs=runs, device=device, say=silent, should_stop=After(steps)))
    return checkpoint.load(run.folder(runs), silent)


def test_a_run_goes_from_gpu_to_cpu_and_back(tmp_path):
    run = tiny_run("adafocal", 0, "precision=float32")
    train(run, Session(runs=tmp_path / "cpu", say=silent))
    for steps, device in ((3, "cuda"), (3, "cpu"), (3, "cuda")):
        stopped_after(steps, run, tmp_path / "both", device)
    train(run, Session(runs=tmp_path / "both", device="cuda", say=silent))
    ours, plain = (records.read(run.folder(tmp_path / name), run) for name in ("both", "cpu"))
    assert np.allclose(ours.history["train_loss"], plain.history["train_loss"], atol=0.05)


def test_dropout_goes_on_with_the_draws_that_a_gpu_would_have_made(tmp_path):
    whole = stopped_after(6, TEXTS, tmp_path / "whole", "cuda")
    stopped_after(2, TEXTS, tmp_path / "parts", "cuda")
    torch.cuda.manual_seed(99)  # a new process starts elsewhere
    parts = stopped_after(3, TEXTS, tmp_path / "parts", "cuda")
    assert parts["steps"] == whole["steps"]
    assert torch.equal(parts["cuda_rng"][0], whole["cuda_rng"][0])
    for name, value in whole["model"].items():
        torch.testing.assert_close(parts["model"][name], value, rtol=0, atol=1e-3)
