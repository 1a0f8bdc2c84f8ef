"""The report on many models: a row each, whatever is wrong with the others."""

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from calibration import SCORES, summary
from experiments import audit
from experiments.audit.many import best_calibrator
from experiments.grid import Run
from experiments.records import RESULT
from experiments.records.predictions import Predictions
from posthoc import CALIBRATORS, TemperatureScaling, build
from posthoc.registry import Entry
from posthoc.temperature import NLLTemperatureScaling
from tests.support.calibrators import planted
from tests.support.commands import refused
from tests.support.records import add_predictions, write_record

FEW = ("--calibrators", "ts-nll", "spline")


def arrays(seed=0, temperature=3.0, k=5):
    logits, labels = planted(temperature, 700, k, seed=seed)
    val = {"val_logits": logits[:300], "val_labels": labels[:300]}
    return val | {"test_logits": logits[300:], "test_labels": labels[300:]}


def plain(path, seed=0, part="test", **changed):
    whole = arrays(seed)
    np.savez(path, **({"logits": whole[f"{part}_logits"], "labels": whole[f"{part}_labels"]} | changed))
    return path


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def compare(capsys, *given, status=0, few=FEW) -> tuple[pd.DataFrame, str, str]:
    """The CSV, and what was said on standard output and error."""
    assert audit.main([*map(str, given), *few, "--out", "all.html"]) == status
    out, err = capsys.readouterr()
    return pd.read_csv("all.csv").set_index("model"), out, err


def test_a_row_a_model_with_scores_before_and_after(tmp_path, capsys):
    np.savez("a.npz", **arrays(0))
    np.savez("b.npz", **arrays(1, temperature=0.5))
    frame, out, err = compare(capsys, "a.npz", "b.npz")
    assert list(frame.index) == ["a.npz", "b.npz"]
    assert "error" not in err
    for name, made in (("a.npz", arrays(0)), ("b.npz", arrays(1, temperature=0.5))):
        row = frame.loc[name]
        temperature = TemperatureScaling().fit(made["val_logits"], made["val_labels"]).temperature_
        assert row["temperature"] == temperature
        before = summary(made["test_logits"], made["test_labels"])
        after = summary(made["test_logits"] / temperature, made["test_labels"])
        for score in SCORES:
            assert row[score] == pytest.approx(before[score], abs=1e-12)
            assert row[f"{score}_after"] == pytest.approx(after[score], abs=1e-12)
        assert (row["samples"], row["classes"], row["validation_samples"]) == (400, 5, 300)
        assert row["best_calibrator"] in ("ts-nll", "spline")
        fitted = build(row["best_calibrator"]).fit(made["val_logits"], made["val_labels"])
        assert row["best_ece_em"] == pytest.approx(
            SCORES["ece_em"].function(*fitted.top_label(made["test_logits"], made["test_labels"]))
        )
        assert f"{100 * before['ece_em']:.2f}" in next(line for line in out.splitlines() if line.startswith(name))
    assert "the models' labels differ" in out


class Table(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.rows, self.inside = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append([int(dict(attrs).get("colspan", 1)), ""])
        self.inside = tag in ("th", "td")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1][1] += data


def test_the_page_has_the_columns_of_the_csv(tmp_path, capsys):
    np.savez("a.npz", **arrays(0))
    plain("<b>.npz")
    frame, _, _ = compare(capsys, "a.npz", "<b>.npz")
    page = (tmp_path / "all.html").read_text()
    assert "<b>" not in page
    first_table, all_scores = page.split("<h2>")[1:]
    shown = [[cell for _, cell in row] for row in Table(first_table).rows[-2:]]
    assert [row[0] for row in shown] == list(frame.index)
    assert [row[2] for row in shown] == [f"{100 * value:.2f}" for value in frame["ece_em"]]
    groups, header, *rows = Table(all_scores).rows
    widths = {sum(span for span, _ in row) for row in (groups, header, *rows)}
    assert widths == {5 + 2 * len(SCORES) + 2}
    assert [name for _, name in groups[2:-1]] == [score.header for score in SCORES.values()]
    first = dict(zip([name for _, name in header], [cell for _, cell in rows[0]], strict=False))
    assert first["T"] == f"{frame.loc['a.npz', 'temperature']:.1f}"
    at = 5 + 2 * list(SCORES).index("ece_em")
    assert [cell for _, cell in rows[0][at : at + 2]] == [
        f"{100 * frame.loc['a.npz', name]:.2f}" for name in ("ece_em", "ece_em_after")
    ]
    assert [cell for _, cell in rows[1][3:5]] == ["", ""]


