"""The report on anybody's predictions: the numbers are the metrics', and bad files are refused in one line."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from calibration import ece_em, summary
from experiments import audit
from experiments.records.provenance import ROOT
from posthoc import EnsembleTemperatureScaling, affine
from tests.support.calibrators import planted
from tests.support.commands import refused


@pytest.fixture
def arrays():
    logits, labels = planted(3.0, 900, 5, seed=0)
    return {
        "val_logits": logits[:400].astype(np.float32),
        "val_labels": labels[:400],
        "test_logits": logits[400:].astype(np.float32),
        "test_labels": labels[400:],
    }


@pytest.fixture
def path(arrays, tmp_path):
    np.savez(tmp_path / "predictions.npz", **arrays)
    return tmp_path / "predictions.npz"


def run(capsys, *arguments) -> str:
    assert audit.main([*map(str, arguments), "--resamples", "50"]) == 0
    return capsys.readouterr().out


def row(out: str, label: str) -> list[str]:
    line = next(line for line in out.splitlines() if line.startswith(label))
    return line[len(label) :].split()


def test_scores_and_calibrators_of_a_runs_predictions(path, arrays, capsys):
    out = run(capsys, path)
    scores = summary(arrays["test_logits"], arrays["test_labels"])
    assert row(out, "ECE_EM (%)")[0] == f"{100 * scores['ece_em']:.2f}"
    assert row(out, "NLL (nats)")[0] == f"{scores['nll']:.4f}"
    assert len(re.findall(r"\[-?[\d.]+, [\d.]+\]", out)) == len(scores) - 2, "of all but the MCE and the smooth ECE"
    assert "500 samples, 5 classes" in out
    assert "fitted to 400 validation samples" in out
    ets = EnsembleTemperatureScaling().fit(arrays["val_logits"], arrays["val_labels"])
    after = ece_em(*ets.top_label(arrays["test_logits"], arrays["test_labels"]))
    assert f"{100 * after:.2f}" in row(out, "ETS, T =")
    assert row(out, "none")[0] == row(out, "ECE_EM (%)")[0]
    assert out == run(capsys, path), "the bootstrap has a seed"


def test_a_validation_file_of_its_own_and_plain_names(path, arrays, tmp_path, capsys):
    np.savez(tmp_path / "t.npz", logits=arrays["test_logits"], labels=arrays["test_labels"])
    np.savez(tmp_path / "v.npz", logits=arrays["val_logits"], labels=arrays["val_labels"])
    whole = run(capsys, path).splitlines()[1:]
    assert run(capsys, tmp_path / "t.npz", "--val", tmp_path / "v.npz").splitlines()[1:] == whole
    assert "Post-hoc" not in run(capsys, tmp_path / "t.npz")


def test_csv_and_probabilities(path, arrays, tmp_path, capsys):
    table = pd.DataFrame(arrays["test_logits"].astype(float), columns=list("abcde"))
    table.assign(label=arrays["test_labels"]).to_csv(tmp_path / "t.csv", index=False)
    expected = row(run(capsys, path), "ECE_EM (%)")
    assert row(run(capsys, tmp_path / "t.csv"), "ECE_EM (%)") == expected
    z = arrays["test_logits"].astype(float)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    np.savez(tmp_path / "p.npz", probabilities=p, labels=arrays["test_labels"])
    assert row(run(capsys, tmp_path / "p.npz", "--probabilities"), "ECE_EM (%)") == expected


def test_calibrators_without_validation_predictions(arrays, tmp_path, capsys):
    np.savez(tmp_path / "t.npz", logits=arrays["test_logits"], labels=arrays["test_labels"])
    assert "no calibrator is fitted" in run(capsys, tmp_path / "t.npz", "--calibrators", "ts")
    assert audit.main([str(tmp_path / "t.npz"), "--calibrators", "platt"]) == 2
    assert "unknown calibrator 'platt'" in capsys.readouterr().err


def test_a_csv_is_read_once(arrays, tmp_path, capsys, monkeypatch):
    table = pd.DataFrame(arrays["test_logits"].astype(float)).assign(label=arrays["test_labels"])
    table.to_csv(tmp_path / "t.csv", index=False)
    calls, read_csv = [], pd.read_csv
    monkeypatch.setattr(pd, "read_csv", lambda path, **options: calls.append(path) or read_csv(path, **options))
    assert "Post-hoc" not in run(capsys, tmp_path / "t.csv")
    assert len(calls) == 1
    assert "Post-hoc" in run(capsys, tmp_path / "t.csv", "--val", tmp_path / "t.csv")
    assert len(calls) == 3


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_holds_the_tables_and_pictures_and_needs_nothing_else(path, arrays, tmp_path, capsys):
    out = run(capsys, path, "--out", tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    assert page.tags.count("table") == 2
    assert page.tags.count("img") == 2
    assert all(source.startswith("data:") for source in page.sources)
    assert row(out, "ECE_EM (%)")[0] in page.words
    assert "written: " in out
    strange = tmp_path / "<b>.npz"
    np.savez(strange, **arrays)
    run(capsys, strange, "--out", tmp_path / "report.html")
    assert "<b>" not in (tmp_path / "report.html").read_text()


def test_bad_files_are_refused_and_no_page_is_written(path, arrays, tmp_path, capsys):
    def refusal(message, *more, **changed):
        np.savez(tmp_path / "bad.npz", **{k: v for k, v in (arrays | changed).items() if v is not None})
        line = refused(capsys, audit.main, str(tmp_path / "bad.npz"), "--out", str(tmp_path / "no.html"), *more)
        assert re.search(message, line), line
        assert "bad.npz" in line
        assert not (tmp_path / "no.html").exists()

    bad = arrays["test_logits"].copy()
    bad[7, 2] = np.nan
    refusal("finite, got NaN or infinity in row 7", test_logits=bad)
    refusal("labels", test_labels=arrays["test_labels"] + 1)
    refusal("labels", test_labels=arrays["test_labels"][:-1])
    refusal("4 classes", val_logits=arrays["val_logits"][:, :4], val_labels=arrays["val_labels"] % 4)
    refusal("no array 'test_labels'", test_labels=None)
    refusal("no array 'logits'", test_logits=None)
    refusal("pickle|allow_pickle", test_logits=np.array([{}, {}], dtype=object))
    refusal("no array 'probabilities'", "--probabilities")
    (tmp_path / "bad.npz").write_bytes(path.read_bytes()[:500])
    assert "bad.npz" in refused(capsys, audit.main, str(tmp_path / "bad.npz"))
    assert "cannot read" in refused(capsys, audit.main, str(tmp_path / "nowhere.npz"))
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    assert "no column 'label'" in refused(capsys, audit.main, str(tmp_path / "bad.csv"))
    (tmp_path / "bad.csv").write_text("a,b,label\n1,x,0\n")
    assert "column 'b' is not of numbers" in refused(capsys, audit.main, str(tmp_path / "bad.csv"))
    np.savez(tmp_path / "p.npz", probabilities=np.full((3, 2), 0.9), labels=np.zeros(3, int))
    assert "sum to 1" in refused(capsys, audit.main, str(tmp_path / "p.npz"), "--probabilities")
    assert "num_bins" in refused(capsys, audit.main, str(path), "--num-bins", "0")


def saved(path, logits, labels, **others):
    np.savez(path, logits=logits, labels=labels, **others)
    return path


def test_notes_come_before_scores_and_scores_before_calibrators(path, capsys):
    out = run(capsys, path)
    assert out.index("500 samples") < out.index("\nScores") < out.index("\nPost-hoc calibration") < out.index("Vector")


def test_what_is_too_large_is_left_out_by_name_and_what_was_not_finished_says_so(tmp_path, capsys, monkeypatch):
    logits, labels = planted(3.0, 400, 101, seed=0)
    file = saved(tmp_path / "p.npz", logits, labels)
    monkeypatch.setattr(affine, "MIN_STEPS", 2)
    monkeypatch.setattr(affine, "WORK", 2 * logits.size)
    out = run(capsys, file, "--val", file)
    assert "Left out with more than 100 classes: Dirichlet" in out
    assert "--calibrators dirichlet fits it" in out
    assert "Vector: at most 2 steps of its search" in out
    assert "Vector (unfinished)" in out
    assert "unfinished: the search was stopped at its limit" in out
    assert not any(line.startswith("Dirichlet") for line in out.split("Post-hoc")[1].splitlines())
    out = run(capsys, file, "--val", file, "--calibrators", "dirichlet", "ts")
    rows = [line.split()[0] for line in out.split("(nats)")[-1].splitlines() if line]
    assert rows[:3] == ["none", "Dirichlet", "TS"]
    assert "unknown calibrator 'platt'" in refused(
        capsys, audit.main, str(file), "--val", str(file), "--calibrators", "platt"
    )


def test_no_limit_where_the_search_comes_to_its_end(path, capsys):
    out = run(capsys, path)
    assert "unfinished" not in out
    assert "at most" not in out
    assert "Dirichlet" in out


def test_the_nll_after_a_calibrator_is_that_of_its_logits(tmp_path, capsys):
    labels = np.arange(100) % 10
    wrong = np.where(np.arange(100) < 10, (labels + 1) % 10, labels)
    file = saved(tmp_path / "p.npz", 1000.0 * np.eye(10)[labels], wrong)
    out = run(capsys, file, "--val", file)
    assert row(out, "none")[-1] == "100.0000"  # a tenth of them with a margin of 1,000
    assert row(out, "TS (ECE_EM), T = 1.00")[-1] == "100.0000"


def test_a_temperature_at_a_bound_is_a_line_of_the_report(tmp_path, capsys, recwarn):
    logits, labels = planted(1.0, 100, 3, seed=0)
    right = saved(tmp_path / "v.npz", logits, logits.argmax(1))  # the colder the better
    out = run(capsys, saved(tmp_path / "t.npz", logits, labels), "--val", right, "--out", str(tmp_path / "p.html"))
    assert "lies at a bound of the search" in out
    assert "lies at a bound of the search" in (tmp_path / "p.html").read_text()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_infinite_nll_is_explained(tmp_path, capsys):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    logits = 5 * np.eye(4)[labels] + rng.normal(size=(200, 4))
    val = saved(tmp_path / "v.npz", logits, labels)  # all right: histogram binning will say 1 of them
    test = saved(tmp_path / "t.npz", logits, (labels + (np.arange(200) < 20)) % 4)
    out = run(capsys, test, "--val", val)
    assert row(out, "Histogram")[-1] == "inf"
    assert "an NLL of inf: a label has probability 0" in out
    assert "an NLL of inf" not in run(capsys, val, "--val", val)
    assert not re.search(r"-0\.0+(?!\d)", out)


def test_classes_that_cannot_be_and_probabilities_of_zero(tmp_path, capsys):
    logits, labels = planted(3.0, 400, 5, seed=0)
    logits[np.arange(400), (labels + 1) % 5] = -np.inf
    expected = summary(logits, labels)
    file = saved(tmp_path / "p.npz", logits, labels)
    out = run(capsys, file, "--val", file)
    assert row(out, "ECE_EM (%)")[0] == f"{100 * expected['ece_em']:.2f}"
    assert "nan" not in out
    p = np.exp(logits - logits.max(1, keepdims=True))
    np.savez(tmp_path / "q.npz", probabilities=p / p.sum(1, keepdims=True), labels=labels)
    again = run(capsys, tmp_path / "q.npz", "--val", tmp_path / "q.npz", "--probabilities")
    lines = ([line for line in text.splitlines()[1:] if "Vector" not in line] for text in (out, again))
    assert next(lines) == next(lines)  # vector scaling alone sees what softmax does not


def test_what_is_said_of_rounded_probabilities_is_printed_and_on_the_page(tmp_path, capsys):
    logits, labels = planted(1.0, 100, 5, seed=0)
    p = np.exp(logits - logits.max(1, keepdims=True))
    np.savez(tmp_path / "p.npz", probabilities=(p / p.sum(1, keepdims=True)).round(2), labels=labels)
    out = run(capsys, tmp_path / "p.npz", "--probabilities", "--out", tmp_path)
    assert "Note: probabilities sum to 0.9" in out
    assert "every row is divided by its sum" in (tmp_path / "p.html").read_text()  # --out may be a folder


def test_a_folder_with_a_space_and_an_umlaut(arrays, tmp_path, capsys):
    folder = tmp_path / "für alle"
    folder.mkdir()
    np.savez(folder / "prä diktion.npz", **arrays)
    run(capsys, folder / "prä diktion.npz", "--out", folder / "bericht.html")
    page = Page((folder / "bericht.html").read_text(encoding="utf-8"))
    assert "Calibration of prä diktion.npz" in page.words


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_is_not_utf_8(path, tmp_path, encoding):
    command = [sys.executable, "-m", "experiments.audit", path, "--resamples", "5", "--out", tmp_path / "r.html"]
    command += ["--calibrators", "ts"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding, "MPLBACKEND": "TkAgg"}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert re.search(rb"MCE \(%\) +[\d.]+ +\?", done.stdout)
    assert "–" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_home_folder_that_the_shell_left_alone(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "written: " in run(capsys, "~/predictions.npz", "--out=~/r.html", "--val=~/predictions.npz")
    assert (tmp_path / "r.html").is_file()


def test_a_page_that_cannot_be_written_is_named(path, tmp_path, capsys):
    page = tmp_path / "nowhere" / "report.html"
    assert audit.main([str(path), "--out", str(page)]) == 2
    assert str(page) in capsys.readouterr().err
