"""The state of runs from made-up folders, so that every number is known."""

import json
import os
import re
import sys
from dataclasses import replace

import pytest

from experiments import grid, records, status, train
from experiments.grid import Run
from experiments.records import failure, record
from experiments.records.lock import only_writer
from experiments.scales import SCALES
from experiments.status import hours_left, hours_spent, main, statuses
from experiments.training import checkpoint
from experiments.training.session import Session
from tests.support.records import edit
from tests.support.runs import tiny_run

SCORES = {"error": 0.1, "ece_em": 0.05}
CIFAR = ("paper", "cifar10", "resnet50")
EPOCHS = 350


def begin(runs, run: Run, epochs: int, seconds: float = 36.0, device: str = "an abacus"):
    """An unfinished run's folder."""
    folder = run.folder(runs)
    folder.mkdir(parents=True)
    config = {"seed": run.seed, "recipe": records.as_json(run.recipe), "environment": {"device": device}}
    (folder / records.CONFIG).write_text(json.dumps(config))
    rows = [f"{epoch + 1},0.1,{seconds}\n" for epoch in range(epochs)]
    (folder / records.HISTORY).write_text("".join(["epoch,lr,seconds\n", *rows]))
    (folder / checkpoint.CURRENT).write_bytes(b"")
    return folder