def test_without_validation_part_columns_are_empty_and_with_name_val_they_are_not(capsys):
    plain("a.npz")
    plain("b.npz")
    plain("b-val.npz", part="val")
    np.savez("c.npz", **arrays())
    frame, _, _ = compare(capsys, "a.npz", "b.npz", "b-val.npz", "c.npz")
    assert list(frame.index) == ["a.npz", "b.npz", "c.npz"], "a validation part is no model"
    later = [name for name in frame if name.endswith("_after") or name in ("temperature", "best_calibrator")]
    assert frame.loc["a.npz", later].isna().all()
    assert frame.loc["b.npz", later].equals(frame.loc["c.npz", later])
    assert frame["ece_em"].nunique() == 1


def test_tables_and_their_validation_parts(capsys):
    for name, part in (("t.csv", "test"), ("t-val.tsv", "val")):
        made = arrays()
        columns = pd.DataFrame(made[f"{part}_logits"]).assign(label=made[f"{part}_labels"])
        columns.to_csv(name, index=False, sep="\t" if name.endswith("tsv") else ",")
    np.savez("c.npz", **arrays())
    frame, _, _ = compare(capsys, "t.csv", "c.npz")
    assert frame.loc["t.csv", "ece_em_after"] == pytest.approx(frame.loc["c.npz", "ece_em_after"])


