"""The numbers that RESULTS.md has in its sentences: each is computed from the records again."""

import math
import re
from statistics import mean, stdev

import pytest
from scipy.stats import t

from data import SHIFTS
from experiments import grid
from experiments.grid import TABLE_METHODS
from experiments.records.provenance import ROOT
from experiments.scales import SCALES
from figures.claims.published import NEWSGROUPS, column_values, record, values
from figures.claims.scores import SCORES, SMALL_BERT, newsgroups_cells

BERT = ("newsgroups", "bert")
TEXT = re.sub(r"<!-- made: .*?<!-- end -->", "", (ROOT / "RESULTS.md").read_text(encoding="utf-8"), flags=re.DOTALL)
TEXT = " ".join(TEXT.split())


def says(pattern: str) -> tuple[float, ...]:
    """The numbers that the only place of RESULTS.md which matches has in the pattern's groups."""
    found = re.findall(pattern, TEXT)
    assert len(found) == 1, f"{pattern!r} matches {len(found)} times"
    groups = found[0] if isinstance(found[0], tuple) else (found[0],)
    return tuple(float(number) for number in groups)


def cells(prefix: str = "") -> list[tuple[list[float], float]]:
    """Ours, a seed each, and the paper's: the 24 of the newsgroups row."""
    return [newsgroups_cells(score, prefix)[method] for score, *_ in SCORES for method in TABLE_METHODS]


def newsgroups(method: str, column: str) -> list[float]:
    """A column of the newsgroups runs, in percent."""
    return [100 * value for value in values("paper", NEWSGROUPS, column)[method]]


def histories(method: str) -> list:
    """`history.csv` of the newsgroups runs."""
    return [record("paper", NEWSGROUPS, method, seed).history for seed in range(3)]


def test_other_ways_to_count():
    near = [abs(mean(ours) - theirs) <= 0.1 * theirs for ours, theirs in cells()]
    factor = t.ppf(0.975, 2) * math.sqrt(1 + 1 / 3)
    likely = [abs(mean(ours) - theirs) <= factor * stdev(ours) for ours, theirs in cells()]
    last = [abs(mean(ours) - theirs) <= 2 * stdev(ours) for ours, theirs in cells("last_")]
    assert says(r"(\d+) of the 24 lie within 10 %") == (sum(near),)
    assert says(r"(\d+) lie within a 95 % prediction interval for one more checkpoint \((\S+) deviations") == (
        sum(likely), round(factor, 2),
    )  # fmt: skip
    assert says(r"After the last epoch (\d+) lie within two deviations") == (sum(last),)


def test_errors_beside_the_papers():
    more = [mean(ours) - theirs for ours, theirs in (newsgroups_cells("error")[method] for method in TABLE_METHODS)]
    assert says(r"All six methods err (\S+) to (\S+) points more") == (round(min(more), 1), round(max(more), 1))
    fewer = ("data_options.vectors=lacking.100d.txt",)
    known, lacking = (record("paper", NEWSGROUPS, "ce", overrides=overrides).result for overrides in ((), fewer))
    cost = (
        lacking["test"]["error"] - known["test"]["error"],
        lacking["last_epoch"]["test"]["error"] - known["last_epoch"]["test"]["error"],
    )
    assert says(r"errs (\S+) points more at the epoch kept and (\S+) after the last") == tuple(
        round(100 * points, 1) for points in cost
    )
    assert says(r"of its (\S+) points\. It is one seed") == (round(more[0], 1),)
    spreads = [stdev(newsgroups("ce", f"{prefix}test_error")) for prefix in ("", "last_")]
    assert says(r"seeds differ by (\S+) and (\S+) \(") == tuple(round(spread, 1) for spread in spreads)


