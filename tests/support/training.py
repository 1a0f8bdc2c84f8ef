"""Training tiny runs: what to hear of it, where to cut it short, what must be equal afterwards."""

import json

import pandas as pd

import data
from experiments import records


def silent(text):
    pass


def record_of(folder) -> dict:
    """Everything a run leaves behind but clock times and provenance."""
    result = json.loads((folder / records.RESULT).read_text())
    result.pop("seconds")
    history = pd.read_csv(folder / records.HISTORY, dtype=str).drop(columns="seconds")
    return {
        "result": result,
        "history": history.to_csv(),
        "bins": (folder / records.BINS).read_bytes(),
        "predictions": (folder / records.PREDICTIONS).read_bytes(),
    }


def flip_test_labels(monkeypatch) -> None:
    """Give the test split of every dataset that is loaded from now on the labels of its images in reverse order."""
    load = data.load

    def flipped(*arguments, **options):
        splits = load(*arguments, **options)
        splits.test.labels[:] = splits.test.labels.flip(0)
        return splits

    monkeypatch.setattr(data, "load", flipped)


class Interrupted(BaseException):
    pass


def interrupt_after(epoch):
    def on_epoch(row):
        if row["epoch"] == epoch:
            raise Interrupted

    return on_epoch


class After:
    """Says stop after so many questions, which come after every step."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left < 0
