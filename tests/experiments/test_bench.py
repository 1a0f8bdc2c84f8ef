"""The benchmark's arithmetic and its table; how fast things are is for `make bench` to say."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

import models
from experiments.bench import __main__ as bench
from experiments.bench import losses, peers, scores, texts, timing, training
from experiments.bench.timing import Row


def test_a_ratio_is_ours_over_theirs():
    assert Row("g", "w", 3.0, "x", 2.0).ratio == 1.5
    assert Row("g", "w", 3.0).ratio is None


def test_both_functions_are_called_in_turns_and_the_median_ratio_counts(monkeypatch):
    calls, now = [], [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    seconds = iter([9, 9, 1, 1, 6, 6, 2, 2, 8, 8, 4, 4, 3, 3, 1, 1])  # of each call: turns of two calls of a, two of b

    def call(name):
        calls.append(name)
        now[0] += next(seconds)

    found = timing.side_by_side(lambda: call("a"), lambda: call("b"), rounds=3, calls=2)
    assert "".join(calls) == "aabb" * 4
    assert found == (6, 2)  # of the ratios 3, 2 and 3 after the turn that warms up


def test_the_table_has_a_row_a_measurement(tmp_path, monkeypatch, capsys):
    rows = [Row("losses", "a loss", 0.5, "cross entropy", 0.25, 3), Row("scores", "a score", 0.1)]
    monkeypatch.setattr(bench, "measure", lambda part, device, small: iter(rows if part == "losses" else []))
    assert bench.main(["--only", "losses", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "bench.md").read_text()
    assert "| a loss | 0.5 | cross entropy | 0.25 | 2 | 3 |" in text
    assert "| a score | 0.1 | – | – | – | – |" in text
    assert json.loads((tmp_path / "bench.json").read_text())["rows"][0]["ratio"] == 2
    assert "torch" in capsys.readouterr().out


SLOW = ("scores", "texts")


@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=pytest.mark.slow if part in SLOW else ()) for part in bench.PARTS]
)
def test_every_part_runs_to_its_end(part, tmp_path, monkeypatch):
    def once(*functions):
        for function in functions:
            function()
        return 1.0, 1.0

    for module in (losses, peers, scores, texts, training):
        monkeypatch.setattr(module, "side_by_side", lambda ours, theirs, rounds, calls=1: once(ours, theirs))
        monkeypatch.setattr(module, "best_of", lambda function, repeats: once(function)[0], raising=False)
    assert bench.main(["--only", part, "--small", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "bench.json").read_text())["rows"]


def test_the_training_that_is_timed_trains(tmp_path):
    timed = training.training_of("resnet8", 256, "adafocal", torch.device("cpu"), tmp_path)
    before = [parameter.clone() for parameter in timed.model.parameters()]
    training.steps_of(timed)()
    assert timed.steps == 2
    assert not all(torch.equal(a, b) for a, b in zip(before, timed.model.parameters(), strict=True))
    training.bare_loop(timed, 1, 16)()


def test_the_texts_that_are_timed_are_like_the_newsgroups_and_all_three_forms_are_one_net():
    split = texts.texts(2000)
    assert 180 < split.lengths.double().mean() < 260  # the documents' mean is 218
    assert split.lengths.max() == 1000
    net = models.build("cnn", "newsgroups", vectors=torch.randn(texts.WORDS, 4)).double().eval()
    inputs = next(split.train_batches(6, seed=0, epoch=0)).inputs
    longest = int(inputs.lengths.max())
    for width in (longest, 1000):
        torch.testing.assert_close(texts.literal(net, texts.padded(inputs, width)), net(inputs))


def test_a_kernel_counts_once_and_not_again_for_the_operation_that_launched_it():
    def event(key, where, cpu, gpu):
        return SimpleNamespace(key=key, device_type=where, self_cpu_time_total=cpu, self_device_time_total=gpu)

    events = [
        event("aten::conv2d", DeviceType.CPU, 5.0, 60.0),
        event("aten::add", DeviceType.CPU, 7.0, 40.0),
        event("sm90_conv", DeviceType.CUDA, 0.0, 60.0),
        event("add_kernel", DeviceType.CUDA, 0.0, 40.0),
    ]
    assert training.largest(events, torch.device("cuda"), 3) == [("sm90_conv", 0.6), ("add_kernel", 0.4)]
    assert training.largest(events[:2], torch.device("cpu"), 1) == [("aten::add", 7 / 12)]


def test_the_predictions_that_are_timed_are_over_confident():
    logits, labels = scores.predictions(5000, 10)
    confidence = torch.softmax(logits, 1).amax(1).mean()
    assert confidence > (logits.argmax(1) == labels).float().mean() + 0.05


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bench, "measure", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").write_text("")
    assert bench.main(["--out", str(tmp_path / "file")]) == 2
    assert re.fullmatch(r"error: .*file.*\n", capsys.readouterr().err)
