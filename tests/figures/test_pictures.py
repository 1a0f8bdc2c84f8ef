"""Figures from made-up records, so that every curve in them is known."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import losses
from experiments import grid, records
from experiments.grid import Run
from experiments.records import files
from experiments.records.provenance import ROOT
from figures import cache
from figures.collect import collect
from figures.command import main
from figures.pictures import PICTURES, correspondence, curves, fig3
from figures.tables import TABLES
from tests.support.records import add_predictions, write_record

EPOCHS = Run.make("demo", "digits", "resnet8", "ce", 0).recipe.epochs


def write_full_record(runs, run: Run, ece=0.1, gap=0.05, gamma=2.0):
    """A record whose scores and bins are the same in every epoch, but for bin 1, which is empty."""
    write_record(runs, run)
    folder, epochs, bins = run.folder(runs), run.recipe.epochs, 15
    scores = {f"{part}_{score}": ece for part in ("val", "test") for score in ("error", "ece_em")}
    history = [{"epoch": epoch + 1, "lr": 0.1} | scores for epoch in range(epochs)]
    rows = []
    for epoch in range(epochs):
        for b in range(bins):
            middle = (b + 0.5) / bins
            row = {"epoch": epoch + 1, "bin": b, "val_lower": b / bins, "val_upper": (b + 1) / bins, "val_count": 10}
            row |= {"val_confidence": middle, "val_accuracy": middle - gap, "gamma": gamma}
            row |= {"train_true_confidence": middle / 2, "train_top_confidence": middle / 3}
            row |= {"own_true_lower": b / 20, "own_true_confidence": middle / 4}
            empty = ("val_confidence", "val_accuracy", "train_true_confidence")
            rows.append(row | (dict.fromkeys(empty, np.nan) if b == 1 else {}))
    for name, table in ((records.HISTORY, history), (records.BINS, rows)):
        pd.DataFrame(table).to_csv(folder / name, index=False)
    result = json.loads((folder / records.RESULT).read_text())
    files.write_json(folder / records.RESULT, result | {"seconds": 1.0})


@pytest.fixture(autouse=True)
def no_cache():
    yield
    cache.use(None)


@pytest.fixture
def runs(tmp_path):
    """Every run of Figures 1 to 5 on the demo's first pair, seed 0; CE twice, with another ECE."""
    folder = tmp_path / "runs"
    methods = ("ce", "fl3", "fl4", "fl5", "flsd53", "adafocal", "calfocal1", "calfocal10", "calfocal100")
    for i, method in enumerate(methods):
        write_full_record(folder, Run("demo", "digits", "resnet8", method), ece=0.1 + 0.01 * i, gap=0.05 - 0.01 * i)
    write_full_record(folder, Run("demo", "digits", "resnet8", "ce", 1), ece=0.2)
    return folder


def lines(ax) -> dict[str, np.ndarray]:
    """The curves of a panel by label."""
    return {line.get_label(): np.asarray(line.get_ydata(), float) for line in ax.lines}


def draw(name, runs):
    picture = PICTURES[name]
    return picture.draw(collect(name, "demo", runs, picture.needs))


pytestmark = pytest.mark.filterwarnings("ignore:left out")


def test_every_experiment_is_a_table_or_a_figure_and_a_make_target():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = {name: re.search(rf"^{name} := (.*)$", makefile, re.M)[1].split() for name in ("TABLES", "FIGURES")}
    assert sorted(targets["FIGURES"]) == sorted(PICTURES)
    assert sorted(targets["TABLES"] + targets["FIGURES"]) == sorted(grid.EXPERIMENTS)
    for name in grid.EXPERIMENTS:
        assert (PICTURES if name in PICTURES else TABLES)[name].name == name


@pytest.mark.parametrize("name", PICTURES)
def test_every_figure_draws_what_there_is_and_names_what_is_missing(name, runs, tmp_path, capsys):
    for method in ("ce", "adafocal", "fl3"):
        add_predictions(runs, Run("demo", "digits", "resnet8", method), 0)
    assert main([name, "--scale", "demo", "--runs", str(runs), "--out", str(tmp_path / "out")]) == 0
    for suffix in ("pdf", "png", "txt"):
        assert (tmp_path / f"out/demo/{name}.{suffix}").stat().st_size > 300
    wanted = grid.runs_of(name, "demo")
    there = [run for run in wanted if run.folder(runs).exists()]
    caption = (tmp_path / f"out/demo/{name}.txt").read_text()
    out = capsys.readouterr().out
    if len(there) < len(wanted):
        assert f"python -m experiments.run --for {name} --scale demo --runs {runs} --dataset" in caption
        assert f"Missing runs: {len(wanted) - caption.split('Missing:')[0].count('  demo/')}." in out


