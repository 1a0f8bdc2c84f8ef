"""The report on anybody's predictions: the numbers are the metrics', and bad files are refused in one line."""

import contextlib
import re
import zipfile
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from calibration import ece_em, summary
from experiments import audit
from experiments.records import predictions
from posthoc import EnsembleTemperatureScaling
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
    assert len(re.findall(r"\[[\d.]+, [\d.]+\]", out)) == len(scores) - 2, "of all but the MCE and the smooth ECE"
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


def test_a_csv_is_read_once(arrays, tmp_path, capsys, monkeypatch):
    table = pd.DataFrame(arrays["test_logits"].astype(float)).assign(label=arrays["test_labels"])
    table.to_csv(tmp_path / "t.csv", index=False)
    calls, read_csv = [], pd.read_csv
    monkeypatch.setattr(pd, "read_csv", lambda path: calls.append(path) or read_csv(path))
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
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
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


def test_every_damaged_byte_is_read_or_refused(path, tmp_path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        content = bytearray(whole)
        content[place] ^= 0x55
        (tmp_path / "damaged.npz").write_bytes(content)
        with contextlib.suppress(ValueError):
            predictions.read(tmp_path / "damaged.npz", "test")


def test_a_page_that_cannot_be_written_is_named(path, tmp_path, capsys):
    page = tmp_path / "nowhere" / "report.html"
    assert audit.main([str(path), "--out", str(page)]) == 2
    assert str(page) in capsys.readouterr().err


def test_an_array_that_claims_to_fill_the_memory_is_refused(tmp_path):
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 10), }"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        for name in ("test_logits.npy", "test_labels.npy"):
            archive.writestr(name, header + text.ljust(117).encode() + b"\n")
    with pytest.raises(ValueError, match=r"huge.npz: Unable to allocate"):
        predictions.read(tmp_path / "huge.npz", "test")
