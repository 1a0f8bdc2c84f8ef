"""Tables cannot lie: what is lost or damaged is missing from its cell, which then says of how many seeds it is."""

import json
import random
import shutil
from dataclasses import replace
from statistics import mean

import pytest

from experiments import grid, records
from experiments.scales import SCALES
from figures.command import main
from figures.tables import TABLES, render
from figures.tables.table import fill

PAIR = ("digits", "resnet8")
RUNS = [
    run
    for run in grid.runs_of("table1", "demo")
    if (run.dataset, run.model) == PAIR and run.folder(records.PUBLISHED_DEMO).exists()
]
DAMAGE = {
    "the folder is gone": shutil.rmtree,
    "result.json is gone": lambda folder: (folder / records.RESULT).unlink(),
    "config.json is gone": lambda folder: (folder / records.CONFIG).unlink(),
    "result.json is cut short": lambda folder: cut(folder / records.RESULT),
    "config.json is cut short": lambda folder: cut(folder / records.CONFIG),
    "result.json is empty": lambda folder: (folder / records.RESULT).write_text(""),
    "result.json is of zeros": lambda folder: (folder / records.RESULT).write_bytes(bytes(2000)),
    "a score is NaN": lambda folder: edit(folder, lambda result: result["test"].update(ece_em=float("nan"))),
    "a score is in percent": lambda folder: edit(folder, lambda result: result["test_scaled"].update(ece_em=3.5)),
    "a score is missing": lambda folder: edit(folder, lambda result: result["test"].pop("ece_em")),
}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(folder, change):
    result = json.loads((folder / records.RESULT).read_text())
    change(result)
    (folder / records.RESULT).write_text(json.dumps(result))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A copy of the published records of one of the demo's pairs, and no others."""
    shutil.copytree(records.PUBLISHED_DEMO / "demo/digits/resnet8", tmp_path / "runs/demo/digits/resnet8")
    monkeypatch.setitem(SCALES, "demo", replace(SCALES["demo"], pairs=(PAIR,)))
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "none")
    return tmp_path / "runs"


def cells(runs) -> dict:
    return fill(TABLES["table1"], "demo", runs).cells["before"][PAIR]


@pytest.mark.filterwarnings("ignore:left out")
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_record_is_missing_from_its_cell_alone(runs, damage):
    rng, before = random.Random(damage), cells(runs)
    scores = {run: 100 * records.find(run, runs).result["test"]["ece_em"] for run in RUNS}
    for run in rng.sample(RUNS, 2):
        kept = shutil.copytree(run.folder(runs), runs.parent / "kept", dirs_exist_ok=True)
        DAMAGE[damage](run.folder(runs))
        after = cells(runs)
        others = [score for other, score in scores.items() if other.method == run.method and other != run]
        assert after[run.method].mean == pytest.approx(mean(others))
        assert after[run.method].seeds == len(others) == 2
        assert "| 2 to 3 |" in render.markdown(fill(TABLES["table1"], "demo", runs))
        for method, cell in before.items():
            if method != run.method:
                assert (after[method].mean, after[method].seeds) == (cell.mean, 3)
        shutil.copytree(kept, run.folder(runs), dirs_exist_ok=True)
    assert cells(runs) == before


def test_committed_records_give_the_same_bytes_every_time(tmp_path, capsys):
    for out in ("a", "b"):
        assert main(["table1", "--scale", "paper", "--runs", str(tmp_path / "none"), "--out", str(tmp_path / out)]) == 0
    for suffix in ("md", "csv", "tex"):
        first, second = (tmp_path / out / "paper" / f"table1.{suffix}" for out in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    assert "ECE_EM" in capsys.readouterr().out


def test_a_cell_without_any_record_is_a_dash(runs):
    shutil.rmtree(runs / "demo/digits/resnet8/ce")
    assert cells(runs)["ce"].text() == "–"
