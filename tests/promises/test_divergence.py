"""NaN and infinity stop a run at once, and poison nothing that it has written."""

import math
import random
from dataclasses import replace

import pytest
import torch

import losses
import models
from experiments import records, train
from experiments.training import checkpoint
from experiments.training.errors import TrainingDiverged
from experiments.training.loop import Training
from experiments.training.session import Session
from tests.support.commands import refused
from tests.support.runs import cli, tiny_run

STEPS_AN_EPOCH, EPOCHS = 4, 4  # of the tiny run: 100 images in batches of 32
PLACES = ("logits", "loss", "parameters", "gradient")
COUNTS = [5, pytest.param(20, marks=pytest.mark.slow)]


class Injection:
    """Puts `value` into one place of the run's training step number `at` (0-based), and counts steps."""

    def __init__(self, place: str, at: int, value: float, rng: random.Random):
        self.place, self.at, self.value, self.rng = place, at, value, rng
        self.steps = 0  # that have begun

    def install(self, patched) -> None:
        build_model, build_loss = models.build, losses.build

        def model(*arguments, **options):
            made = build_model(*arguments, **options)
            made.register_forward_pre_hook(self.before)
            made.register_forward_hook(self.after)
            return made

        def loss(*arguments, **options):
            made = build_loss(*arguments, **options)
            made.register_forward_hook(self.after_loss)
            return made

        patched.setattr(models, "build", model)
        patched.setattr(losses, "build", loss)

    def now(self, place: str) -> bool:
        return self.place == place and self.steps == self.at + 1

    def before(self, model, inputs):
        if not model.training:
            return
        self.steps += 1
        if self.now("parameters"):
            with torch.no_grad():
                list(model.parameters())[-1].fill_(self.value)  # the last bias: nothing normalises it away

    def after(self, model, inputs, logits):
        if model.training and self.now("logits"):
            row = self.rng.randrange(len(logits))
            logits = logits.clone()
            logits[row] = self.value
        if model.training and self.now("gradient"):
            logits.register_hook(lambda gradient: gradient * self.value)
        return logits

    def after_loss(self, loss, inputs, value):
        return value * self.value if self.now("loss") else value


def finite(state) -> bool:
    if isinstance(state, torch.Tensor):
        return bool(torch.isfinite(state).all())
    if isinstance(state, dict):
        return all(finite(value) for value in state.values())
    return True


def diverge(folder, method: str, place: str, rng: random.Random, *overrides: str) -> None:
    """Train with something injected, and check what is left."""
    at, value = rng.randrange(STEPS_AN_EPOCH * EPOCHS), rng.choice([math.nan, math.inf, -math.inf])
    injection = Injection(place, at, value, rng)
    run = tiny_run(method, 0, *overrides)
    with pytest.MonkeyPatch.context() as patched:
        injection.install(patched)
        with pytest.raises(TrainingDiverged, match=r"NaN or infinity in epoch \d of 4, after step \d+") as caught:
            train.train(run, Session(runs=folder, checkpoint_seconds=0, say=lambda text: None))
    assert "\n" not in str(caught.value)
    # a gradient poisons the parameters, which the next step shows: at most one step later
    assert injection.steps - (at + 1) <= (place == "gradient"), (place, at, value)
    place = run.folder(folder)
    assert not records.is_finished(place)
    state = checkpoint.load(place)
    epochs = at // STEPS_AN_EPOCH
    if epochs == 0:
        assert state is None
        return
    assert state["epoch"] == epochs
    assert all(finite(state[part]) for part in ("model", "loss", "optimizer"))


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("place", PLACES)
def test_nan_and_infinity_at_random_steps(tmp_path, place, count):
    rng = random.Random(place)
    for number in range(count):
        diverge(tmp_path / str(number), rng.choice(["ce", "adafocal", "brier", "mmce"]), place, rng)
    print(f"{count} of {count} injected into the {place} stopped the run within a step; no checkpoint was lost")


@pytest.mark.parametrize("place", PLACES)
def test_where_gamma_moves_within_an_epoch_too(tmp_path, place):
    for number in range(3):
        diverge(tmp_path / str(number), "adafocal", place, random.Random(f"{place} {number}"), "update_every=1")


def test_the_run_goes_on_to_the_same_end_once_the_cause_is_gone(tmp_path):
    rng = random.Random(0)
    run = tiny_run("adafocal")
    with pytest.MonkeyPatch.context() as patched:
        Injection("parameters", 9, math.nan, rng).install(patched)
        with pytest.raises(TrainingDiverged):
            train.train(run, Session(runs=tmp_path / "a", checkpoint_seconds=0, say=lambda text: None))
    again = train.train(run, Session(runs=tmp_path / "a", say=lambda text: None))
    never = train.train(run, Session(runs=tmp_path / "b", say=lambda text: None))
    assert again["sha256"] == never["sha256"]


def test_the_command_line_says_it_in_one_line(tmp_path, capsys):
    run = tiny_run("ce")
    with pytest.MonkeyPatch.context() as patched:
        Injection("loss", 6, math.nan, random.Random(0)).install(patched)
        line = refused(capsys, train.main, *cli(run, "--runs", str(tmp_path)))
    assert "epoch 2 of 4, after step 6" in line


@pytest.mark.parametrize("place", ["loss", "gradient"])
def test_a_stop_right_after_it_leaves_the_last_good_checkpoint(tmp_path, monkeypatch, place):
    """On a GPU no step waits for its loss: the checkpoint of a run that is asked to stop may meet the NaN first."""
    injection = Injection(place, at=6, value=math.nan, rng=random.Random(0))
    run, check = tiny_run("ce"), Training.check_finite
    quick = Session(runs=tmp_path, checkpoint_seconds=0, say=lambda text: None)
    with monkeypatch.context() as patched:
        injection.install(patched)
        patched.setattr(
            Training, "check_finite", lambda self, value, now=False: check(self, value, now) if now else None
        )
        with pytest.raises(TrainingDiverged):
            train.train(run, replace(quick, should_stop=lambda: injection.steps == 7))
    state = checkpoint.load(run.folder(tmp_path))
    assert state["epoch"] == 1
    assert all(finite(state[part]) for part in ("model", "loss", "optimizer"))
    train.train(run, quick)
    assert records.is_finished(run.folder(tmp_path))
