"""AUROC by entropy, and records that get OOD logits without ever being invalid."""

import json
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import data
from calibration import summary
from experiments import ood, records
from experiments.ood import entropy, entropy_auroc, evaluate, roc
from experiments.records import files
from experiments.train import train
from experiments.training import checkpoint
from experiments.training.session import Session
from tests.support.commands import refused
from tests.support.records import edit
from tests.support.runs import cli, tiny_run
from tests.support.training import flip_test_labels, record_of, silent

# --- the score -------------------------------------------------------------------------------------------------------


def test_entropy_by_hand():
    logits = np.log([[0.5, 0.25, 0.25], [1 / 3, 1 / 3, 1 / 3]])
    assert entropy(logits) == pytest.approx([1.5 * np.log(2), np.log(3)])
    assert entropy(torch.tensor(logits, dtype=torch.float32)) == pytest.approx([1.5 * np.log(2), np.log(3)], rel=1e-6)
    saturated = entropy(np.array([[40.0, 0, 0], [50.0, 0, 0], [2e4, 0, 0]]))
    assert (np.diff(saturated) < 0).all(), "samples of p = 1 in float64 are still told apart"
    assert saturated[0] == pytest.approx(2 * 41 * np.exp(-40.0), rel=1e-9)


def test_auroc_counts_pairs_and_takes_ood_as_positive():
    two = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])  # entropy falls
    inside, outside = two[[1, 3]], two[[0, 1, 2]]
    # of 6 pairs (inside, outside) outside is higher in 4, equal in 1
    assert entropy_auroc(inside, outside) == pytest.approx(4.5 / 6)
    assert entropy_auroc(two[2:], two[:2]) == 1
    assert entropy_auroc(two[:2], two[2:]) == 0


def test_auroc_and_roc_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    inside, outside = 4 * rng.normal(size=(300, 10)), 2 * rng.normal(size=(200, 10))
    auroc = entropy_auroc(torch.from_numpy(inside), outside)
    scores = np.concatenate([entropy(inside), entropy(outside)])
    assert auroc == pytest.approx(roc_auc_score([0] * 300 + [1] * 200, scores))
    fpr, tpr = roc(inside, outside)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auroc)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


def test_a_temperature_can_order_three_classes_otherwise():
    inside, outside = np.array([[3.0, 3.0, 0.0]]), np.array([[2.0, 0.0, 0.0]])
    # p = (.488, .488, .024): 0.79 nats, (.787, .107, .107): 0.67; at T = 5 (.392, .392, .215): 1.06, (.427, ...): 1.08
    assert entropy_auroc(inside, outside) == 0
    assert entropy_auroc(inside / 5, outside / 5) == 1


def test_a_temperature_orders_two_classes_as_before():
    rng = np.random.default_rng(1)
    inside, outside = 4 * rng.normal(size=(100, 2)), 2 * rng.normal(size=(80, 2))
    assert entropy_auroc(inside / 3, outside / 3) == pytest.approx(entropy_auroc(inside, outside))


@pytest.mark.parametrize(
    ("outside", "message"),
    [
        (np.zeros((0, 3)), "N >= 1"),
        (np.full((2, 3), np.nan), "finite"),
        (np.zeros((2, 4)), r"same classes, got shapes \(2, 3\) and \(2, 4\)"),
        (np.zeros(3), r"must be \[N, K\]"),
    ],
)
def test_what_cannot_be_scored_is_refused(outside, message):
    with pytest.raises(ValueError, match=message):
        entropy_auroc(np.ones((2, 3)), outside)


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    train(tiny_run(), Session(runs=runs, say=silent))
    return runs


@pytest.fixture
def runs(trained, tmp_path):
    """A copy of a finished run's folder."""
    import shutil

    shutil.copytree(trained, tmp_path / "runs")
    return tmp_path / "runs"


