"""Every measured number of README.md and RESULTS.md is what the published records give."""

import re
from statistics import mean

import pytest

from experiments import grid, records
from experiments.frame import frame
from experiments.grid import Run
from experiments.provenance import ROOT
from experiments.records import PUBLISHED, PUBLISHED_DEMO
from figures import claims, documents


@pytest.mark.parametrize("name", ["README.md", "RESULTS.md", "experiments/SPEED.md"])
def test_it_says_what_the_records_say(name):
    assert (ROOT / name).read_text() == documents.documents()[ROOT / name], "stale: call `make documents`"


def test_a_part_nobody_can_make_is_refused():
    with pytest.raises(ValueError, match="unknown part 'nothing': choose from demo, newsgroups, bench"):
        documents.filled_in("<!-- made: nothing -->\n<!-- end -->")


def test_making_the_parts_twice_changes_nothing():
    text = (ROOT / "README.md").read_text()
    assert documents.filled_in(documents.filled_in(text)) == documents.filled_in(text)


def test_published_records_are_sound_and_complete():
    found = frame(PUBLISHED)
    assert len(found) >= 130
    for row in found[found["scale"] == "demo"].itertuples():
        run = Run.make(
            row.scale, row.dataset, row.model, row.method, row.seed, tuple(filter(None, row.overrides.split("+")))
        )
        assert records.find(run, PUBLISHED_DEMO) is not None, run
    demo = found[(found["scale"] == "demo") & (found["overrides"] == "") & found["method"].isin(grid.TABLE_METHODS)]
    assert (demo.groupby(["dataset", "model", "method"])["seed"].nunique() == claims.DEMO_SEEDS).all()
    assert found["commit"].notna().all()
    assert not found[found["scale"] == "demo"]["commit"].str.endswith("+changes").any()


def test_a_claim_is_computed_from_the_records():
    results = [
        records.find(Run("paper", "newsgroups", "cnn", "ce", seed), PUBLISHED).result["test"]["ece_em"]
        for seed in range(len(list((PUBLISHED / "paper/newsgroups/cnn/ce").iterdir())))
    ]
    text = next(claim.evidence for claim in claims.claims() if "20 Newsgroups, CNN: test ECE_EM" in claim.claim)
    shown = re.search(r"CE ([\d.]+) ± [\d.]+ % \(n = (\d+)\), paper 18.57 %", text)
    assert float(shown[1]) == pytest.approx(100 * mean(results), abs=0.005)
    assert int(shown[2]) == len(results)


def test_every_claim_has_a_verdict():
    for claim in claims.claims():
        assert re.match("reproduced|partly|not ", claim.verdict), claim
        assert re.search(r"\d", claim.evidence) or claim.verdict == "not yet measured"
        assert "|" not in claim.evidence
