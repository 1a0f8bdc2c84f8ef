"""The tables beyond Table 1 and 2: their columns, and the scores they compute from predictions."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from calibration import SCORES, ece_em, top_label
from experiments import grid, records
from experiments.grid import Run
from experiments.records import files
from experiments.scales import SCALES
from figures import style
from figures.collect import collect, how_to_train
from figures.command import main
from figures.tables import TABLES, calibrated, error_bars
from figures.tables.render import html_tables, latex, markdown
from figures.tables.table import Cell, fill, to_fill
from posthoc import EnsembleTemperatureScaling, SplineCalibration
from tests.support.records import add_predictions, write_record


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """CE and AdaFocal on the first pair of the demo, two seeds, with predictions."""
    monkeypatch.setitem(SCALES, "demo", replace(SCALES["demo"], seeds=2))
    folder = tmp_path / "runs"
    for method in ("ce", "adafocal"):
        for seed in range(2):
            run = Run("demo", "digits", "resnet8", method, seed)
            write_record(folder, run)
            add_predictions(folder, run, seed)
    return folder


@pytest.mark.parametrize("name", TABLES)
def test_every_experiment_has_a_module_that_writes_its_files(name, runs, tmp_path, capsys):
    table = TABLES[name]
    if name.startswith(("ece", "error_bars")):
        pytest.importorskip("matplotlib")
        add_scores(runs)
    assert main([name, "--scale", "demo", "--runs", str(runs), "--out", str(tmp_path / "out")]) == 0
    markdown = (tmp_path / "out" / "demo" / f"{name}.md").read_text()
    header = next(line for line in markdown.splitlines() if line.startswith("| Dataset"))
    assert header.count("|") == 3 + len(grid.EXPERIMENTS[name].columns)
    rows = [line for line in markdown.splitlines() if line.startswith("| Digits")]
    pairs = [pair for pair in grid.experiment(name, "demo").pairs_at("demo") if pair[0] == "digits"]
    assert len(rows) == len(pairs) * len(table.blocks)
    assert "Scale: demo." in markdown
    latex = (tmp_path / "out" / "demo" / f"{name}.tex").read_text()
    assert not re.search(r"(?<!\\)[%_](?![{])", re.sub(r"\$[^$]*\$", "", latex).replace(r"\%", ""))


def add_scores(runs):
    for path in runs.rglob(records.RESULT):
        result = json.loads(path.read_text())
        for part in ("test", "test_scaled"):
            result[part] |= dict.fromkeys(("ece_ew", "ece_debias", "ece_sweep_ew", "ece_sweep_em"), 0.25)
        files.write_json(path, result)


def test_ets_and_spline_are_fitted_to_validation_and_scored_on_test(runs):
    from figures.tables import TABLES

    for table, calibrator in ((TABLES["table3"], EnsembleTemperatureScaling), (TABLES["table4"], SplineCalibration)):
        expected = []
        for seed in range(2):
            arrays = records.find(Run("demo", "digits", "resnet8", "ce", seed), runs).predictions
            fitted = calibrator().fit(arrays["val_logits"], arrays["val_labels"])
            correct = arrays["test_logits"].argmax(1) == arrays["test_labels"]
            expected.append(100 * ece_em(fitted.confidence(arrays["test_logits"]), correct))
        after = fill(table, "demo", runs).cells[table.blocks[1].name]["digits", "resnet8"]["ce"]
        assert after.mean == pytest.approx(np.mean(expected))
        assert after.std == pytest.approx(np.std(expected, ddof=1))
        before = 100 * ece_em(*top_label(arrays["test_logits"], arrays["test_labels"]))
        assert max(expected) < before / 2


def test_the_papers_numbers_stand_where_they_are_known(tmp_path, monkeypatch):
    TABLE = TABLES["posthoc"]

    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "none")
    cells = fill(TABLE, "paper", tmp_path).cells
    assert cells["before"]["newsgroups", "cnn"]["ce"].paper.value == 18.57
    assert cells["ts"]["newsgroups", "cnn"]["ce"].paper.value == 4.08
    assert cells["ets"]["newsgroups", "cnn"]["ce"].paper is None


def test_damaged_predictions_are_no_part_of_a_mean(runs):
    TABLE = TABLES["table3"]

    (Run("demo", "digits", "resnet8", "ce", 1).folder(runs) / records.PREDICTIONS).write_bytes(b"half")
    with pytest.warns(UserWarning, match="left out: .*predictions.npz is missing or damaged"):
        cells = fill(TABLE, "demo", runs).cells["ets"]["digits", "resnet8"]
    assert (cells["ce"].seeds, cells["adafocal"].seeds) == (1, 2)


def test_records_that_are_published_without_predictions_are_neither_damaged_nor_missing(runs, monkeypatch, recwarn):
    monkeypatch.setattr("experiments.records.record.PUBLISHED", runs)
    run = Run("demo", "digits", "resnet8", "ce", 1)
    (run.folder(runs) / records.PREDICTIONS).unlink()
    filled = fill(TABLES["table3"], "demo", runs.parent / "none")
    assert filled.cells["before"]["digits", "resnet8"]["ce"].seeds == 2
    assert filled.cells["ets"]["digits", "resnet8"]["ce"].seeds == 1
    assert not collect("reliability", "demo", runs.parent / "none", needs=("predictions_sha256",)).left_out  # seed 0
    (Run("demo", "digits", "resnet8", "ce", 0).folder(runs) / records.PREDICTIONS).unlink()
    shown = collect("reliability", "demo", runs.parent / "none", needs=("predictions_sha256",))
    assert [str(one) for one in shown.left_out] == ["demo/digits/resnet8/ce/seed0"]
    assert not set(shown.left_out) & set(shown.missing)
    for command in (how_to_train(shown), to_fill(fill(TABLES["table3"], "demo", runs.parent / "none"))):
        assert re.search(r"--scale demo --anew --runs \S+ --dataset digits --model resnet8  # ce: seeds? 0", command)
    assert not [one for one in recwarn if "left out" in str(one.message)]
    assert ", 1 of them lack some of these scores" in markdown(filled)


def test_the_scores_have_as_many_digits_as_their_units():
    blocks = {block.name: block.digits for block in TABLES["scores"].blocks}
    assert blocks == {name: score.unit.digits for name, score in SCORES.items()}
    assert Cell(-0.00004, 0.00123, 3, None, None, digits=4).text() == "0.0000 ± 0.0012"
    assert Cell(-0.00004, None, 1, None, None).text() == "0.00"


def test_every_calibrator_lowers_the_error_of_over_confident_predictions(runs):
    record = records.find(Run("demo", "digits", "resnet8", "ce", 0), runs)
    raw = 100 * ece_em(*top_label(record.predictions["test_logits"], record.predictions["test_labels"]))
    from posthoc import CALIBRATORS

    for name in CALIBRATORS:
        assert calibrated.ece_em_after(name)(record) < 0.75 * raw, name


def test_a_missing_run_of_a_small_net_says_how_long_it_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "none")
    hint = how_to_train(collect("fig1", "small", tmp_path))
    hours = 5 * SCALES["small"].core_hours["cifar10", "resnet8"]
    assert f"flsd53: seed 0; about {hours:.1f} core-hours" in hint
    assert "core-hours" not in how_to_train(collect("fig1", "paper", tmp_path))


def test_a_calibrator_is_left_out_where_classes_are_too_many(runs):
    record = records.find(Run("demo", "digits", "resnet8", "ce", 0), runs)
    record = replace(record, config=record.config | {"classes": [str(k) for k in range(101)]})
    assert calibrated.ece_em_after("dirichlet")(record) is None
    assert calibrated.ece_em_after("ts")(record) is not None
    assert "Dirichlet above 100" in TABLES["posthoc"].notes


def test_runs_without_scores_are_named_with_the_command_that_adds_them(runs, tmp_path, capsys):
    assert main(["table8", "--scale", "demo", "--runs", str(runs), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert ". To train them:" in out
    assert (
        "Finished runs without these scores: 4. To add them:\n  python -m experiments.ood --for table8 --scale demo"
        in out
    )


def test_auroc_comes_from_the_record_and_the_highest_is_bold(runs):
    from figures.tables.table8 import TABLE

    for method, auroc in (("ce", 0.9), ("adafocal", 0.95)):
        path = Run("demo", "digits", "resnet8", method, 0).folder(runs) / records.RESULT
        ood = {"photos": {"auroc": auroc, "auroc_scaled": auroc - 0.01}}
        files.write_json(path, json.loads(path.read_text()) | {"ood": ood})
    filled = fill(TABLE, "demo", runs)
    row = filled.cells["first_before"]["digits", "resnet8"]
    assert (row["ce"].mean, row["adafocal"].mean, row["ce"].seeds) == (90, 95, 1)
    assert (row["ce"].best, row["adafocal"].best) == (False, True)
    assert filled.cells["first_after"]["digits", "resnet8"]["ce"].mean == pytest.approx(89)
    assert filled.cells["second_before"]["digits", "resnet8"]["ce"].mean is None


def test_a_stand_in_for_an_out_of_distribution_set_is_named_above_its_rows(runs, tmp_path):
    from figures.tables.table8 import TABLE

    for render in (markdown, latex, html_tables):
        demo, paper = (render(fill(TABLE, scale, where)) for scale, where in (("demo", runs), ("paper", tmp_path)))
        assert "noise, in place of CIFAR-10-C, before temperature scaling" in demo
        assert "CIFAR-10-C, before temperature scaling" in paper
        assert "in place of" not in paper


def test_an_ablation_shares_the_run_that_is_no_override():
    runs = {str(run).split("/")[3] for run in grid.runs_of("ablation_bins", "paper")}
    assert "adafocal" in runs
    assert "adafocal+loss_options.num_bins=5" in runs
    assert len(runs) == 6
    assert len(grid.runs_of("ablation_gamma_max", "paper")) == 3 * 5
    assert "adafocal+loss_options.gamma_max=inf" in {
        str(run).split("/")[3] for run in grid.runs_of("ablation_gamma_max", "paper")
    }


def test_error_bars_are_the_means_and_deviations(runs, tmp_path):
    add_scores(runs)
    path = Run("demo", "digits", "resnet8", "ce", 1).folder(runs) / records.RESULT
    result = json.loads(path.read_text())
    result["test"]["ece_ew"] = 0.35
    files.write_json(path, result)
    figure = style.new()
    error_bars.draw(fill(error_bars.TABLE, "demo", runs), figure)
    before, after = figure.axes
    heights = [container[0].get_height() for container in before.containers if hasattr(container, "patches")]
    assert heights[0] == pytest.approx(30)
    assert heights[-1] == pytest.approx(25)
    assert np.isnan(heights[1])
    error_bars.picture(fill(error_bars.TABLE, "demo", runs), tmp_path)
    first = (tmp_path / "error_bars.pdf").read_bytes()
    error_bars.picture(fill(error_bars.TABLE, "demo", runs), tmp_path)
    assert (tmp_path / "error_bars.pdf").read_bytes() == first
    assert (tmp_path / "error_bars.png").stat().st_size > 5000
    assert after.get_ylabel() == "ECE_EW (%)"


def test_methods_that_lack_the_same_seeds_are_named_together():
    from figures.collect import _lacking

    lacking = {"ce": [0, 1, 2], "ls": [0, 1, 2], "adafocal": [3], "fl3": [0, 2]}
    assert _lacking(lacking) == "ce, ls: seeds 0 to 2; adafocal: seed 3; fl3: seeds 0, 2"