@pytest.mark.parametrize("name", PICTURES)
def test_a_figure_without_any_record_is_drawn_all_the_same(name, tmp_path):
    figure = PICTURES[name].draw(collect(name, "demo", tmp_path / "none"))
    assert any("no record yet" in text.get_text() for ax in figure.axes for text in ax.texts)


def test_fonts_are_embedded_and_equal_records_give_equal_bytes(runs, tmp_path):
    for out in ("a", "b"):
        assert main(["fig1", "--runs", str(runs), "--out", str(tmp_path / out)]) == 0
    pdf = (tmp_path / "a/demo/fig1.pdf").read_bytes()
    assert b"/FontFile2" in pdf
    assert pdf == (tmp_path / "b/demo/fig1.pdf").read_bytes()


def test_figure_1_shows_ece_and_the_gap_of_three_bins(runs):
    axes = draw("fig1", runs).axes
    assert [ax.get_title(loc="left").split("\n")[-1] for ax in axes[:4]] == [
        "all bins", "bin 0 (lower)", "bin 7 (middle)", "bin 14 (upper)"
    ]  # fmt: skip
    assert lines(axes[0])["FL-3"] == pytest.approx(np.full(EPOCHS, 11.0))  # percent
    assert list(lines(axes[1]))[:5] == ["CE", "FL-3", "FL-4", "FL-5", "FLSD-53"]
    assert lines(axes[2])["FL-5"] == pytest.approx(np.full(EPOCHS, 2.0))
    assert lines(axes[2])["_zero"] == pytest.approx([0, 0])
    assert axes[1].get_ylabel() == "$C_{val} - A_{val}$ (%)"


def test_figure_2_shows_training_and_validation_confidence(runs):
    ax = draw("fig2", runs).axes[1]  # bin 7
    for train, val in zip(ax.lines[::2], ax.lines[1::2], strict=True):
        assert train.get_ydata() == pytest.approx(np.full(EPOCHS, 25.0))
        assert val.get_ydata() == pytest.approx(np.full(EPOCHS, 50.0))
        assert (train.get_linestyle(), val.get_marker()) == ("-", "*")
        assert train.get_color() == val.get_color()


def test_figure_3_draws_the_losses_that_are_trained_with():
    import torch

    p = np.array([0.1, 0.35, 0.8, 0.95])
    logits = torch.stack([torch.from_numpy(np.log(p)), torch.from_numpy(np.log(1 - p))], dim=1)
    targets = torch.zeros(4, dtype=torch.long)
    for name, gamma in (("fl3", 3.0), ("ce", 0.0)):
        ours = losses.build(name, reduction="none")(logits, targets).numpy()
        assert fig3.loss(p, gamma) == pytest.approx(ours)
    inverse = losses.build("invfl", gamma=2.0, reduction="none")(logits, targets).numpy()
    assert fig3.loss(p, -2.0) == pytest.approx(inverse)
    calfocal = losses.build("calfocal", lam=10.0, reduction="none")
    calfocal.accuracy.fill_(fig3.ACCURACY)
    assert fig3.loss(p, np.exp(10 * (p - fig3.ACCURACY)).clip(max=20)) == pytest.approx(
        calfocal(logits, targets).numpy(), rel=1e-5
    )


def test_figure_3_shows_calfocal_over_epochs_and_in_bin_0(runs):
    losses_, error, ece, bin_0 = draw("fig3", runs).axes
    assert list(lines(losses_))[:6] == ["CE", "FL-3", "InvFL-2", "CF-1", "CF-10", "CF-100"]
    assert list(lines(error)) == ["CE", "FLSD-53", "CalFocal λ=1", "CalFocal λ=10", "CalFocal λ=100"]
    assert lines(ece)["CalFocal λ=1"] == pytest.approx(np.full(EPOCHS, 16.0))
    train, val, accuracy = bin_0.lines[:3]
    assert pytest.approx(train.get_ydata()[0]) == 100 / 60
    assert pytest.approx(val.get_ydata()[0]) == 100 / 30
    assert accuracy.get_ydata()[0] == pytest.approx(100 / 30 + 1)  # the gap is -0.01


def test_figure_4_is_the_mean_and_the_band_one_sample_deviation(runs):
    ece = draw("fig4", runs).axes[1]
    assert lines(ece)["CE"] == pytest.approx(np.full(EPOCHS, 15.0))
    band = ece.collections[0].get_paths()[0].vertices[:, 1]
    std = 100 * np.std([0.1, 0.2], ddof=1)
    assert (band.min(), band.max()) == (pytest.approx(15 - std), pytest.approx(15 + std))
    assert len(ece.collections) == 1  # one seed has no deviation


def test_figure_5_shows_gamma_from_its_start_and_the_thresholds(runs):
    axes = draw("fig5", runs).axes
    assert [ax.get_title(loc="left").split("\n")[-1] for ax in axes[:5]] == [f"bin {b}" for b in (0, 4, 7, 10, 14)]
    gamma = axes[5]
    assert lines(gamma)["AdaFocal"] == pytest.approx([1.0] + [2.0] * EPOCHS)
    thresholds = sorted(line.get_ydata()[0] for line in gamma.lines if line.get_label() == "_threshold")
    assert thresholds == [-0.2, 0.2]
    assert lines(axes[0])["AdaFocal"] == pytest.approx(np.zeros(EPOCHS))