def test_one_broken_file_among_ten_loses_no_other(tmp_path, capsys):
    for i in range(10):
        plain(f"{i}.npz", seed=i)
    whole = (tmp_path / "4.npz").read_bytes()
    (tmp_path / "4.npz").write_bytes(whole[: len(whole) // 2])
    frame, _, err = compare(capsys, *(f"{i}.npz" for i in range(10)), status=2)
    assert list(frame.index) == [f"{i}.npz" for i in range(10) if i != 4]
    (line,) = (line for line in err.splitlines() if "error" in line)
    assert "4.npz" in line
    assert "4.npz" in (tmp_path / "all.html").read_text().split("Left out: ")[1]


def test_broken_validation_parts_are_named(tmp_path, capsys):
    plain("a.npz")
    (tmp_path / "a-val.npz").write_bytes(b"")
    plain("b.npz")
    plain("b-val.npz", logits=np.zeros((9, 4)), labels=np.zeros(9, int))
    plain("c.npz")
    frame, _, err = compare(capsys, "a.npz", "b.npz", "c.npz", status=2)
    assert list(frame.index) == ["c.npz"]
    assert "a-val.npz" in err
    assert "b-val.npz: 4 classes, there are 5 in b.npz" in err


def test_nothing_is_written_where_no_file_is_sound(tmp_path, capsys):
    (tmp_path / "a.npz").write_bytes(b"")
    assert audit.main(["a.npz", "nowhere.npz"]) == 2
    err = capsys.readouterr().err
    assert "a.npz" in err
    assert "nowhere.npz" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz"]
    plain("a.npz")
    plain("b.npz")
    assert "no folder" in refused(capsys, audit.main, "a.npz", "b.npz", "--out", "no/all.html")
    assert "unknown calibrator" in refused(capsys, audit.main, "a.npz", "b.npz", "--calibrators", "platt")
    (tmp_path / "t.csv").write_text("a,b,label\n1,0,0\n")
    assert "would overwrite" in refused(capsys, audit.main, "a.npz", "t.csv", "--out", "t.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz", "t.csv"]


def test_where_the_page_goes(tmp_path, capsys):
    plain("a.npz")
    assert audit.main(["a.npz", "a.npz", "./a.npz"]) == 0
    assert len(pd.read_csv("audit.csv")) == 1, "one file, however often it is named"
    assert (tmp_path / "audit.html").is_file()
    (tmp_path / "out").mkdir()
    for out, stem in (("out", "out/audit"), ("x.csv", "x"), ("v1.2", "v1.2")):
        assert audit.main([".", "--out", out]) == 0
        assert (tmp_path / f"{stem}.html").is_file()
        assert (tmp_path / f"{stem}.csv").is_file()
    said = capsys.readouterr().out
    assert "audit.csv was passed over: it has no column 'label'" in said


def test_a_folder_of_files_and_records(tmp_path, capsys):
    plain(tmp_path / "a.npz")
    plain(tmp_path / "a-val.npz", part="val")
    (tmp_path / "notes.csv").write_text("what,when\n1,2\n")
    (tmp_path / "notes.txt").write_text("not of ours")
    runs = [Run("demo", "digits", "resnet8", "ce", seed) for seed in range(4)]
    for run in runs:
        write_record(tmp_path / "runs", run)
        add_predictions(tmp_path / "runs", run, run.seed)
    folders = [run.folder(tmp_path / "runs") for run in runs]
    (folders[1] / RESULT).unlink()
    np.savez(folders[2] / "predictions.npz", **arrays(9))  # not the ones the run wrote
    (folders[3] / "config.json").write_text("{")
    frame, out, err = compare(capsys, tmp_path, status=2)
    assert list(frame.index) == ["a.npz", "runs/demo/digits/resnet8/ce/seed0"]
    assert frame["temperature"].notna().all()
    assert f"{folders[1]} was passed over: its run has not ended" in out
    assert "notes.csv was passed over" in out
    assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 2
    assert str(folders[2] / "predictions.npz") in err
    assert str(folders[3]) in err
    alone, _, _ = compare(capsys, folders[0])
    assert list(alone.index) == ["seed0"], "its history.csv and bins.csv are no predictions"
    result = json.loads((folders[0] / RESULT).read_text())
    assert result["sha256"]


def test_an_empty_folder_beside_a_sound_file(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    plain("a.npz")
    frame, _, err = compare(capsys, "empty", "a.npz", status=2)
    assert len(frame) == 1
    assert "empty: there are no predictions in this folder" in err


def test_temperature_and_best_calibrator_do_not_see_the_test_set(capsys):
    np.savez("a.npz", **arrays())
    shuffled = arrays()
    shuffled["test_labels"] = np.random.default_rng(0).permutation(shuffled["test_labels"])
    np.savez("b.npz", **shuffled)
    frame, _, _ = compare(capsys, "a.npz", "b.npz", few=())
    assert frame["temperature"].nunique() == 1
    assert frame["best_calibrator"].nunique() == 1
    assert frame["ece_em"].nunique() == 2


class Memory(NLLTemperatureScaling):
    """Perfect on samples it was fitted to, and always sure."""

    def fit(self, val_logits, val_labels):
        self.temperature_ = 1.0
        self.known_ = {row.tobytes(): label for row, label in zip(val_logits, val_labels, strict=True)}
        return self

    def top_label(self, logits, labels):
        right = np.array([self.known_.get(row.tobytes()) == label for row, label in zip(logits, labels, strict=True)])
        return np.ones(len(labels)), right


def test_the_best_calibrator_is_not_the_one_that_knows_its_samples(monkeypatch):
    monkeypatch.setitem(CALIBRATORS, "memory", Entry(Memory, "memory"))
    over_confident = Predictions(*planted(3.0, 600, 5))
    assert best_calibrator(["memory"], over_confident, 15, 0, str) == "none"
    assert best_calibrator(["memory", "ts"], over_confident, 15, 0, str) == "ts"
    assert best_calibrator(["ts"], Predictions(over_confident.scores[:1], over_confident.labels[:1]), 15, 0, str) == ""
    sure = Predictions(100.0 * np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0]))
    assert best_calibrator(["ts"], sure, 15, 0, str) == "none", "what changes nothing wins ties"


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_validation_samples(n, capsys):
    made = arrays()
    np.savez("a.npz", **made | {name: made[name][:n] for name in ("val_logits", "val_labels")})
    frame, _, _ = compare(capsys, "a.npz", "a.npz", few=())
    assert frame.loc["a.npz", "validation_samples"] == n


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_column_for_two_classes(shape, capsys):
    z, labels = planted(2.0, 300, 2)
    z = z[:, 1] - z[:, 0]
    plain("two.npz", logits=np.stack([0 * z, z], axis=1), labels=labels)
    plain("one.npz", logits=z.reshape(shape), labels=labels)
    frame, out, err = compare(capsys, "one.npz", "two.npz", "--binary", status=2)
    assert list(frame.index) == ["one.npz"]
    assert "two.npz: a binary model has one column of logits" in err
    assert "one.npz: one column of logits: taken as those of class 1 of two, z means [0, z]" in out
    expected, _, _ = compare(capsys, "two.npz", "two.npz")
    p = 1 / (1 + np.exp(-z))
    np.savez("p.npz", probabilities=p.reshape(shape), labels=labels)
    again, out, _ = compare(capsys, "p.npz", "p.npz", "--binary", "--probabilities")
    assert "one column of probabilities: taken as those of class 1 of two, p means [1 - p, p]" in out
    for name in SCORES:
        assert frame.loc["one.npz", name] == pytest.approx(expected.loc["two.npz", name], abs=1e-9)
        assert again.loc["p.npz", name] == pytest.approx(expected.loc["two.npz", name], abs=1e-9)
    assert audit.main(["one.npz", "--binary", "--resamples", "10"]) == 0
    assert "z means [0, z]" in capsys.readouterr().out


def test_notes_of_a_file_name_it(capsys):
    logits, labels = planted(1.0, 100, 5)
    p = np.exp(logits - logits.max(1, keepdims=True))
    for name in ("p.npz", "q.npz"):
        np.savez(name, probabilities=(p / p.sum(1, keepdims=True)).round(2 if name == "q.npz" else 9), labels=labels)
    _, out, _ = compare(capsys, "p.npz", "q.npz", "--probabilities")
    assert "Note: q.npz: probabilities sum to" in out
    assert "Note: p.npz" not in out
