"""Every measured number of README.md, RESULTS.md and SPEED.md is what the published records give."""

import json
import re
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import pytest

from data import FACTS
from experiments import grid, records
from experiments.grid import Run
from experiments.records import PUBLISHED, PUBLISHED_DEMO
from experiments.records.dataframe import frame
from experiments.records.provenance import ROOT
from experiments.scales import SCALES
from figures import documents
from figures.claims import CLAIMS, Finding, published, scores, status, verdicts

TEXTS = documents.DOCUMENTS


@pytest.mark.parametrize("name", TEXTS)
def test_it_says_what_the_records_say(name):
    assert (ROOT / name).read_text() == documents.documents()[ROOT / name], "stale: call `make documents`"


def test_every_claim_stands_in_the_results():
    text = (ROOT / "RESULTS.md").read_text()
    parts = re.findall(r"<!-- made: (\w+) -->", text)
    assert parts[:2] == ["status", "verdicts"]  # the first screen
    assert [name for name in parts if name.startswith("claim_")] == [f"claim_{name}" for name in CLAIMS]
    for number, claim in enumerate(CLAIMS.values(), start=1):
        assert f"### {number}. {claim.title}\n" in text


def test_a_part_nobody_can_make_is_refused():
    with pytest.raises(ValueError, match="unknown part 'nothing': choose from demo, newsgroups, "):
        documents.filled_in("<!-- made: nothing -->\n<!-- end -->")


def test_making_the_parts_twice_changes_nothing():
    text = (ROOT / "README.md").read_text()
    assert documents.filled_in(documents.filled_in(text)) == documents.filled_in(text)


def test_published_records_are_sound_and_complete():
    found = frame(PUBLISHED)
    for row in found.itertuples():
        overrides = tuple(filter(None, row.overrides.split("+")))
        run = Run.make(row.scale, row.dataset, row.model, row.method, row.seed, overrides)
        assert records.find(run, PUBLISHED_DEMO if row.scale == "demo" else PUBLISHED) is not None, run
    demo = found[(found["scale"] == "demo") & (found["overrides"] == "") & found["method"].isin(grid.TABLE_METHODS)]
    assert (demo.groupby(["dataset", "model", "method"])["seed"].nunique() == 5).all()
    assert found["commit"].notna().all()
    assert not found["commit"].str.endswith("+changes").any()


def test_published_records_of_a_pair_are_of_the_same_data():
    data = {}
    for folder in frame(PUBLISHED)["folder"]:
        config = json.loads((Path(folder) / records.CONFIG).read_text())
        recipe = config["recipe"]
        key = (*(recipe[name] for name in ("scale", "dataset", "model")), json.dumps(recipe["data_options"]))
        assert data.setdefault(key, config["data"]) == config["data"], folder


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (Finding(0, 0, 15, 14), "open"),
        (Finding(0, 1, 15, 14), "open"),  # the other 14 may hold
        (Finding(0, 2, 15, 14), "not reproduced"),
        (Finding(1, 1, 15, 14), "partly"),
        (Finding(13, 15, 15, 14), "partly"),
        (Finding(14, 14, 15, 14), "reproduced"),
        (Finding(3, 3, 4), "partly"),  # one is missing
        (Finding(4, 4, 4), "reproduced"),
        (Finding(0, 4, 4), "not reproduced"),
    ],
)
def test_a_verdict_follows_from_the_counts(finding, verdict):
    assert finding.verdict == verdict


def test_the_counts_of_a_verdict_are_shown():
    assert str(Finding(3, 4, 4)) == "partly (3 of 4)"
    assert str(Finding(1, 1, 15, 14)) == "partly (1 of 1), 14 not measured"
    assert str(Finding(0, 0, 15)) == "open"


@pytest.fixture
def made_up_runs(monkeypatch):
    """Replace the published scores of the demo: AdaFocal's are the lowest on one of the four nets."""

    def values(scale, pair, column, overrides=""):
        assert (scale, overrides) == ("demo", "")
        ours = 0.01 if pair == ("digits", "resnet8") else 0.09
        return {name: [ours, ours] if name == "adafocal" else [0.05, 0.07] for name in grid.TABLE_METHODS}

    monkeypatch.setattr(scores, "values", values)
    monkeypatch.setattr(scores, "measured", lambda scale: list(SCALES[scale].pairs))


def test_lowest_ece(made_up_runs):
    found = scores.lowest_before("demo")
    assert (found.held, found.cases, found.of, found.needed) == (1, 4, 4, 0)
    assert found.rows[0][1:] == ["AdaFocal", "2", "1.00 ± 0.00", "CE: 6.00 ± 1.41", "1.00 ± 0.00"]
    assert found.rows[1][1:] == ["CE", "2", "6.00 ± 1.41", "Brier: 6.00 ± 1.41", "9.00 ± 0.00"]


def test_errors_are_compared_with_the_papers_worst_difference(made_up_runs):
    worst = max(map(scores.papers_difference, SCALES["paper"].pairs))
    assert worst == pytest.approx(2.59)
    found = scores.errors("demo")  # -5 points on one net, +3 on the others
    assert [row[-1] for row in found.rows] == ["-5.00", "+3.00", "+3.00", "+3.00"]
    assert (found.held, found.cases) == (1, 4)


