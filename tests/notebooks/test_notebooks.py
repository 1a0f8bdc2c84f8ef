"""The notebooks run top to bottom on demo records, and are kept without output."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from experiments.provenance import ROOT
from experiments.train import main as train

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The demo's first pair with two methods."""
    folder = tmp_path_factory.mktemp("runs")
    for method in ("ce", "adafocal"):
        names = ["--dataset", "digits", "--model", "resnet8", "--method", method, "--scale", "demo"]
        assert train([*names, "--runs", str(folder)]) == 0
    return folder


def execute(path: Path, runs: Path, monkeypatch) -> nbformat.NotebookNode:
    monkeypatch.setenv("ADAFOCAL_RUNS", str(runs))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


def texts(notebook) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["calibrate_your_model", "compare_methods", "read_a_run"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_output(path):
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_ones_own_model_is_better_calibrated_with_adafocal(runs, monkeypatch):
    scores = [line.split() for line in texts(execute(NOTEBOOKS[0], runs, monkeypatch)).splitlines()]
    cross_entropy, _, adafocal = next(map(float, line[1:]) for line in scores if line and line[0] == "ece_em")
    assert adafocal < cross_entropy / 2


def test_methods_are_compared(runs, monkeypatch):
    shown = texts(execute(NOTEBOOKS[1], runs, monkeypatch))
    assert shown.startswith("2 runs")
    row = shown[shown.index("difference  standard error") :].splitlines()[1].split()
    assert row[1:4] == ["demo", "digits", "resnet8"]
    assert float(row[4]) < 0  # AdaFocal's ECE_EM less cross entropy's
    assert row[-2:] == ["1", "1"]


def test_a_run_is_read_and_every_free_gamma_is_the_product_of_its_factors(runs, monkeypatch):
    shown = texts(execute(NOTEBOOKS[2], runs, monkeypatch))
    assert "updates met no limit" in shown
    difference = float(shown.split("difference of these:\n")[1].split()[0])
    assert difference < 1e-5
