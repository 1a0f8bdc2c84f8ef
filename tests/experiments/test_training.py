"""What a run promises: the same record however often it was interrupted, and a test split that is only scored."""

import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

import data
from experiments import records
from experiments.grid import Run
from experiments.methods import METHODS, Method
from experiments.records.dataframe import frame
from experiments.records.provenance import ROOT
from experiments.train import train
from experiments.training import checkpoint
from experiments.training.errors import CannotResume, TrainingDiverged
from experiments.training.evaluate import predict
from experiments.training.loop import Training
from experiments.training.session import Session
from figures.tables.table import shown
from tests.support.runs import ENDLESS, FAST, cli, tiny_run
from tests.support.training import Interrupted, flip_test_labels, interrupt_after, record_of, silent
from tests.support.waiting import started, wait_until


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, method):
    odd = {"calfocal10": ("update_every=3",), "ls": ("optimizer=adam",), "fl3": ("optimizer=adamw", "nesterov=true")}
    run = tiny_run(method, 3, *odd.get(method, ()))
    train(run, Session(runs=tmp_path / "straight", say=silent))
    for epoch in (1, 3):
        with pytest.raises(Interrupted):
            train(
                run,
                Session(runs=tmp_path / "resumed", checkpoint_seconds=0, say=silent, on_epoch=interrupt_after(epoch)),
            )
        torch.manual_seed(999)  # a new process starts elsewhere
    said = []
    train(run, Session(runs=tmp_path / "resumed", checkpoint_seconds=0, say=said.append))
    assert said == ["going on after epoch 3 of 4"]
    assert record_of(run.folder(tmp_path / "resumed")) == record_of(run.folder(tmp_path / "straight"))


