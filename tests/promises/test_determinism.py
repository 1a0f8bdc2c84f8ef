"""The same seed gives the same bytes, time after time."""

import csv
import io

import pytest
import torch

from experiments import records, train
from experiments.grid import Run
from experiments.training.session import Session
from tests.support.runs import tiny_run

TOPICS = ("epochs=2", "data_options.train_size=100", "data_options.val_size=100", "data_options.test_size=100")
RUNS = {
    **{f"digits {method}": tiny_run(method) for method in ("adafocal", "ce", "mmce", "calfocal1")},
    "topics": Run.make("demo", "topics", "cnn", "adafocal", 0, TOPICS),
}


def record(run, folder) -> dict[str, bytes]:
    """The bytes of what a training run leaves, without its times."""
    train.train(run, Session(runs=folder, say=lambda text: None))
    place = run.folder(folder)
    rows = list(csv.DictReader(io.StringIO((place / records.HISTORY).read_text())))
    assert all(float(row.pop("seconds")) >= 0 for row in rows)
    found = {name: (place / name).read_bytes() for name in (records.BINS, records.PREDICTIONS)}
    return found | {records.HISTORY: str(rows).encode()}


@pytest.mark.parametrize("name", RUNS)
def test_the_same_seed_three_times(tmp_path, name):
    found = []
    for number in range(3):
        torch.rand(number)  # what else was drawn before does not matter
        found.append(record(RUNS[name], tmp_path / str(number)))
    first, *others = found
    assert all(other == first for other in others)
    print(f"{name}: 3 of 3 records have the same bytes")


def test_another_seed_gives_other_bytes(tmp_path):
    first, other = record(tiny_run("ce", 0), tmp_path / "a"), record(tiny_run("ce", 1), tmp_path / "b")
    assert all(first[name] != other[name] for name in first)
