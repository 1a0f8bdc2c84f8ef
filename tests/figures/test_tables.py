"""Tables from made-up records, so that every number in them is known."""

import csv
import shutil
from dataclasses import replace

import pytest

from experiments import records
from experiments.grid import Run
from experiments.scales import SCALES
from figures import paper
from figures.command import main
from figures.tables import TABLES, render
from figures.tables.table import Cell, fill, mark_best
from tests.support.records import write_record


@pytest.fixture
def small_grid(monkeypatch):
    monkeypatch.setitem(
        SCALES, "paper", replace(SCALES["paper"], pairs=(("cifar10", "resnet50"), ("cifar100", "wrn26-10")), seeds=2)
    )


@pytest.fixture
def runs(small_grid, tmp_path):
    """CE has both seeds, AdaFocal one, on CIFAR-10 alone."""
    folder = tmp_path / "runs"
    write_record(folder, Run("paper", "cifar10", "resnet50", "ce", 0), 0.05, 0.040, 0.020, 2.5)
    write_record(folder, Run("paper", "cifar10", "resnet50", "ce", 1), 0.07, 0.050, 0.010, 2.6)
    write_record(folder, Run("paper", "cifar10", "resnet50", "adafocal", 1), 0.06, 0.012, 0.011, 1.0)
    return folder


TABLE1_MARKDOWN = """\
### Table 1: test ECE_EM (%) before and after temperature scaling

**Before temperature scaling**

| Dataset | Model | numbers | seeds | CE | Brier | MMCE | LS-0.05 | FLSD-53 | AdaFocal |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
| CIFAR-10 | ResNet-50 | ours | 1 to 2 | 4.50 ± 0.71 | – | – | – | – | **1.20** |
| CIFAR-10 | ResNet-50 | paper |  | 4.24 | 1.78 | 4.52 | 3.86 | 1.63 | 0.66 |
| CIFAR-100 | Wide-ResNet-26-10 | paper |  | 14.83 | 4.27 | 13.12 | 5.10 | 2.25 | 1.95 |

**After temperature scaling**

| Dataset | Model | numbers | seeds | CE | Brier | MMCE | LS-0.05 | FLSD-53 | AdaFocal |
| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
| CIFAR-10 | ResNet-50 | ours | 1 to 2 | 1.50 ± 0.71 (2.55) | – | – | – | – | **1.10** (1.00) |
| CIFAR-10 | ResNet-50 | paper |  | 2.11 (2.52) | 1.24 (1.11) | 2.12 (2.65) | 2.97 (0.92) | 1.42 (1.08) | 0.44 (1.06) |
| CIFAR-100 | Wide-ResNet-26-10 | paper |  | 3.23 (2.12) | 2.85 (1.08) | 4.23 (1.91) | 5.10 (1.00) | 2.25 (1.00) \
| 1.95 (1.00) |

ECE_EM over 15 equal-mass bins, on the test set. In round brackets: the temperature T with the lowest ECE_EM on the \
validation set, mean over seeds. Scale: paper. Mean ± sample standard deviation over 2 seeds (`seeds` where it is \
another number). Bold: the lowest mean of a row, and what lies within its standard deviation. Rows `paper`: the \
paper's numbers, of 5 runs or of single checkpoints (docs/choices.md). From 3 of 24 runs, on an abacus.
"""


def test_records_of_different_data_share_no_table(runs, tmp_path, monkeypatch, capsys):
    seed0 = Run("paper", "cifar10", "resnet50", "mmce", 0)
    write_record(runs, seed0, data={"train": {"sha256": "other"}})
    arguments = ["--scale", "paper", "--runs", str(runs), "--out", str(tmp_path / "out")]
    assert main(["table1", *arguments]) == 2
    assert "made from different data, so no table can show both" in capsys.readouterr().err
    assert not (tmp_path / "out/paper").exists()
    shutil.move(seed0.folder(runs), seed0.folder(tmp_path / "published"))
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "published")
    with pytest.warns(UserWarning, match="published.*mmce/seed0 was made from other data"):
        assert main(["table1", *arguments]) == 0
    assert (tmp_path / "out/paper/table1.md").read_text() == TABLE1_MARKDOWN