# The command, which kills itself after so many steps.
KILLED = """
import itertools, os, signal, sys
from dataclasses import replace
from experiments import train

left, original = int(sys.argv[1]), train.train
steps = itertools.count(1)
killed = lambda: next(steps) == left and os.kill(os.getpid(), signal.SIGKILL)
train.train = lambda run, session: original(run, replace(session, should_stop=killed))
sys.exit(train.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("steps", [6, 12, 15])  # of 16; after the second, an epoch ends
def test_kill_minus_9_and_the_same_command_again(tmp_path, steps):
    run = tiny_run("adafocal")
    train(run, Session(runs=tmp_path / "straight", say=silent))
    arguments = cli(run, "--runs", str(tmp_path / "killed"), "--checkpoint-seconds", "0")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(steps), *arguments], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    folder = run.folder(tmp_path / "killed")
    assert not records.is_finished(folder)

    command = [sys.executable, "-m", "experiments.train", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "going on after epoch" in done.stdout
    assert record_of(folder) == record_of(run.folder(tmp_path / "straight"))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path):
    run = tiny_run()
    train(run, Session(runs=tmp_path / "straight", say=silent))
    with pytest.raises(Interrupted):
        train(run, Session(runs=tmp_path / "damaged", checkpoint_seconds=0, say=silent, on_epoch=interrupt_after(3)))
    path = run.folder(tmp_path / "damaged") / checkpoint.CURRENT
    path.write_bytes(path.read_bytes()[:-100])
    said = []
    train(run, Session(runs=tmp_path / "damaged", say=said.append))
    assert "damaged" in said[0]
    assert said[1] == "going on after epoch 2 of 4"
    assert record_of(run.folder(tmp_path / "damaged")) == record_of(run.folder(tmp_path / "straight"))


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        train(tiny_run(), Session(runs=tmp_path, checkpoint_seconds=0, say=silent, on_epoch=interrupt_after(1)))
    other = tiny_run("adafocal", 0, "lr=0.01")
    other.folder(tmp_path).parent.mkdir(parents=True)
    tiny_run().folder(tmp_path).rename(other.folder(tmp_path))
    with pytest.raises(CannotResume, match=r"another recipe.*lr 0.05, now 0.01"):
        train(other, Session(runs=tmp_path, say=silent))


def test_a_finished_run_is_not_trained_again(tmp_path):
    run = tiny_run("ce")
    first = train(run, Session(runs=tmp_path, say=silent))
    before = record_of(run.folder(tmp_path))
    assert train(run, Session(runs=tmp_path, say=silent, on_epoch=interrupt_after(1))) == first
    assert record_of(run.folder(tmp_path)) == before


def test_the_record_is_complete(tmp_path):
    run = tiny_run()
    epochs = []
    result = train(run, Session(runs=tmp_path, say=silent, on_epoch=epochs.append))
    folder = run.folder(tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "history.csv", "bins.csv", "predictions.npz", "result.json", "checkpoint.pt", "checkpoint.sha256"
    }  # fmt: skip
    record = records.read(folder, run)
    assert record.result == result
    assert list(record.history["epoch"]) == [1, 2, 3, 4]
    assert list(record.history["lr"]) == [0.05, 0.05, 0.05, pytest.approx(0.005)]
    assert record.history.notna().all(axis=None)
    for split in ("val", "test"):
        for score in ("error", "nll", "ece_ew", "ece_em", "ece_debias", "ece_sweep_ew", "ece_sweep_em", "mce"):
            assert record.history[f"{split}_{score}"].iloc[-1] == pytest.approx(result[split][score], rel=1e-8)
    bins = record.bins
    assert len(bins) == 4 * 15
    assert (bins.groupby("epoch")["val_count"].sum() == 150).all()
    for column in ("train_true_count", "train_top_count", "own_true_count", "own_top_count"):
        assert (bins.groupby("epoch")[column].sum() == 100).all(), column
    predictions = record.predictions
    assert {name: (a.dtype.name, a.shape) for name, a in predictions.items()} == {
        "val_logits": ("float32", (150, 10)),
        "val_labels": ("int64", (150,)),
        "test_logits": ("float32", (1547, 10)),
        "test_labels": ("int64", (1547,)),
    }
    assert (predictions["test_logits"].argmax(1) != predictions["test_labels"]).mean() == result["test"]["error"]
    config = record.config
    assert config["recipe"] == records.as_json(run.recipe)
    assert config["data"]["test"]["samples"] == 1547
    assert torch.__version__.startswith(config["environment"]["packages"]["torch"])


def test_gamma_follows_algorithm_1_over_the_recorded_bins(tmp_path):
    lam = 30  # large: ten samples a bin are off by a tenth or more in some bin, both ways, whatever was learnt
    run = tiny_run("adafocal", 1, f"loss_options.lam={lam}")
    train(run, Session(runs=tmp_path, say=silent))
    gammas = [1.0] * 15
    for row in records.read(run.folder(tmp_path), run).bins.itertuples():
        gamma, sign = gammas[row.bin], math.copysign(1, gammas[row.bin])
        if row.val_count:
            gamma = gamma * math.exp(sign * lam * (row.val_confidence - row.val_accuracy))
            gamma = min(20, max(-2, gamma))
            gamma = -0.2 * sign if abs(gamma) < 0.2 else gamma
        assert row.gamma == pytest.approx(gamma, rel=1e-6)
        gammas[row.bin] = row.gamma
    assert min(gammas) < 0 < max(gammas), "this run should reach the switch"


def test_bins_are_those_of_gamma_and_scores_have_their_own(tmp_path):
    run = tiny_run("adafocal", 0, "loss_options.num_bins=5")
    result = train(run, Session(runs=tmp_path, say=silent))
    record = records.read(run.folder(tmp_path), run)
    assert len(record.bins) == 4 * 5
    assert record.bins["gamma"].notna().all()
    assert result["num_bins"] == 15


def test_gammas_that_move_within_epochs_stand_beside_the_edges_they_are_used_with(tmp_path):
    run = tiny_run("adafocal", 0, "update_every=3")  # four steps an epoch: the last update is the fifth, after 15
    train(run, Session(runs=tmp_path, say=silent))
    loss = checkpoint.load(run.folder(tmp_path))["loss"]
    last = records.read(run.folder(tmp_path), run).bins.query("epoch == 4")
    edges = np.float32([*last["val_lower"], last["val_upper"].iloc[-1]])
    assert np.array_equal(edges, loss["edges"].float().numpy())
    assert np.array_equal(np.float32(last["gamma"]), loss["gammas"].numpy())
    assert last["val_count"].sum() == 150


def test_a_record_has_the_bins_that_its_loss_has_by_default(tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "later", Method("Later", "adafocal", colour="#000000"))  # num_bins: the loss's own, 15
    run = Run.make("demo", "digits", "resnet8", "later", 0, (*FAST, "num_bins=10"))
    train(run, Session(runs=tmp_path, say=silent))
    assert len(records.read(run.folder(tmp_path), run).bins) == 4 * 15


def test_scores_that_are_not_defined_are_null_in_the_record(tmp_path):
    few = ("epochs=1", "data_options.train_size=64", "data_options.val_size=20", "data_options.test_size=1")
    run = Run.make("demo", "topics", "cnn", "ce", 0, few)
    train(run, Session(runs=tmp_path, say=silent))
    result = json.loads((run.folder(tmp_path) / records.RESULT).read_text())
    assert result["test"]["nll_refinement"] is None
    assert np.isnan(frame(tmp_path)["test_nll_refinement"].astype(float).item())
    assert shown("test", "nll_refinement")(records.read(run.folder(tmp_path), run)) is None


def test_losses_without_a_gamma_a_bin_record_none(tmp_path):
    run = tiny_run("ce")
    train(run, Session(runs=tmp_path, say=silent))
    assert records.read(run.folder(tmp_path), run).bins["gamma"].isna().all()


def test_the_test_split_changes_nothing_but_its_own_scores(tmp_path, monkeypatch):
    run = tiny_run()
    train(run, Session(runs=tmp_path / "as-is", say=silent))
    flip_test_labels(monkeypatch)
    train(run, Session(runs=tmp_path / "other", say=silent))
    ours, other = (records.read(run.folder(tmp_path / name), run) for name in ("as-is", "other"))
    assert ours.result["temperature"] == other.result["temperature"]
    assert np.array_equal(ours.predictions["test_logits"], other.predictions["test_logits"])
    assert ours.bins.equals(other.bins)
    assert ours.result["test"]["error"] != other.result["test"]["error"]


def test_runs_differ_by_seed_and_agree_by_seed(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tiny_run("ce", seed), Session(runs=tmp_path / name, say=silent))
    a, b = (record_of(tiny_run("ce", 0).folder(tmp_path / name)) for name in "ab")
    assert a == b
    assert a["history"] != record_of(tiny_run("ce", 1).folder(tmp_path / "c"))["history"]


def test_a_diverging_run_stops_and_keeps_its_last_checkpoint(tmp_path):
    run = tiny_run("ce")
    folder = run.folder(tmp_path)
    folder.mkdir(parents=True)
    splits = data.load("digits", **run.recipe.data_options)

    def poison(row):
        if row["epoch"] == 2:
            with torch.no_grad():
                next(training.model.parameters()).fill_(torch.nan)

    training = Training(run, splits, folder, Session(checkpoint_seconds=0, say=silent, on_epoch=poison))
    with pytest.raises(TrainingDiverged, match="NaN or infinity in epoch 3 of 4, after step 8"):
        training.run()
    assert not records.is_finished(folder)
    state = checkpoint.load(folder)
    assert state["epoch"] == 2
    assert all(torch.isfinite(value).all() for value in state["model"].values())


@pytest.mark.parametrize("training", [True, False])
def test_predict_leaves_the_mode_it_found(training):
    split = data.load("digits", test_draws=1, val_draws=1).val
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 10)).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    logits = predict(model, split, 128)
    assert logits.shape == (len(split), 10)
    assert model.training == training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    # the sum of 65 float32 products, each below 1, is rounded 64 times, in another order for another batch size
    assert torch.allclose(logits, predict(model, split, 7), rtol=0, atol=2 * 64 * 65 * 2**-24)


def test_two_processes_on_one_run(tmp_path):
    run = tiny_run("ce", 0, ENDLESS)
    command = [sys.executable, "-m", "experiments.train", *cli(run, "--runs", str(tmp_path))]
    with started(command, cwd=ROOT, stdout=subprocess.DEVNULL) as first:
        wait_until((run.folder(tmp_path) / records.HISTORY).exists, first)
        second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"trained by process {first.pid}" in second.stderr