def test_figure_6_shows_the_curve_of_the_stored_logits(runs):
    run = Run("demo", "digits", "resnet8", "flsd53")
    arrays = add_predictions(runs, run, 0)
    flat = np.zeros((50, 10), np.float32)  # nothing is less certain than this
    digest = files.write_npz(run.folder(runs) / records.PREDICTIONS, arrays | {"ood_photos_logits": flat})
    path = run.folder(runs) / records.RESULT
    files.write_json(path, json.loads(path.read_text()) | {"sha256": {records.PREDICTIONS: digest}})
    first, *others = draw("fig6", runs).axes
    assert [ax.get_title("left")[:3] for ax in others] == ["(b)", "(c)", "(d)"]
    assert first.get_title("left").endswith("against photos, in place of SVHN")
    (pre, post), diagonal = first.lines[:2], first.lines[2]
    assert pre.get_label() == "FLSD-53, pre T: 100.0"
    assert post.get_label() == "FLSD-53, post T: 100.0"
    assert pre.get_ydata()[1:] == pytest.approx(np.full(500, 100.0))
    assert list(diagonal.get_ydata()) == [0, 100]


def test_figure_7_shows_every_bin_and_its_edges(runs):
    axes = draw("fig7", runs).axes
    assert len(axes) == 30
    edges = {round(float(line.get_ydata()[0]), 6) for line in axes[5].lines}
    assert edges == {0.0, round(100 / 15, 6)}
    assert np.isnan(lines(axes[1])["CE"]).all()  # the empty bin


def test_independent_bins_show_their_own_edges(runs):
    axes = draw("fig9", runs).axes
    assert axes[5].get_ylabel() == "edge (%)"
    own, val = axes[7].lines[:2]
    assert own.get_ydata()[0] == pytest.approx(100 * 2 / 20)
    assert val.get_ydata()[0] == pytest.approx(100 * 2 / 15)
    assert "bins of their own" in correspondence.notes(*PICTURES["fig9"].draw.keywords["rows"])


def test_reliability_shows_the_scaled_predictions(runs):
    run = Run("demo", "digits", "resnet8", "ce")
    add_predictions(runs, run, 0)
    axes = draw("reliability", runs).axes
    before, counts, after = axes[0], axes[6], axes[12]
    assert "T 1.5" in after.get_title(loc="left")
    assert len(before.patches) > 5
    drawn = before.get_legend_handles_labels()[1]
    assert {"95 % consistency band", "95 % bootstrap interval"} <= set(drawn)
    assert sum(bar.get_height() for bar in counts.patches) == 400
    assert counts.get_ylabel() == "samples"
    assert before.get_title(loc="left").startswith("ResNet-8 on Digits (8x8, noisy)\nCE\nECE ")


def test_a_half_written_record_is_left_out_with_a_warning(runs):
    folder = Run("demo", "digits", "resnet8", "fl3").folder(runs)
    half = (folder / records.BINS).read_bytes()
    (folder / records.BINS).write_bytes(half[: len(half) // 2])
    with pytest.warns(UserWarning, match=r"left out: .*bins.csv is (missing or )?damaged"):
        assert "FL-3" not in lines(draw("fig1", runs).axes[0])
    (Run("demo", "digits", "resnet8", "fl4").folder(runs) / records.RESULT).unlink()
    with pytest.warns(UserWarning, match="left out: .*fl4/seed0 is of a run that has not ended"):
        assert "FL-4" not in lines(draw("fig1", runs).axes[0])


def test_a_figure_is_drawn_again_only_when_something_changed(runs, tmp_path, monkeypatch):
    drawn = []
    original = curves.legend
    monkeypatch.setattr(curves, "legend", lambda *args, **kwargs: (drawn.append(1), original(*args, **kwargs)))
    command = ["--runs", str(runs), "--out", str(tmp_path)]
    for _ in range(2):
        main(["fig4", *command])
    assert len(drawn) == 1
    (tmp_path / "demo/fig4.png").write_bytes(b"spoilt")
    main(["fig4", *command])
    assert len(drawn) == 2
    write_full_record(runs, Run("demo", "digits", "resnet8", "ce", 2), ece=0.3)
    main(["fig4", *command])
    assert len(drawn) == 3


def test_figures_load_no_model_and_train_nothing(runs, monkeypatch):
    import models
    from experiments.training import loop as trainer

    for module, name in ((models, "build"), (trainer, "Training")):
        monkeypatch.setattr(module, name, lambda *args, **kwargs: pytest.fail("a figure wants a model"))
    for name in PICTURES:
        draw(name, runs)