def test_brier_over_epochs():
    found = histories("brier")
    early = [100 * one["test_ece_em"][14] for one in found]
    assert says(r"At epoch 15 it is (\S+) to (\S+) %") == (round(min(early), 1), round(max(early), 1))
    kept = newsgroups("brier", "test_ece_em")
    epochs = values("paper", NEWSGROUPS, "kept_epoch")["brier"]
    assert says(r"epochs kept \((\d+) to (\d+)\) it is (\S+) to (\S+) %") == (
        min(epochs), max(epochs), round(min(kept), 1), round(max(kept), 1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "method", "column"),
    [
        (r"CE has (\S+) ± (\S+) and LS", "ce", "last_test_scaled_ece_em"),
        (r"and LS (\S+) ± (\S+), within", "ls", "last_test_scaled_ece_em"),
        (r"MMCE, with (\S+) ± (\S+), is not", "mmce", "last_test_scaled_ece_em"),
        (r"AdaFocal's (\S+) ± (\S+) counts", "adafocal", "test_ece_em"),
        (r"After the last epoch ECE_EM is (\S+) ± (\S+) %", "adafocal", "last_test_ece_em"),
    ],
)
def test_means_and_deviations(pattern, method, column):
    found = newsgroups(method, column)
    assert says(pattern) == (round(mean(found), 2), round(stdev(found), 2))


def test_adafocals_epochs():
    kept = values("paper", NEWSGROUPS, "kept_epoch")["adafocal"]
    assert says(r"best at epochs (\d+), (\d+) and (\d+), where") == tuple(sorted(kept))
    history = histories("adafocal")[1]
    ties = history[history["val_error"] == history["val_error"].min()]
    assert says(r"best accuracy at epochs (\d+), (\d+) and (\d+), with an ECE_EM of (\S+), (\S+) and (\S+) %") == (
        *ties["epoch"], *(round(100 * ece, 2) for ece in ties["test_ece_em"]),
    )  # fmt: skip
    errors = [mean(newsgroups(method, "last_test_error")) for method in ("adafocal", "ce")]
    temperature = mean(values("paper", NEWSGROUPS, "last_temperature")["adafocal"])
    assert says(r"with a mean T of (\S+) \(") == (round(temperature, 2),)
    assert says(r"Its error is then (\S+) %, (\S+) points above") == (
        round(errors[0], 2), round(errors[0] - errors[1], 2),
    )  # fmt: skip


def test_gamma_stays_above_the_switch():
    bins = [record("paper", NEWSGROUPS, "adafocal", seed).bins for seed in range(3)]
    assert says(r"Gamma stays above (\S+) in every bin") == (
        math.floor(100 * min(one["gamma"].min() for one in bins)) / 100,
    )
    means = [[one[one["epoch"] == epoch]["gamma"].mean() for one in bins] for epoch in (20, 50)]
    assert round(mean(means[0])) == says(r"Its mean over bins is about (\d+) at epoch 20")[0]
    low, high = says(r"at epoch 20, and (\d+) to (\d+) at epoch 50")
    assert (round(min(means[1])), round(max(means[1]))) == (low, high)


def test_adafocal_without_its_switch():
    runs = [
        record("paper", NEWSGROUPS, "adafocal", overrides=overrides).result
        for overrides in (("loss_options.inverse_focal=False",), ())
    ]
    assert says(r"It keeps epoch (\d+) instead of (\d+)") == tuple(one["kept_epoch"] for one in runs)

    def both(part, score):
        return tuple(round(100 * (one[part]["test"] if part else one["test"])[score], 2) for one in runs)

    assert says(r"with an error of (\S+) instead of (\S+) % and") == both("", "error")
    assert says(r"and an ECE_EM of (\S+) instead of (\S+) %\.") == both("", "ece_em")
    assert says(r"the errors are (\S+) and (\S+) %, the ECE_EM") == both("last_epoch", "error")
    assert says(r"the ECE_EM (\S+) and (\S+) %\. ###") == both("last_epoch", "ece_em")


def ablation(scale: str, name: str) -> dict[str, list[float]]:
    """ECE_EM in percent by setting, a value a seed."""
    (pair,) = grid.experiment(name, scale).pairs_at(scale)
    columns = grid.EXPERIMENTS[name].columns
    return {one.title: [100 * ece for ece in column_values(scale, pair, one, "test_ece_em")] for one in columns}