@pytest.mark.filterwarnings("ignore:left out")
def test_an_output_that_cannot_be_written_is_one_line(runs, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    for name in ("table1", "fig4"):
        assert main([name, "--scale", "paper", "--runs", str(runs), "--out", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_table1_in_full(runs, tmp_path, capsys):
    assert main(["table1", "--scale", "paper", "--runs", str(runs), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/paper/table1.md").read_text() == TABLE1_MARKDOWN
    out = capsys.readouterr().out
    assert "Missing runs: 21. To train them:" in out
    for pair in ("--dataset cifar10 --model resnet50", "--dataset cifar100 --model wrn26-10"):
        assert f"python -m experiments.run --for table1 --scale paper --runs {runs} {pair}" in out


def test_the_other_formats_hold_the_same_numbers(runs, tmp_path):
    main(["table1", "--scale", "paper", "--runs", str(runs), "--out", str(tmp_path)])
    with (tmp_path / "paper/table1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 6
    ce = next(row for row in rows if row["method"] == "ce" and row["block"] == "after" and row["dataset"] == "cifar10")
    assert float(ce["mean"]) == pytest.approx(1.5)
    assert float(ce["std"]) == pytest.approx(0.5**0.5)
    assert float(ce["temperature"]) == pytest.approx(2.55)
    assert (ce["seeds"], ce["paper"], ce["paper_temperature"], ce["best"]) == ("2", "2.11", "2.52", "False")
    tex = (tmp_path / "paper/table1.tex").read_text()
    assert r"ours & 1 to 2 & 4.50 $\pm$ 0.71 & -- & -- & -- & -- & \textbf{1.20} \\" in tex
    assert r"paper &  & 4.24 & 1.78" in tex
    assert tex.count("&") == 9 * (1 + 2 * 3)
    assert "%" not in tex.replace(r"\%", "")


def test_table2(runs, small_grid):
    cells = fill(TABLES["table2"], "paper", runs).cells["error"]["cifar10", "resnet50"]
    assert cells["ce"].mean == pytest.approx(6.0)
    assert cells["adafocal"].mean == pytest.approx(6.0)
    assert cells["ce"].paper.value == 4.95
    assert cells["adafocal"].paper.value == 5.30


def test_a_damaged_record_is_no_part_of_a_mean(runs):
    (Run("paper", "cifar10", "resnet50", "ce", 1).folder(runs) / records.RESULT).write_text('{"test": ')
    with pytest.warns(UserWarning, match="damaged record"):
        filled = fill(TABLES["table1"], "paper", runs)
    ce = filled.cells["before"]["cifar10", "resnet50"]["ce"]
    assert (ce.mean, ce.std, ce.seeds) == (pytest.approx(4.0), None, 1)
    shown = next(line for line in render.markdown(filled).splitlines() if "| ours |" in line)
    assert shown.startswith("| CIFAR-10 | ResNet-50 | ours | 1 | 4.00 |")
    assert len(filled.collection.missing) == 22


def test_overridden_runs_and_other_scales_fill_no_cell(runs):
    write_record(runs, Run.make("paper", "cifar10", "resnet50", "brier", 0, ("epochs=4",)))
    write_record(runs, Run("quick", "cifar10", "resnet50", "brier", 0))
    assert fill(TABLES["table1"], "paper", runs).cells["before"]["cifar10", "resnet50"]["brier"].mean is None


def test_word_vectors_are_named_in_the_caption(runs):
    write_record(runs, Run("paper", "cifar100", "wrn26-10", "ce", 0), note="glove.test.txt, 3-d")
    filled = fill(TABLES["table1"], "paper", runs)
    assert " Data: glove.test.txt, 3-d. From 4 of 24 runs" in render.caption(filled)


def test_unknown_scale(capsys, tmp_path):
    assert main(["table1", "--scale", "huge", "--out", str(tmp_path)]) == 2
    assert f"unknown scale 'huge': choose from {', '.join(SCALES)}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_papers_numbers():
    cells = paper.cells()
    assert len(cells) == 15 * 6 * 3 + 4 * (7 + 6)  # Tables 1 and 2, and 8, whose AdaFocal has no number after T
    assert cells["table1", "before", "cifar10", "resnet50", "adafocal"].value == 0.66
    assert cells["table1", "after", "newsgroups", "cnn", "flsd53"] == paper.PaperCell(2.13, 1.58)
    assert cells["table2", "error", "tiny-imagenet", "resnet110", "mmce"].value == 42.22
    assert cells["table8", "first_before", "cifar10", "wrn26-10", "adafocal"].value == 96.63
    assert cells["table8", "second_after", "cifar10", "resnet110", "flsd53"].value == 81.38
    # the paper's claims: AdaFocal has the lowest ECE_EM in 14 of 15 rows before temperature scaling
    pairs = {key[2:4] for key in cells}
    before = {
        pair: {key[4]: cell.value for key, cell in cells.items() if key[:4] == ("table1", "before", *pair)}
        for pair in pairs
    }
    assert sum(min(row, key=row.get) == "adafocal" for row in before.values()) == 14


@pytest.mark.parametrize(
    ("best", "cells", "marked"),
    [
        (min, {"a": (2.0, 0.5), "b": (2.5, 9.0), "c": (2.6, 0.1)}, "ab"),  # the deviation of the lowest counts
        (max, {"a": (2.0, 0.5), "b": (2.5, 0.4), "c": (2.6, 0.2)}, "bc"),
        (min, {"a": (2.0, None), "b": (2.0, None), "c": (2.1, 0.5)}, "ab"),  # one seed has none
        (min, {"a": (2.0, 0.5), "b": (None, None)}, ""),  # nothing to compare with
    ],
)
def test_the_best_and_its_equals_are_marked(best, cells, marked):
    row = {key: Cell(mean, std, 1, None, None) for key, (mean, std) in cells.items()}
    assert "".join(key for key, cell in mark_best(row, best).items() if cell.best) == marked