def finish(runs, run: Run, seconds: float | None, device: str = "an abacus"):
    """A finished run's folder."""
    folder = begin(runs, run, 2, device=device)
    parts = dict.fromkeys(("val", "test", "val_scaled", "test_scaled"), SCORES)
    result = {**parts, "temperature": 1.0} | ({} if seconds is None else {"seconds": seconds})
    (folder / records.RESULT).write_text(json.dumps(result))
    return folder


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Two pairs, two seeds, no published record."""
    monkeypatch.setitem(
        SCALES, "paper", replace(SCALES["paper"], pairs=(("cifar10", "resnet50"), ("cifar100", "wrn26-10")), seeds=2)
    )
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "published")
    return tmp_path / "runs"


def shown(capsys, runs, *more) -> list[str]:
    assert main(["--scale", "paper", "--runs", str(runs), *more]) == 0
    return capsys.readouterr().out.splitlines()


def test_each_state_in_the_table(runs, capsys):
    finish(runs, Run(*CIFAR, "ce", 0), seconds=3600)
    running = begin(runs, Run(*CIFAR, "ce", 1), epochs=3)
    begin(runs, Run(*CIFAR, "brier", 0), epochs=50)
    failed = begin(runs, Run(*CIFAR, "brier", 1), epochs=7)
    failure.note(failed, "Traceback\n  loss is nan in epoch 8\n\n")
    with only_writer(running):
        lines = shown(capsys, runs)
    assert [re.split(r"\s{2,}", line) for line in lines[:3]] == [
        ["dataset", "model", "ce", "brier", "mmce", "ls", "flsd53", "adafocal"],
        ["cifar10", "resnet50", "1 done, 1 running", "1 failed, 1 stopped", *["2 missing"] * 4],
        ["cifar100", "wrn26-10", *["2 missing"] * 6],
    ]
    assert lines[3:5] == ["", "24 runs: 1 done, 1 running, 1 failed, 1 stopped, 20 missing"]
    running_line, stopped_line = sorted(lines[5:7])
    assert running_line.startswith(
        f"running: paper/cifar10/resnet50/ce/seed1: epoch 3 of {EPOCHS}, process {os.getpid()} on "
    )
    assert stopped_line == f"stopped: paper/cifar10/resnet50/brier/seed0: epoch 50 of {EPOCHS}"
    assert lines[7] == "spent so far: 1.60 h on an abacus"  # 1 h + (3 + 50 + 7) epochs x 36 s
    hours = 1 / EPOCHS * (12 * EPOCHS - EPOCHS - 60)
    assert lines[8] == f"left, at the speed of the done runs of the same dataset and model: {hours:.2f} h"
    assert lines[9:] == ["besides, no run to estimate from: cifar100/wrn26-10"]


def test_failed_runs_say_when_and_why(runs, capsys):
    assert shown(capsys, runs, "--failed")[-1] == "no failed runs"
    failed, damaged = Run(*CIFAR, "ce", 0), Run(*CIFAR, "ce", 1)
    failure.note(failed.folder(runs), "the dataset\nis missing")  # before anything else of it was there
    (finish(runs, damaged, seconds=1) / records.RESULT).write_text("{")
    lines = shown(capsys, runs, "--failed")
    assert "2 failed" in lines[1]
    first, second = (lines.index(line) for line in lines if line.startswith("failed: "))
    assert re.fullmatch(rf"failed: {failed}, 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", lines[first])
    assert lines[first + 1 : second] == ["  is missing", f"  {failed.folder(runs) / failure.ERROR}"]
    assert lines[second] == f"failed: {damaged}, at an unknown time"
    assert lines[second + 1].startswith(f"  {damaged.folder(runs)} holds a damaged record: ")
    assert lines[second + 2] == f"  {damaged.folder(runs) / records.RESULT}"


def test_a_failure_is_cleared_and_outlived(runs):
    run = Run(*CIFAR, "ce", 0)
    folder = begin(runs, run, epochs=1)
    failure.note(folder, "")
    assert statuses([run], runs)[0].failure[1] == "unknown error"
    with only_writer(folder):
        assert statuses([run], runs)[0].state == "running"
    failure.clear(folder)
    failure.clear(folder)
    assert statuses([run], runs)[0].state == "stopped"
    failure.note(folder, "x")
    (folder / records.RESULT).write_text(
        json.dumps(dict.fromkeys(("val", "test", "val_scaled", "test_scaled"), SCORES) | {"temperature": 1.0})
    )
    assert statuses([run], runs)[0].state == "done"


def test_published_runs_are_done(runs):
    run = Run(*CIFAR, "ce", 0)
    finish(record.PUBLISHED, run, seconds=7200, device="another")
    (found,) = statuses([run], runs)
    assert (found.state, found.epoch) == ("done", EPOCHS)
    assert hours_spent([found]) == {"another": 2.0}
    assert hours_left([found]) == (0.0, [])


def test_hours_by_device_and_without_seconds(runs):
    wanted = [Run(*CIFAR, "ce", seed) for seed in range(4)]
    finish(runs, wanted[0], seconds=3600, device="a")
    finish(runs, wanted[1], seconds=None, device="b")  # its history has 2 x 36 s
    begin(runs, wanted[2], epochs=50, device="a")
    found = statuses(wanted, runs)
    assert hours_spent(found) == pytest.approx({"a": 1.5, "b": 0.02})
    an_epoch = (1 / EPOCHS + 0.02 / EPOCHS) / 2
    hours, unknown = hours_left(found)
    assert hours == pytest.approx(an_epoch * (EPOCHS - 50 + EPOCHS))
    assert unknown == []


def test_a_half_written_history(runs):
    run = Run(*CIFAR, "ce", 0)
    folder = begin(runs, run, epochs=2)
    with (folder / records.HISTORY).open("a") as file:
        file.write("3,0.")
    (found,) = statuses([run], runs)
    assert (found.state, found.epoch, found.seconds) == ("stopped", 2, 72.0)
    (folder / records.CONFIG).write_text("{")
    assert hours_spent(statuses([run], runs)) == {"an unknown device": 0.02}


@pytest.mark.parametrize(
    ("name", "text", "seconds"),
    [
        (records.HISTORY, "epoch,lr,seconds\n1,0.1,36\n2,0.1,nan\n", 36.0),
        (records.HISTORY, "epoch,lr,seconds\n1,0.1,36\n" + 200_000 * "9" + ",0.1,36\n", 36.0),
        (records.CONFIG, "[]", 72.0),
    ],
)
def test_a_damaged_file_of_an_unfinished_run(runs, capsys, name, text, seconds):
    (begin(runs, Run.make(*CIFAR, "ce"), 2) / name).write_text(text)
    (found,) = statuses([Run.make(*CIFAR, "ce")], runs)
    assert (found.state, found.seconds) == (status.STOPPED, seconds)


@pytest.mark.parametrize("change", [lambda r: r.update(seconds="many"), lambda r: r.update(seconds=[1])])
def test_a_damaged_record_is_failed(runs, change):
    edit(finish(runs, Run.make(*CIFAR, "ce"), 36.0) / records.RESULT, change)
    (found,) = statuses([Run.make(*CIFAR, "ce")], runs)
    assert found.state == status.FAILED
    assert "holds a damaged record" in found.failure[1]


def test_overridden_runs_are_summed_up(runs, capsys):
    lines = shown(capsys, runs, "--for", "ablation_bins")
    assert [re.split(r"\s{2,}", line) for line in lines[:2]] == [
        ["dataset", "model", "adafocal", "others"],  # 15 bins are the recipe's
        ["cifar10", "resnet50", "2 missing", "10 missing"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "huge"], f"error: unknown scale 'huge': choose from {', '.join(SCALES)}\n"),
        (["--for", "table99"], "error: unknown table or figure 'table99': choose from table1, "),
    ],
)
def test_unknown_names(capsys, arguments, message):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def calls_made(function, *arguments) -> int:
    """How many calls of Python functions it takes: the same on every machine."""
    count = 0

    def notice(frame, event, argument):
        nonlocal count
        count += event == "call"

    former = sys.getprofile()
    sys.setprofile(notice)
    try:
        function(*arguments)
    finally:
        sys.setprofile(former)
    return count


def test_the_work_grows_with_the_runs_and_no_faster(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "published")
    wanted = grid.runs_of("all", "paper")
    for number, run in enumerate(wanted):
        if number % 2:
            finish(tmp_path, run, seconds=60)
        else:
            begin(tmp_path, run, epochs=5)
    assert main(["--for", "all", "--scale", "paper", "--runs", str(tmp_path), "--failed"]) == 0
    half = len(wanted) // 2
    assert f"{len(wanted)} runs: {half} done, {len(wanted) - half} stopped" in capsys.readouterr().out
    some, four_times = (calls_made(lambda n=n: status.report(statuses(wanted[:n], tmp_path))) for n in (100, 400))
    assert four_times < 5 * some


def test_why_a_run_could_not_go_on_is_noted_and_refused_input_makes_no_folder(tmp_path):
    names = ["--dataset", "cifar10", "--model", "resnet8", "--method", "ce", "--scale", "quick"]
    command = [*names, "--runs", str(tmp_path / "runs"), "--data-root", str(tmp_path)]
    assert train.main(command) == 2
    assert not (tmp_path / "runs").exists()
    folder = Run.make("quick", "cifar10", "resnet8", "ce", 0).folder(tmp_path / "runs")
    folder.mkdir(parents=True)
    (folder / records.CONFIG).write_text("{}")  # it had begun
    assert train.main(command) == 2
    assert f"no cifar10 in {tmp_path}" in (folder / failure.ERROR).read_text()


def test_what_nobody_expected_is_noted_by_its_type(tmp_path, monkeypatch):
    def fails(*arguments, **options):
        raise RuntimeError("cuDNN said no")

    monkeypatch.setattr("experiments.training.job.Training", fails)
    with pytest.raises(RuntimeError, match="cuDNN said no"):
        train.train(tiny_run("ce"), Session(runs=tmp_path))
    assert "RuntimeError: cuDNN said no" in (tiny_run("ce").folder(tmp_path) / failure.ERROR).read_text()