def test_the_small_bert():
    def one(score: str) -> dict[str, float]:
        cells = newsgroups_cells(score, pair=BERT, overrides=SMALL_BERT)
        return {method: mean(ours) for method, (ours, _) in cells.items()}

    before, after, temperature = one("ECE_EM before"), one("ECE_EM after"), one("T")
    assert min(before, key=before.get) == "adafocal"
    assert {method for method in before if before[method] < before["adafocal"] + 0.1} == {"adafocal", "ls", "mmce"}
    assert min(after, key=after.get) == "brier"
    assert temperature.pop("flsd53") < 1 <= min(temperature.values()) <= max(temperature.values()) <= 1.1
    run = record("paper", BERT, "adafocal", overrides=tuple(SMALL_BERT.split("+")))
    recipe = run.config["recipe"]
    taken = (recipe["lr"], recipe["keep"], recipe["data_options"]["max_tokens"], recipe["epochs"])
    assert taken == (1e-4, "last", 64, 4)
    assert says(r"AdaFocal's gamma moved (\d+) times\.") == (run.result["steps"] // recipe["update_every"],)


def test_settings_that_a_point_does_not_tell_apart():
    for scale, name in (("demo", "ablation_bins"), ("small", "ablation_lambda")):
        means = list(map(mean, ablation(scale, name).values()))
        assert max(means) - min(means) <= 1
    found = ablation("small", "ablation_bins")
    means = {title: mean(eces) for title, eces in found.items()}
    beyond = {title: ece - min(means.values()) - 1 for title, ece in means.items() if ece > min(means.values()) + 1}
    assert list(beyond) == ["M = 20"]
    assert says(r"At `small` M = 20 is, by (\S+) points") == (round(beyond["M = 20"], 1),)
    assert says(r"the three seeds of M = 15 alone spread by (\S+) \(") == (round(stdev(found["M = 15"]), 2),)
    assert {len(eces) for title, eces in found.items() if title != "M = 15"} == {1}


def test_gamma_does_not_reach_50_at_small():
    (pair,) = grid.experiment("ablation_gamma_max", "small").pairs_at("small")
    bounds = (("loss_options.gamma_max=50",), ("loss_options.gamma_max=inf",))
    one, other = (record("small", pair, "adafocal", overrides=bound).history for bound in bounds)
    assert one.drop(columns="seconds").equals(other.drop(columns="seconds"))
    assert "the runs with 50 and without a bound are equal in every epoch" in TEXT


def test_under_noise_cross_entropy_with_a_temperature():
    better = []
    for pair in SCALES["small"].pairs:
        ours, theirs = (
            [record("small", pair, method, seed).result["ood"] for seed in range(3)] for method in ("adafocal", "ce")
        )
        for name in (SHIFTS[0], SHIFTS[-1]):
            scaled = [mean(one[name]["ece_em_scaled"] for one in found) for found in (ours, theirs)]
            plain = [mean(one[name]["ece_em"] for one in found) for found in (ours, theirs)]
            assert plain[1] - plain[0] > 0.1  # the lead over cross entropy as it was trained
            better.append(scaled[1] < scaled[0])
    assert better == [False, True, True, True]
    assert "better than it in three of the four cells, and about equal in the other (ResNet-8 at severity 1)" in TEXT


def test_adafocal_trained_once_more():
    ece = record("small", ("cifar10", "wrn10-2"), "adafocal").result["test"]["ece_em"]
    assert says(r"AdaFocal's ECE_EM is (\S+) % and was 3\.36 %") == (round(100 * ece, 2),)


def test_adafocal_does_not_tell_noisy_images_apart_the_best_at_small():
    for pair in SCALES["small"].pairs:
        fl3, flsd53, ours = (
            mean(record("small", pair, method, seed).result["ood"]["cifar10-c"]["auroc"] for seed in range(3))
            for method in ("fl3", "flsd53", "adafocal")
        )
        assert ours < max(fl3, flsd53)
    assert "At `small` AdaFocal's mean is the highest on neither net" in TEXT


def test_how_close_claim_1_is_on_the_newsgroups():
    ours, theirs = (newsgroups(method, "test_ece_em") for method in ("adafocal", "ls"))
    assert says(r"AdaFocal is (\S+) points below LS-0\.05, with three seeds that spread by (\S+):") == (
        round(mean(theirs) - mean(ours), 1), round(stdev(ours), 1),
    )  # fmt: skip