def test_logits_and_scores_are_added_and_nothing_else_changes(runs):
    run = tiny_run()
    before = records.read(run.folder(runs), run)
    arrays = before.predictions
    found = evaluate(run, Session(runs=runs, say=silent))
    after = records.read(run.folder(runs), run)
    assert list(found) == ["photos", "noise"]
    assert found["photos"]["samples"] == 1000
    assert found["noise"]["samples"] == len(arrays["test_labels"])
    assert {name for name in after.predictions if name not in arrays} == {"ood_photos_logits", "ood_noise_logits"}
    for name, array in arrays.items():
        assert np.array_equal(after.predictions[name], array), name
    assert after.predictions["ood_photos_logits"].dtype == np.float32
    for name, entry in found.items():
        logits, t = after.predictions[f"ood_{name}_logits"], after.result["temperature"]
        assert entry["auroc"] == pytest.approx(entropy_auroc(arrays["test_logits"], logits))
        scaled = entropy_auroc(arrays["test_logits"].astype(float) / t, logits.astype(float) / t)
        assert entry["auroc_scaled"] == pytest.approx(scaled)
    rest = {name: value for name, value in after.result.items() if name not in ("ood", "sha256")}
    assert rest == {name: value for name, value in before.result.items() if name != "sha256"}
    stamp = (run.folder(runs) / records.PREDICTIONS).stat().st_mtime_ns
    assert evaluate(run, Session(runs=runs, say=silent)) == found
    assert (run.folder(runs) / records.PREDICTIONS).stat().st_mtime_ns == stamp, "there was nothing to do"


def test_of_shifted_test_images_the_scores_are_kept_alone(runs, capsys):
    run = tiny_run()
    arrays = set(records.read(run.folder(runs), run).predictions)
    found = evaluate(run, Session(runs=runs, say=silent), ("noise", *data.SHIFTS))
    record = records.read(run.folder(runs), run)
    assert set(record.predictions) == arrays | {"ood_noise_logits"}
    # the demo's set of noise is its test images at the highest severity, with the same draw
    logits, labels = record.predictions["ood_noise_logits"].astype(float), record.predictions["test_labels"]
    most = found["gaussian-noise-5"]
    assert most["sha256"] == found["noise"]["sha256"]
    assert most["error"] == (logits.argmax(1) != labels).mean()
    for suffix, t in (("", 1), ("_scaled", record.result["temperature"])):
        assert most[f"ece_em{suffix}"] == pytest.approx(summary(logits / t, labels)["ece_em"])
    assert "error" not in found["noise"]
    arguments = [*cli(run, "--runs", str(runs), "--device", "cpu"), "--ood", *data.SHIFTS]
    assert ood.main(arguments) == 0
    assert f"gaussian-noise-5: error {100 * most['error']:.2f} %, ECE_EM" in capsys.readouterr().out


def test_shifted_images_of_another_order_than_the_runs_labels_are_refused(runs, monkeypatch):
    flip_test_labels(monkeypatch)
    before = record_of(tiny_run().folder(runs))
    with pytest.raises(ValueError, match=r"are not those of .*seed0, or in another order: .*--data-root"):
        evaluate(tiny_run(), Session(runs=runs, say=silent), ["gaussian-noise-1"])
    assert record_of(tiny_run().folder(runs)) == before


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_run_killed_between_two_writes_stays_valid(runs, monkeypatch, steps):
    """The steps: the new arrays beside the old, result.json with both sums, the new in the old's place, result.json."""
    run, done = tiny_run(), []
    before = records.read(run.folder(runs), run).predictions

    class Killed(BaseException):
        pass

    def dying(function):
        def step(*arguments):
            if len(done) == steps:
                raise Killed
            done.append(function.__name__)
            return function(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_npz", dying(files.write_npz))
        patch.setattr(files, "write_json", dying(files.write_json))
        # this module's only: files.py renames, too
        patch.setattr("experiments.training.ood.os", SimpleNamespace(path=os.path, replace=dying(os.replace)))
        with pytest.raises(Killed):
            evaluate(run, Session(runs=runs, say=silent))
    assert done == ["write_npz", "write_json", "replace"][:steps]
    record = records.read(run.folder(runs), run)
    assert isinstance(record.result["sha256"][records.PREDICTIONS], list) == (steps >= 2)
    assert ("ood_photos_logits" in record.predictions) == (steps == 3)
    for name, array in before.items():
        assert np.array_equal(record.predictions[name], array), name
    assert set(evaluate(run, Session(runs=runs, say=silent))) == {"photos", "noise"}
    assert isinstance(records.read(run.folder(runs), run).result["sha256"][records.PREDICTIONS], str)


def test_a_record_that_is_published_without_its_logits_stops_no_other(runs, tmp_path, monkeypatch, capsys):
    published = tiny_run("ce")
    train(published, Session(runs=tmp_path / "published", say=silent))
    folder = published.folder(tmp_path / "published")
    (folder / records.PREDICTIONS).unlink()
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "published")
    monkeypatch.setattr("experiments.grid.runs_of", lambda name, scale: [published, tiny_run()])
    arguments = ["--for", "table8", "--scale", "demo", "--runs", str(runs), "--device", "cpu"]
    assert ood.main(arguments) == 0
    out = capsys.readouterr().out
    assert f"skipped: {published}: " in out
    assert "scored 1 of 2 runs of scale demo; 0 had their scores, 0 are not trained, 1 skipped" in out
    edit(folder / records.RESULT, lambda r: r.update(ood={name: {"auroc": 0.5} for name in ("photos", "noise")}))
    assert ood.main(arguments) == 0  # its scores are all that tables show
    assert "scored 0 of 2 runs of scale demo; 2 had their scores" in capsys.readouterr().out


