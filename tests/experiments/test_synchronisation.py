"""How often training waits for a GPU: never within a step, once at the end of an epoch."""

import pytest
import torch

import data
from experiments.grid import Run
from experiments.methods import METHODS
from experiments.training.epoch import PartialEpoch
from experiments.training.loop import Training
from experiments.training.session import Session
from tests.support.device import OnDevice, Reads, counted_waits
from tests.support.runs import tiny_run

TEXTS = ("data_options.train_size=200", "data_options.val_size=100", "data_options.test_size=100")
RUNS = {method: tiny_run(method) for method in METHODS} | {
    model: Run.make("demo", "topics", model, "adafocal", 0, TEXTS) for model in ("cnn", "bert-mini")
}


def training_of(run: Run, folder, device="cpu") -> Training:
    """A run that is ready for its first step."""
    splits = data.load(run.dataset, **run.recipe.data_options)
    return Training(run, splits, folder, Session(device=device, say=lambda text: None))


@pytest.mark.parametrize("name", RUNS)
def test_no_step_waits(name, tmp_path, monkeypatch):
    run = RUNS[name]
    training = training_of(run, tmp_path)
    training.part = PartialEpoch(len(training.train), training.device)
    training.device = torch.device("cuda")  # as check_finite sees it
    for group in training.optimizer.param_groups:
        group["fused"] = True
    if isinstance(training.train, data.TokenSplit):  # which reads lengths that always lie on the CPU
        batches = list(training.train.train_batches(training.recipe.batch_size, run.seed, 0))
        monkeypatch.setattr(training.train, "train_batches", lambda *order: iter(batches))
    reads = Reads()
    with reads:
        training.take_steps()
    assert training.part.steps >= 3
    assert reads.found == []


def test_what_is_counted_as_waiting():
    reads, values = Reads(), torch.arange(4.0)
    with reads:
        values.sum().item()
        bool(values[0] > 1)
        values[values > 1]
        torch.repeat_interleave(values, torch.tensor([1, 2, 3, 4]))
        torch.repeat_interleave(values, torch.tensor([1, 2, 3, 4]), output_size=10)
    assert len(reads.found) == 4, reads.found


@pytest.mark.parametrize("method", ["ce", "adafocal"])
def test_the_end_of_an_epoch_waits_once(method, tmp_path, monkeypatch):
    training = training_of(tiny_run(method), tmp_path)
    predict, take_steps = training.predict, training.take_steps

    def steps():
        lr = take_steps()
        for holder, name in ((training.part, "total"), (training.part.seen, "p_true"), (training.part.seen, "p_top")):
            setattr(holder, name, OnDevice(getattr(holder, name)))
        return lr

    monkeypatch.setattr(training, "take_steps", steps)
    monkeypatch.setattr(training, "predict", lambda split: OnDevice(predict(split)))
    with counted_waits(monkeypatch) as waits:
        row, _ = training.train_epoch()
        assert waits() == 1
    plain = training_of(tiny_run(method), tmp_path)
    assert row | {"seconds": 0} == plain.train_epoch()[0] | {"seconds": 0}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", RUNS)
def test_no_step_waits_for_a_gpu(name, tmp_path):
    training = training_of(RUNS[name], tmp_path, "cuda")
    training.train_epoch()  # what is made once
    training.part = None

    def after_a_step():
        torch.cuda.set_sync_debug_mode("error")  # from the second step on: the first copies the epoch's order
        return False

    training.should_stop = after_a_step
    try:
        training.take_steps()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert training.part.steps >= 3
