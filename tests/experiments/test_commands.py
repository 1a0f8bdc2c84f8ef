"""The command lines: one clear line and exit status 2 for what cannot be done, nothing half-written."""

import json
import os
import shlex
import signal
import subprocess
import sys

import pytest
import torch

from experiments import records, run, train
from experiments.grid import Run
from experiments.records.provenance import ROOT
from experiments.scales import SCALES
from experiments.training.session import Session
from tests.support.commands import refused
from tests.support.runs import FAST, cli, tiny_run

NAMES = {"--dataset": "digits", "--model": "resnet8", "--method": "ce", "--scale": "demo"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--dataset": "mnist"}, "unknown dataset 'mnist': choose from"),
        ({"--model": "vgg"}, "unknown model 'vgg': choose from"),
        ({"--method": "focal"}, "unknown method 'focal': choose from ce, brier"),
        ({"--scale": "huge"}, f"unknown scale 'huge': choose from {', '.join(SCALES)}"),
        ({"--scale": "paper"}, "dataset 'digits' has no recipe at scale 'paper': choose from cifar10"),
        ({"--model": "resnet50"}, "model 'resnet50' has no form for 'digits'; it fits cifar10, "),
        ({"--seed": "-1"}, "seed must be >= 0, got -1"),
        ({"--set": "epoch=3"}, "KEY one of epochs"),
        ({"--set": "data_options.noize=1"}, "noise"),
        ({"--set": "data_options.noise=-1"}, "noise must be >= 0, got -1"),
        ({"--set": "data_options.val_size=0"}, "val"),
        ({"--set": "loss_options.lamda=1"}, "loss 'ce' has no option 'lamda'"),
        ({"--set": "model_options.depth=1"}, "model 'resnet8' has no option 'depth'"),
        ({"--set": "model_options.stem_stride=3"}, "stem_stride must be 1 or 2, got 3"),
        ({"--device": "cuda"}, "--device cuda: torch sees no CUDA device here"),
        ({"--device": "gpu"}, "--device must be cpu, cuda or cuda:N, got 'gpu'"),
        ({"--device": "cuda:"}, "--device must be cpu, cuda or cuda:N, got 'cuda:'"),
        ({"--dataset": "cifar10", "--scale": "quick"}, "cifar"),
    ],
)
def test_train_refuses(changed, message, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    options = NAMES | changed | {"--runs": str(tmp_path / "runs"), "--data-root": str(tmp_path / "data")}
    assert message in refused(capsys, train.main, *(part for pair in options.items() for part in pair))
    assert not list((tmp_path / "runs").rglob("*")), "a refused run left something behind"


def test_unwritable_runs_folder(capsys, tmp_path):
    (tmp_path / "runs").write_text("a file")
    assert "runs" in refused(capsys, train.main, *cli(tiny_run("ce"), "--runs", str(tmp_path / "runs")))


def test_a_loss_that_turns_nan(capsys, tmp_path):
    diverging = tiny_run("ce", 0, "lr=1e30", "clip_norm=0")
    error = refused(capsys, train.main, *cli(diverging, "--runs", str(tmp_path)))
    assert "NaN or infinity in epoch 1 of 4, after step" in error
    assert not records.is_finished(diverging.folder(tmp_path))


def test_train_says_what_it_got(capsys, tmp_path):
    assert train.main(cli(tiny_run("ce"), "--runs", str(tmp_path))) == 0
    out = capsys.readouterr().out
    result = records.read(tiny_run("ce").folder(tmp_path), tiny_run("ce")).result
    assert f"test error {100 * result['test']['error']:.2f} %" in out
    assert "before and" in out
    assert "after temperature scaling (T = " in out


def test_a_milestone_that_is_never_reached_is_mentioned(capsys, tmp_path):
    settings = [part for text in FAST if "milestones" not in text for part in ("--set", text)]
    names = [part for pair in NAMES.items() for part in pair]
    assert train.main([*names, *settings, "--runs", str(tmp_path)]) == 0
    assert "lie beyond the last of 4 epochs" in capsys.readouterr().out


def test_commands_whose_records_are_compared_with_the_cpus_ask_for_it(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    options = train._arguments().parse_args(cli(tiny_run("ce")))
    assert train.pick_device(options.device) == "cpu"


def test_one_gpu_of_several(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert [train.pick_device(name) for name in (None, "cpu", "cuda", "cuda:1")] == ["cuda", "cpu", "cuda", "cuda:1"]
    with pytest.raises(ValueError, match="--device cuda:2: torch sees 2 CUDA devices, cuda:0 to cuda:1"):
        train.pick_device("cuda:2")


@pytest.mark.parametrize("module", ["experiments.train", "experiments.run"])
def test_help(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "example: python -m " + module in " ".join(done.stdout.split())
    for option in ("--data-root DIR", "--runs DIR", "--device {cpu,cuda,cuda:N}", "--seed"):
        assert option in done.stdout


@pytest.fixture
def tiny_grid(monkeypatch):
    """A grid of four fast runs in the place of the demo's."""
    runs = [tiny_run(method, seed) for seed in (0, 1) for method in ("ce", "adafocal")]
    monkeypatch.setattr("experiments.grid.runs_of", lambda name, scale: runs)
    return runs


def test_the_launcher_trains_what_is_missing_and_nothing_else(tiny_grid, tmp_path, capsys):
    arguments = ["--runs", str(tmp_path), "--workers", "2", "--device", "cpu"]
    train.train(tiny_grid[0], Session(runs=tmp_path, say=lambda text: None))
    assert run.main([*arguments, "--dry-run"]) == 0
    where = f" --runs {shlex.quote(str(tmp_path))} --device cpu"
    assert capsys.readouterr().out.splitlines() == [missing.command + where for missing in tiny_grid[1:]]
    assert run.main(arguments) == 0
    out = capsys.readouterr().out
    assert "training 3 of 4 runs" in out
    assert out.count("test error") == 3
    for done in tiny_grid:
        records.read(done.folder(tmp_path), done)
    assert run.main(arguments) == 0
    assert "all 4 runs of scale demo are there" in capsys.readouterr().out


def test_anew_trains_what_is_published_but_not_what_is_ones_own(tiny_grid, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "published")
    for place, done in (("published", tiny_grid[0]), ("own", tiny_grid[1])):
        train.train(done, Session(runs=tmp_path / place, say=lambda text: None))
    for options, left in (([], tiny_grid[2:]), (["--anew"], [tiny_grid[0], *tiny_grid[2:]])):
        assert run.main(["--runs", str(tmp_path / "own"), "--dry-run", *options]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert [line.split(" --runs")[0] for line in shown] == [missing.command for missing in left]


def test_a_damaged_record_is_trained_again(tiny_grid, tmp_path, capsys):
    first = tiny_grid[0]
    sound = train.train(first, Session(runs=tmp_path, say=lambda text: None))
    (first.folder(tmp_path) / records.RESULT).write_text("{")
    with pytest.warns(UserWarning, match="damaged record"):
        assert run.main(["--runs", str(tmp_path), "--seed", "0", "--method", "ce", "--device", "cpu"]) == 0
    assert "training it again" in capsys.readouterr().out
    again = records.read(first.folder(tmp_path), first).result
    assert {**again, "seconds": 0} == {**sound, "seconds": 0}


def test_the_launcher_goes_on_after_a_failure_and_reports_it(tiny_grid, tmp_path, capsys):
    broken = tiny_grid[1]
    train.train(broken, Session(runs=tmp_path, say=lambda text: None))
    config = broken.folder(tmp_path) / records.CONFIG
    config.write_text(json.dumps(json.loads(config.read_text()) | {"recipe": {"lr": 99}}))
    with pytest.warns(UserWarning, match="another recipe"):
        assert run.main(["--runs", str(tmp_path), "--seed", "0", "--device", "cpu", "--workers", "1"]) == 1
    captured = capsys.readouterr()
    assert "another recipe: lr is 99, now 0.05" in captured.err
    assert "[1/2]" in captured.out or "[2/2]" in captured.out
    assert records.is_finished(tiny_grid[0].folder(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--for", "table99"], "unknown table or figure 'table99': choose from table1"),
        (["--scale", "huge"], "unknown scale 'huge': choose from demo"),
        (["--dataset", "mnist"], "--dataset mnist is no part of it: choose from digits"),
        (["--seed", "7"], "--seed 7 is no part of it: choose from 0, 1, 2"),
        (["--workers", "0"], "--workers must be >= 1"),
    ],
)
def test_the_launcher_refuses(arguments, message, capsys, tmp_path):
    assert message in refused(capsys, run.main, *arguments, "--runs", str(tmp_path))


def test_commands_shown_to_the_user_are_the_run_itself():
    shown = Run.make("quick", "cifar10", "resnet50", "ce", 2, ("epochs=4",)).command.split()
    assert shown[:3] == ["python", "-m", "experiments.train"]
    options = train._arguments().parse_args(shown[3:])
    made = Run.make(options.scale, options.dataset, options.model, options.method, options.seed, options.overrides)
    assert str(made) == "quick/cifar10/resnet50/ce+epochs=4/seed2"


def _fails(how: str):
    """In a worker, in the place of `train`: what the runs with seed 0 do."""
    poisoned = []

    def train(run, session):
        if how == "killed" and run.seed == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "memory" and run.seed == 0:
            raise MemoryError("no memory left\nfor this")
        if (how == "cuda" and run.seed == 0) or poisoned:
            poisoned.append(run)
            raise RuntimeError("CUDA error: device-side assert triggered\nCompile with ...")
        return {"test": {"error": 0.1, "ece_em": 0.01}}

    return train


class _Failing:
    """A start of a worker that replaces `train` there; pickled by its module and name."""

    def __init__(self, how: str):
        self.how = how

    def __call__(self, progress, device):
        start_worker(progress, "cuda:0" if self.how == "cuda" else device)
        run.train = _fails(self.how)


start_worker = run._start_worker


@pytest.mark.parametrize(
    ("how", "failure"),
    [
        ("memory", "MemoryError: no memory left"),
        ("killed", "a process was killed, for want of memory"),
        ("cuda", "RuntimeError: CUDA error: device-side assert triggered"),
    ],
)
def test_whatever_ends_one_run_is_one_line_and_the_others_go_on(tiny_grid, tmp_path, capsys, monkeypatch, how, failure):
    monkeypatch.setattr(run, "_start_worker", _Failing(how))
    assert run.main(["--runs", str(tmp_path), "--device", "cpu", "--workers", "1"]) == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 2
    for line, lost in zip(lines, tiny_grid[:2], strict=True):
        assert line.startswith(f"failed: {lost}: {failure}")
    assert captured.out.count("test error 10.00 %") == 2


def test_workers_get_the_gpus_in_turn(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    assert run.deal("cuda", 5) == ["cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1"]
    assert run.deal("cuda:1", 2) == ["cuda:1", "cuda:1"]
    assert run.deal("cpu", 2) == ["cpu", "cpu"]


def test_a_gpu_out_of_memory_is_one_line_that_says_what_to_change(capsys, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.\nGPU 0 has ...")

    monkeypatch.setattr("experiments.training.loop.Training.take_steps", full)
    error = refused(capsys, train.main, *cli(tiny_run("ce"), "--runs", str(tmp_path)))
    assert "out of memory on cpu (CUDA out of memory. Tried to allocate 9.00 GiB.)" in error
    assert "--workers" in error


@pytest.mark.parametrize(
    "command",
    [
        "experiments.run --for table1 --scale paper --dry-run",
        "experiments.status --for all --scale paper",
        "figures table2 --scale quick --out out",
    ],
)
def test_a_reader_that_leaves_ends_a_command_without_a_word(command, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    called = [sys.executable, "-u", "-m", *command.split(), "--runs", "runs"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(called, cwd=tmp_path, env=environment, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