def test_temperatures_count_within_a_fifth_of_one(monkeypatch):
    temperatures = iter([0.8, 1.2, 1.21, 1.0])
    monkeypatch.setattr(scores, "measured", lambda scale: list(SCALES[scale].pairs))
    monkeypatch.setattr(scores, "values", lambda *_: {"ce": [2.0], "adafocal": [next(temperatures)]})
    found = scores.temperatures("demo")
    assert (found.held, found.needed, found.verdict) == (3, 3, "reproduced")  # "mostly": of four more than two


def test_a_number_is_near_the_papers_within_two_deviations(monkeypatch):
    # mean 12, deviation 2 points; only the first is closer than 4 points to the paper's
    theirs = {"ce": (16.0, 1.0), "brier": (16.1, 1.0)}

    def cells(score, prefix=""):
        ours = [10.0, 12.0, 14.0]
        return {name: (ours, value[0]) for name, value in theirs.items()} if score == "error" else {}

    monkeypatch.setattr(scores, "newsgroups_cells", cells)
    found = scores.near_the_paper("paper")
    assert (found.held, found.cases, found.of) == (1, 2, 24)
    assert found.rows == [["error of Brier", "3", "12.00 ± 2.00", "16.10"]]


@pytest.mark.parametrize(("lacking", "cases"), [((), 4), ((("fl3", 1),), 0)])
def test_out_of_distribution_counts_with_three_seeds_of_its_methods(lacking, cases, monkeypatch):
    def record(scale, pair, method, seed):
        auroc = 0.8 if method == "adafocal" else 0.7
        result = {"ood": {name: {"auroc": auroc} for name in FACTS[pair[0]].ood}}
        return None if (method, seed) in lacking or seed > 2 else SimpleNamespace(result=result)

    monkeypatch.setattr(scores, "record", record)
    found = scores.out_of_distribution("small")
    assert (found.held, found.cases, found.of) == (cases, cases, 4)


@pytest.mark.parametrize(("lacking", "cases"), [((), 1), ((2, 3, 4), 0)])  # seeds without predictions
def test_post_hoc_calibration_counts_with_three_seeds_that_have_predictions(lacking, cases, monkeypatch):
    def score(run):
        _, _, method, seed = run
        return None if (method == "ce" and seed in lacking) else (1.0 if method == "adafocal" else 2.0)

    monkeypatch.setattr(scores, "measured", lambda scale: [published.NEWSGROUPS])
    monkeypatch.setattr(scores, "record", lambda *run: run)
    monkeypatch.setattr(scores.calibrated, "ece_em_after", lambda name: score)
    found = scores.after_calibration("paper")
    assert (found.held, found.cases, len(found.rows)) == (cases, cases, 3 * cases)


def test_a_verdict_is_computed_from_the_records():
    folder = PUBLISHED_DEMO / "demo" / "digits" / "resnet8"
    means = {}
    for method in grid.TABLE_METHODS:
        results = [json.loads(path.read_text()) for path in (folder / method).glob("seed*/result.json")]
        means[method] = 100 * mean(result["test"]["ece_em"] for result in results)
    row = scores.lowest_before("demo").rows[0]
    best = min(means, key=means.get)
    assert row[1] == published.label(best)
    assert float(row[3].split()[0]) == pytest.approx(means[best], abs=0.005)
    assert float(row[5].split()[0]) == pytest.approx(means["adafocal"], abs=0.005)
    second = sorted(means, key=means.get)[1]
    assert row[4].startswith(f"{published.label(second)}: {means[second]:.2f} ± ")


def test_every_claim_names_make_targets():
    for claim in CLAIMS.values():
        assert set(claim.shown_by) <= set(grid.EXPERIMENTS)


def test_the_status_counts_the_verdicts_at_the_papers_scale():
    counts = list(map(int, re.findall(r"\d+", status())))
    assert counts[1] == len(SCALES["paper"].pairs)
    assert sum(counts[2:]) == len(CLAIMS)
    assert len(verdicts().splitlines()) == len(CLAIMS) + 2


def test_the_last_epochs_scores_are_those_beside_the_kept_ones(tmp_path):
    scored = {"error": 0.1, "ece_em": 0.2}
    parts = ("val", "test", "val_scaled", "test_scaled")
    kept = {"temperature": 1.5, **dict.fromkeys(parts, scored)}
    last = {"temperature": 2.5, **{part: {name: value + 0.5 for name, value in scored.items()} for part in parts}}
    names = {"scale": "paper", "dataset": "newsgroups", "model": "cnn", "method": "ce"}
    for seed, result in enumerate(({**kept, "epochs": 9, "kept_epoch": 4, "last_epoch": last}, {**kept, "epochs": 9})):
        folder = tmp_path / "ce" / f"seed{seed}"
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps(result))
        (folder / "config.json").write_text(json.dumps({"recipe": names, "seed": seed, "environment": {}}))
    found = frame(tmp_path)
    assert found["kept_epoch"].tolist() == [4, 9]
    assert found["test_error"].tolist() == [0.1, 0.1]
    assert found["last_test_error"].tolist() == [0.6, 0.1]
    assert found["last_temperature"].tolist() == [2.5, 1.5]
