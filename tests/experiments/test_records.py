import shutil

import numpy as np
import pytest

from experiments import records
from experiments.records import RecordError, files
from experiments.train import train
from experiments.training.session import Session
from tests.support.records import edit
from tests.support.runs import tiny_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    train(tiny_run("ce"), Session(runs=folder, say=lambda text: None))
    return folder


@pytest.fixture
def runs(made, tmp_path):
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


RUN = tiny_run("ce")


def test_a_run_without_a_result_is_unfinished(runs):
    (RUN.folder(runs) / records.RESULT).unlink()
    assert not records.is_finished(RUN.folder(runs))
    with pytest.warns(UserWarning, match="has not ended"):
        assert records.find(RUN, runs) is None


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", lambda c: c["recipe"].update(lr=9), "another recipe: lr is 9, now 0.05"),
        ("config.json", lambda c: c["recipe"]["data_options"].update(noise=1), "another recipe: data_options"),
        ("config.json", lambda c: c.update(seed=4), "seed is 4, expected 0"),
        ("config.json", lambda c: c.pop("recipe"), "damaged"),
        ("result.json", lambda r: r["test"].pop("ece_em"), "damaged"),
        ("result.json", lambda r: r["test"].update(ece_em=4.2), r"ece_em is 4.2, not in \[0, 1\]"),
        ("result.json", lambda r: r["test"].update(error=float("nan")), "error is nan"),
        ("result.json", lambda r: r.pop("test_scaled"), "damaged"),
        ("result.json", lambda r: r.update(temperature=None), "damaged"),
    ],
)
def test_damaged_or_foreign_records_are_left_out_by_name(runs, name, change, message):
    edit(RUN.folder(runs) / name, change)
    with pytest.raises(RecordError, match=message) as error:
        records.read(RUN.folder(runs), RUN)
    assert str(RUN.folder(runs)) in str(error.value)
    with pytest.warns(UserWarning, match=message):
        assert records.find(RUN, runs) is None


def test_a_half_written_result_is_left_out(runs):
    path = RUN.folder(runs) / records.RESULT
    path.write_text(path.read_text()[:100])
    with pytest.warns(UserWarning, match="damaged record"):
        assert records.find(RUN, runs) is None


def test_a_setting_newer_than_the_record_counts_as_its_default(runs):
    edit(RUN.folder(runs) / records.CONFIG, lambda c: c["recipe"].pop("update_every"))
    assert records.find(RUN, runs) is not None


def test_settings_of_computing_do_not_make_another_recipe(runs):
    edit(RUN.folder(runs) / records.CONFIG, lambda c: c["recipe"].update(threads=8, eval_batch_size=7))
    assert records.find(RUN, runs) is not None


@pytest.mark.parametrize("damage", ["flip", "delete"])
def test_damaged_predictions_are_refused(runs, damage):
    path = RUN.folder(runs) / records.PREDICTIONS
    record = records.read(RUN.folder(runs), RUN)
    if damage == "delete":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(RecordError, match=r"predictions.npz is missing or damaged"):
        _ = record.predictions


def test_published_records_are_read_beside_the_runs(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.records.record.PUBLISHED", runs)
    found = records.find(RUN, tmp_path / "empty")
    assert found.folder == RUN.folder(runs)
    assert np.isfinite(found.predictions["test_logits"]).all()


def of_data(folder, seed, digest):
    config = {"data": {"train": {"samples": 100, "sha256": digest}}}
    return tiny_run("ce", seed), records.Record(folder / f"seed{seed}", config, {})


def test_published_records_of_other_data_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "published")
    found = dict([of_data(tmp_path / "published", 0, "a"), of_data(tmp_path / "runs", 1, "b")])
    found[tiny_run("ce", 2)] = None
    with pytest.warns(UserWarning, match=r"left out: .*published/seed0 was made from other data than .*runs/seed1"):
        kept = records.of_one_data_set(found)
    assert kept == found | {tiny_run("ce", 0): None}
    same = dict([of_data(tmp_path / "published", 0, "b"), of_data(tmp_path / "runs", 1, "b")])
    assert records.of_one_data_set(same) == same


def test_own_records_of_different_data_are_refused(tmp_path):
    found = dict([of_data(tmp_path / "runs", 0, "a"), of_data(tmp_path / "runs", 1, "b")])
    with pytest.raises(RecordError, match=r"runs/seed0 and .*runs/seed1 were made from different data"):
        records.of_one_data_set(found)


def test_rows_of_newer_code_bring_their_columns(tmp_path):
    log = files.CsvLog(tmp_path / "history.csv", [{"epoch": 1, "error": 0.5}])
    log.extend([{"epoch": 2, "error": 0.4, "smooth_ece": 0.1}])
    log.extend([{"epoch": 3, "error": 0.3, "smooth_ece": float("nan")}])
    assert (tmp_path / "history.csv").read_text() == "epoch,error,smooth_ece\n1,0.5,\n2,0.4,0.1\n3,0.3,\n"
    assert files.csv_text(log.rows) == (tmp_path / "history.csv").read_text()


def test_cells_tell_each_float32_from_its_neighbours():
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    values = np.concatenate([values, np.nextafter(values, np.float32(np.inf))])
    lines = files.csv_text([{"gamma": value.item()} for value in values]).split()
    assert np.array_equal(np.array(lines[1:], dtype=np.float32), values)
    assert all(len(line.replace("-", "").replace(".", "").lstrip("0").split("e")[0]) <= 9 for line in lines[1:])
    row = {"epoch": 3, "third": 1 / 3, "lr": 0.1, "bound": float("inf"), "none": float("nan")}
    assert files.csv_text([row]) == "epoch,third,lr,bound,none\n3,0.333333333,0.1,inf,\n"
