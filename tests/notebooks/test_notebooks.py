"""The notebooks run top to bottom on demo records, and are kept without output."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from nbclient import NotebookClient

from experiments.training.session import Session
from experiments import records
from experiments.grid import Run
from experiments.records.provenance import ROOT
from experiments.train import train
from tests.support.trainers import snippet
from tests.support.waiting import HANGS

RUNS = [Run.make("demo", "digits", "resnet8", method, 0) for method in ("ce", "adafocal")]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The demo's first pair with two methods, trained once for all processes that test."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "runs-of-notebooks"
    with FileLock(f"{folder}.lock"):
        for run in RUNS:  # of which none is trained that is there
            train(run, Session(runs=folder, say=lambda text: None))
    return folder


def execute(path: Path, runs: Path, monkeypatch) -> nbformat.NotebookNode:
    monkeypatch.setenv("ADAFOCAL_RUNS", str(runs))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=HANGS, resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


def texts(notebook) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_there_are_four():
    names = ["calibrate_your_model", "compare_methods", "read_a_run", "use_your_own_trainer"]
    assert [path.stem for path in NOTEBOOKS] == names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_output(path):
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_ones_own_model_is_trained_scored_and_scaled(tmp_path, monkeypatch):
    shown = texts(execute(NOTEBOOKS[0], tmp_path, monkeypatch))
    rows = {name: list(map(float, re.findall(r"\d\.\d+", row))) for name, row in re.findall(r"(?m)^(\w+) +(\d.*)$", shown)}
    assert list(rows) == ["error", "nll", "brier", "ece_em", "ece_ew"]
    assert all(len(scores) == 3 for scores in rows.values())
    assert rows["error"][0] == rows["error"][1]  # a temperature changes no prediction
    assert max(rows["error"]) < 0.9  # by chance: nothing was learnt


def test_methods_are_compared(runs, monkeypatch):
    shown = texts(execute(NOTEBOOKS[1], runs, monkeypatch))
    assert shown.startswith("2 runs")
    row = shown[shown.index("difference  standard error") :].splitlines()[1].split()
    assert row[1:4] == ["demo", "digits", "resnet8"]
    ce, adafocal = (100 * records.find(run, runs).result["test"]["ece_em"] for run in RUNS)
    assert float(row[4]) == pytest.approx(adafocal - ce, abs=0.0051)  # two digits are shown
    assert row[-2:] == [str(int(adafocal < ce)), "1"]


def test_a_run_is_read_and_every_free_gamma_is_the_product_of_its_factors(runs, monkeypatch):
    shown = texts(execute(NOTEBOOKS[2], runs, monkeypatch))
    assert "updates met no limit" in shown
    difference = float(shown.split("difference of these:\n")[1].split()[0])
    assert difference < 1e-6  # gammas are float32


def test_a_trainer_of_ones_own_moves_gamma(tmp_path, monkeypatch):
    pytest.importorskip("accelerate", reason="transformers.Trainer needs it")
    cells = json.loads(NOTEBOOKS[3].read_text())["cells"]
    assert snippet("transformers").rstrip("\n") in [cell["source"] for cell in cells]
    shown = texts(execute(NOTEBOOKS[3], tmp_path, monkeypatch))
    gammas = [float(gamma) for gamma in re.search(r"gammas: \[(.*)\]", shown)[1].split(", ")]
    assert len(gammas) == 15
    assert len(set(gammas)) > 1
    assert float(re.search(r"(?m)^error +(\d\.\d+)$", shown)[1]) < 0.9  # by chance: 0.95
