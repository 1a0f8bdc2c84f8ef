"""Where commands run: home folders, shells, terminals, matplotlib's backends, seeds of any size."""

import os
import shlex
import subprocess
import sys

import pytest

import data
from experiments import train
from experiments.grid import Run
from experiments.records.provenance import ROOT
from figures import collect
from tests.experiments.test_commands import NAMES, refused
from tests.support.runs import cli, tiny_run


@pytest.mark.parametrize("seed", [str(2**32), str(2**64)])
def test_a_seed_that_no_generator_takes(seed, capsys, tmp_path):
    options = NAMES | {"--seed": seed, "--runs": str(tmp_path)}
    line = refused(capsys, train.main, *(part for pair in options.items() for part in pair))
    assert f"seed must be < 2^32 = 4294967296, got {seed}" in line
    with pytest.raises(ValueError, match="seed must be < 2"):
        data.load("digits", seed=int(seed))
    with pytest.raises(ValueError, match="seed must be < 2"):
        data.load_ood("noise", "digits", seed=int(seed))
    assert train.main(cli(tiny_run("ce", 2**32 - 1, "epochs=1", "milestones=0"), "--runs", str(tmp_path))) == 0


def test_every_path_option_of_a_command_knows_the_home_folder():
    for path in (path for folder in ("experiments", "figures", "data") for path in (ROOT / folder).rglob("*.py")):
        assert "type=Path" not in path.read_text(encoding="utf-8"), f"{path}: type=a_path expands ~"


def test_the_home_folder_in_options(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert train.main(cli(tiny_run("ce", 0, "epochs=1", "milestones=0"), "--runs=~/my runs")) == 0
    assert (tmp_path / "my runs").is_dir()
    assert not (tmp_path / "~").exists()


def test_printed_commands_are_ones_that_a_shell_takes(tmp_path):
    run = Run.make("demo", "digits", "resnet8", "ce", 0, ("data_options.noise=0.5",))
    assert shlex.split(run.command)[-2:] == ["--set", "data_options.noise=0.5"]
    collection = collect.Collection("table1", "demo", {}, tmp_path / "my runs")
    assert shlex.split(collection.where) == ["--runs", str(tmp_path / "my runs")]


@pytest.mark.parametrize("module", ["figures", "figures.report", "experiments.status", "experiments.train", "data"])
def test_commands_speak_on_any_terminal_with_any_backend_of_matplotlib(module):
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "MPLBACKEND": "nonsense"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
