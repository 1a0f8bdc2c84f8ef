"""Which epoch a record holds: the last, or the first with the lowest validation error."""

import numpy as np
import pytest
import torch

from data import load
from experiments import records, train
from experiments.training.evaluate import final_scores, predict
from experiments.training.loop import Training
from experiments.training.model import build_model
from experiments.training.ood import _final_model
from experiments.training.precision import choose
from experiments.training.session import Session
from tests.support.runs import tiny_run
from tests.support.training import Interrupted, interrupt_after, record_of, silent

KEEP_BEST = ("keep=best", "epochs=6", "milestones=")


def trained(folder, *overrides, **options):
    run = tiny_run("adafocal", 0, *overrides)
    return run, train.train(run, Session(runs=folder, say=silent, **options))


@pytest.fixture
def validation_errors(monkeypatch):
    """Pretend the validation errors of the epochs; the test set's are what they are."""
    errors = [0.5, 0.4, 0.3, 0.3, 0.35, 0.4]
    actual = Training.keep_best
    monkeypatch.setattr(Training, "keep_best", lambda self, error: actual(self, errors[self.epoch]))
    return errors


def logits_after(epoch: int, run) -> dict[str, np.ndarray]:
    """The logits that an undisturbed run has after an epoch, gathered without the code under test."""
    recipe = run.recipe
    torch.set_num_threads(1)
    splits = load(recipe.dataset, seed=recipe.split_seed, **recipe.data_options)
    training = Training(run, splits, None, Session(say=silent))
    for training.epoch in range(epoch):
        training.train_epoch()
        training.part = None
    return {name: predict(training.model, getattr(splits, name), 256).numpy() for name in ("val", "test")}


def test_the_first_of_the_lowest_validation_errors_is_kept(tmp_path, validation_errors):
    run, result = trained(tmp_path, *KEEP_BEST)
    assert (result["kept_epoch"], result["epochs"]) == (3, 6)
    record = records.read(run.folder(tmp_path), run)
    expected = logits_after(3, run)
    for part in ("val", "test"):
        assert np.array_equal(record.predictions[f"{part}_logits"], expected[part])
        assert result[part]["error"] == pytest.approx(record.history[f"{part}_error"][2], rel=1e-8)
        assert result["last_epoch"][part]["error"] == pytest.approx(record.history[f"{part}_error"][5], rel=1e-8)
    labels = {part: torch.from_numpy(record.predictions[f"{part}_labels"]) for part in ("val", "test")}
    last = {part: torch.from_numpy(values) for part, values in logits_after(6, run).items()}
    assert result["last_epoch"] == final_scores(last, labels, 15, silent)


def test_the_last_epoch_is_kept_unless_the_recipe_says_otherwise(tmp_path, validation_errors):
    run, result = trained(tmp_path, "epochs=3", "milestones=")
    assert result["kept_epoch"] == 3
    assert "last_epoch" not in result
    history = records.read(run.folder(tmp_path), run).history
    assert result["test"]["error"] == pytest.approx(history["test_error"][2], rel=1e-8)


def test_the_test_set_has_no_say(tmp_path, monkeypatch):
    """With other test labels the same epoch is kept, by the same gammas."""
    _, expected = trained(tmp_path / "a", *KEEP_BEST)
    actual = Training.__init__

    def shuffled(self, *arguments, **options):
        actual(self, *arguments, **options)
        self.labels["test"] = self.labels["test"].flip(0)

    monkeypatch.setattr(Training, "__init__", shuffled)
    _, found = trained(tmp_path / "b", *KEEP_BEST)
    assert found["test"]["error"] != expected["test"]["error"]
    assert (found["kept_epoch"], found["temperature"]) == (expected["kept_epoch"], expected["temperature"])
    assert found["val"] == expected["val"]


@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5])
def test_a_resumed_run_keeps_the_same_epoch(tmp_path, validation_errors, epoch):
    run, _ = trained(tmp_path / "straight", *KEEP_BEST)
    with pytest.raises(Interrupted):
        trained(tmp_path / "resumed", *KEEP_BEST, checkpoint_seconds=0, on_epoch=interrupt_after(epoch))
    trained(tmp_path / "resumed", *KEEP_BEST, checkpoint_seconds=0)
    assert record_of(run.folder(tmp_path / "resumed")) == record_of(run.folder(tmp_path / "straight"))


def test_out_of_distribution_images_are_scored_by_the_kept_epochs_model(tmp_path, validation_errors):
    run, _ = trained(tmp_path, *KEEP_BEST)
    record = records.read(run.folder(tmp_path), run)
    splits = load(run.dataset, seed=run.recipe.split_seed, **run.recipe.data_options)
    model = _final_model(run, tmp_path, record, silent)
    assert type(model) is type(build_model(run.recipe, splits.train))
    speed = choose("float32", False, torch.device("cpu"))
    logits = predict(speed.layout(model), splits.test, 256, speed=speed)
    assert np.array_equal(logits.numpy(), record.predictions["test_logits"])
