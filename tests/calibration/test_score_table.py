"""A score is a function and a line in SCORES: everything that shows scores has it then."""

import numpy as np
import pytest
import torch

from calibration import SCORES, Score, bootstrap, summary
from calibration.scores import NATS, NUMBER, PERCENT
from experiments import audit
from experiments.records import Record, files
from figures.tables import table as tables
from tests.support.predictions import random_logits


def largest_confidence(confidence) -> float:
    return float(np.max(confidence))


@pytest.fixture
def with_a_new_score(monkeypatch):
    monkeypatch.setitem(SCORES, "largest_confidence", Score(largest_confidence, "largest confidence", PERCENT))


def test_summary_and_bootstrap_have_it(with_a_new_score):
    logits, labels = random_logits(200, 5)
    confidence = np.exp(logits).max(1) / np.exp(logits).sum(1)
    assert summary(logits, labels)["largest_confidence"] == pytest.approx(confidence.max())
    interval = bootstrap(logits, labels, num_resamples=10)["largest_confidence"]
    assert interval.value == pytest.approx(confidence.max())
    assert np.isnan([interval.low, interval.high]).all()  # no means of features give it


def test_the_logits_of_a_summary_are_converted_once(monkeypatch):
    logits, labels = random_logits(200, 5)
    copies, double = [], torch.Tensor.double

    def counted(tensor):
        if tensor.dtype != torch.float64:
            copies.append(tensor.shape)
        return double(tensor)

    monkeypatch.setattr(torch.Tensor, "double", counted)
    summary(logits.astype(np.float32), labels)
    assert copies == [(200, 5)]


def test_the_audit_has_it(with_a_new_score, tmp_path, capsys):
    logits, labels = random_logits(200, 5)
    np.savez(tmp_path / "a.npz", logits=logits, labels=labels)
    assert audit.main([str(tmp_path / "a.npz"), "--resamples", "10"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("largest confidence (%)"))
    assert line.split()[-1] == "–"


def test_a_table_has_it_of_a_record_that_is_older_than_the_score(with_a_new_score, tmp_path):
    logits, labels = random_logits(200, 5)
    np.savez(tmp_path / "predictions.npz", test_logits=logits, test_labels=labels)
    digest = files.sha256((tmp_path / "predictions.npz").read_bytes())
    result = {"test": {"error": 0.5}, "test_scaled": {}, "temperature": 2.0, "sha256": {"predictions.npz": digest}}
    record = Record(tmp_path, {"recipe": {"num_bins": 15}}, result)
    for part, temperature in (("test", 1), ("test_scaled", 2)):
        exponentials = np.exp(logits / temperature)
        expected = 100 * (exponentials.max(1) / exponentials.sum(1)).max()
        assert tables.shown(part, "largest_confidence")(record) == pytest.approx(expected)
    assert tables.shown("test", "error")(record) == 50.0  # what the record has is not computed
    (tmp_path / "predictions.npz").unlink()
    assert tables.shown("test", "largest_confidence")(Record(tmp_path, record.config, result)) is None


def test_units():
    assert (PERCENT.text(0.12345), NATS.text(1.23456), NUMBER.text(0.5)) == ("12.35", "1.2346", "0.5000")
    assert (SCORES["ece_em"].header, SCORES["brier"].header) == ("ECE_EM (%)", "Brier score")
