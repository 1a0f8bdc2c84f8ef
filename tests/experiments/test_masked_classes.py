"""Models that rule classes out by logits of -inf: a run takes them, unless what they rule out is a label."""

import math

import numpy as np
import pytest
import torch

import models
from experiments import records
from experiments.train import train
from experiments.training.errors import TrainingDiverged
from experiments.training.session import Session
from tests.support.runs import tiny_run


def silent(text):
    pass


def hooked(monkeypatch, hook):
    """All models built from here on hand their logits to `hook`."""
    build = models.build

    def built(*arguments, **options):
        model = build(*arguments, **options)
        model.register_forward_hook(lambda model, inputs, logits: hook(model, logits))
        return model

    monkeypatch.setattr(models, "build", built)


def test_a_class_that_no_sample_can_have_changes_nothing(tmp_path, monkeypatch):
    run = tiny_run("adafocal", 0, "epochs=2", "milestones=1", "update_every=2")
    plain = train(run, Session(runs=tmp_path / "plain", say=silent))
    hooked(monkeypatch, lambda model, logits: torch.nn.functional.pad(logits, (0, 1), value=-math.inf))
    masked = train(run, Session(runs=tmp_path / "masked", say=silent))
    for name in ("error", "nll", "brier", "ece_em"):
        assert masked["test"][name] == pytest.approx(plain["test"][name], rel=1e-3)
    predictions = records.read(run.folder(tmp_path / "masked"), run).predictions
    assert np.isneginf(predictions["test_logits"][:, -1]).all()
    assert np.isfinite(predictions["test_logits"][:, :-1]).all()


@pytest.mark.parametrize("classes", [[0], range(10)], ids=["a label", "every class"])
def test_a_model_that_rules_a_label_out_has_diverged(tmp_path, monkeypatch, classes):
    def rule_out(model, logits):
        if not model.training:
            logits[:, list(classes)] = -math.inf
        return logits

    hooked(monkeypatch, rule_out)
    with pytest.raises(TrainingDiverged, match="NaN or infinity in epoch 1 of 4"):
        train(tiny_run("ce"), Session(runs=tmp_path, say=silent))