def test_all_runs_of_a_table(runs, tmp_path, monkeypatch, capsys):
    published, untrained = tiny_run("ce"), tiny_run("brier")
    train(published, Session(runs=tmp_path / "published", say=silent))
    checkpoint.remove(published.folder(tmp_path / "published"))
    monkeypatch.setattr("experiments.records.record.PUBLISHED", tmp_path / "published")
    monkeypatch.setattr("experiments.grid.runs_of", lambda name, scale: [tiny_run(), published, untrained])
    arguments = ["--for", "table8", "--scale", "demo", "--runs", str(runs), "--device", "cpu"]
    assert ood.main(arguments) == 0
    out = capsys.readouterr().out
    assert re.search(rf"{re.escape(str(tiny_run()))}: photos: AUROC [01]\.\d", out)
    assert f"skipped: {published}: " in out
    again = f"is published without its checkpoint; train it again: {published.command} --runs {runs}"
    assert again in out
    assert "scored 1 of 3 runs of scale demo; 0 had their scores, 1 are not trained, 1 skipped" in out
    assert ood.main(arguments) == 0
    assert "scored 0 of 3 runs of scale demo; 1 had their scores" in capsys.readouterr().out


def test_a_folder_of_images(runs, tmp_path, capsys):
    from PIL import Image

    (tmp_path / "mine").mkdir()
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 255, (20, 12, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "mine" / f"{i}.png")
    arguments = cli(tiny_run(), "--runs", str(runs), "--ood", str(tmp_path / "mine"))
    assert ood.main(arguments) == 0
    out = capsys.readouterr().out
    assert re.match(r"mine: AUROC [01]\.\d", out)
    assert "5 images (folder mine)" in out
    assert records.read(tiny_run().folder(runs), tiny_run()).predictions["ood_mine_logits"].shape == (5, 10)
    (tmp_path / "mine" / "broken.png").write_bytes(b"no image")
    (tmp_path / "broken").mkdir()
    (tmp_path / "mine" / "broken.png").rename(tmp_path / "broken" / "a.png")
    assert "cannot decode image" in refused(capsys, ood.main, *arguments[:-1], str(tmp_path / "broken"))
    (tmp_path / "empty").mkdir()
    assert "no images" in refused(capsys, ood.main, *arguments[:-1], str(tmp_path / "empty"))


def test_what_cannot_be_done_is_said_in_one_line(runs, tmp_path, capsys):
    arguments = cli(tiny_run(), "--runs", str(runs))
    assert "holds no finished run; train it first" in refused(
        capsys, ood.main, *cli(tiny_run("ce"), "--runs", str(runs))
    )
    assert "choose from photos, noise, gaussian-noise-1" in refused(capsys, ood.main, *arguments, "--ood", "svhn")
    assert "choose from photos, noise, gaussian-noise-1" in refused(capsys, ood.main, *arguments, "--ood", "mnist")
    assert "no --dataset" in refused(capsys, ood.main, "--runs", str(runs))
    assert "unknown table or figure 'table99'" in refused(capsys, ood.main, "--for", "table99")
    (tiny_run().folder(runs) / checkpoint.CURRENT).unlink()
    assert "has no checkpoint" in refused(capsys, ood.main, *arguments)
    assert "ood" not in json.loads((tiny_run().folder(runs) / records.RESULT).read_text())
