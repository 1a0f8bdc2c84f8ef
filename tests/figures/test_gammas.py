"""The table of final gammas."""

import pandas as pd
import pytest

from experiments.grid import Run
from experiments.records import BINS
from figures.gammas import final_gammas, main
from tests.support.records import write_record

ADAFOCAL, CE = (Run("paper", "cifar10", "resnet50", method, 1) for method in ("adafocal", "ce"))


def bins(*gammas) -> pd.DataFrame:
    """Two epochs of two bins."""
    edges = {"val_lower": [0.2, 0.5, 0.1, 0.6], "val_upper": [0.5, 1.0, 0.6, 1.0]}
    return pd.DataFrame({"epoch": [1, 1, 2, 2], "bin": [0, 1, 0, 1], **edges, "gamma": gammas})


@pytest.fixture
def runs(tmp_path):
    for run, gammas in ((ADAFOCAL, (1.0, 1.5, -0.2, 2.0)), (CE, (None,) * 4)):
        write_record(tmp_path / "runs", run)
        bins(*gammas).to_csv(run.folder(tmp_path / "runs") / BINS, index=False)
    write_record(tmp_path / "runs", Run("paper", "cifar10", "resnet50", "adafocal", 2))  # published without its bins
    return tmp_path / "runs"


def test_the_last_epoch_of_every_run_with_gammas(runs):
    found = final_gammas(runs)
    assert found[["method", "seed"]].drop_duplicates().to_numpy().tolist() == [["adafocal", 1]]
    assert found[["epoch", "bin", "lower", "upper", "gamma"]].to_numpy().tolist() == [
        [2, 0, 0.1, 0.6, -0.2],
        [2, 1, 0.6, 1.0, 2.0],
    ]


def test_of_two_records_of_a_run_the_first_counts(runs, tmp_path):
    write_record(tmp_path / "own", ADAFOCAL)
    bins(1.0, 1.5, 3.0, 4.0).to_csv(ADAFOCAL.folder(tmp_path / "own") / BINS, index=False)
    assert final_gammas(tmp_path / "own", runs)["gamma"].tolist() == [3.0, 4.0]
    assert final_gammas(runs, tmp_path / "own")["gamma"].tolist() == [-0.2, 2.0]


@pytest.mark.parametrize("content", ["", "epoch,bin\n1,0\n"])
def test_damaged_bins_are_left_out_with_a_warning(content, runs):
    (CE.folder(runs) / BINS).write_text(content)
    with pytest.warns(UserWarning, match="left out: .*bins.csv is damaged"):
        assert len(final_gammas(runs)) == 2


def test_the_command(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("figures.gammas.PUBLISHED", tmp_path / "none")
    assert main(["--runs", str(runs), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"written: {tmp_path / 'out/gammas.csv'}, 2 rows of 1 runs\n"
    assert len(pd.read_csv(tmp_path / "out/gammas.csv")) == 2
    assert main(["--runs", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 0
    assert "0 rows of 0 runs" in capsys.readouterr().out
