"""The paper's claims, each with what the published records show of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean, stdev

import numpy as np
import pandas as pd

from experiments import grid, records
from experiments.grid import Run
from experiments.recipes import recipe
from experiments.records import PUBLISHED, PUBLISHED_DEMO
from figures import paper, published
from figures.curves import pair_name
from figures.published import NEWSGROUPS, SCALES, Values, label, percent, table
from figures.table1 import TABLE as TEMPERATURE
from figures.table3 import TABLE as ETS
from figures.table4 import TABLE as SPLINE
from figures.tables import fill

FOCAL = ("ce", "fl3", "fl5")  # focal loss with gamma 0, 3 and 5, as in Fig. 2
SINGLE_GAMMAS = ("ce", "fl3", "fl4", "fl5")  # as in Fig. 1
BERT_MINI = ("topics", "bert-mini")


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        title: the claim and where the paper makes it.
        verdict: reproduced, partly, not reproduced or not yet measured.
        extent: what the verdict rests on.
        shown_by: the make target that shows it.
        evidence: the numbers behind the verdict, in Markdown.
    """

    title: str
    verdict: str
    extent: str
    shown_by: str
    evidence: str


def _verdict(held: int, cases: int) -> str:
    """Of a claim that should hold in every case, all of which are measured."""
    if not cases:
        return "not yet measured"
    return "reproduced" if held == cases else "partly" if held else "not reproduced"


def _verdict_on_pairs(held: int, cases: int, needed: int, of: int = 15) -> str:
    """Of a claim on `needed` of the paper's `of` pairs: undecided until enough of them are measured."""
    if held >= needed:
        return "reproduced"
    return "not reproduced" if cases - held > of - needed else "not yet measured"


def _at_best_partly(held: int, cases: int) -> str:
    """Of a claim on all of the paper's pairs, while not all are measured."""
    return "partly" if held else _verdict(held, cases)


def _pairs_measured() -> str:
    return "{} of the paper's {} pairs measured".format(*published.measured())


def _by_pair(column: str) -> Iterator[tuple[str, tuple[str, str], Values]]:
    """Scale, pair and values of every pair that has records, of all scales."""
    for scale in SCALES:
        for pair, methods in published.values(scale, column).items():
            yield scale, pair, methods


def _lowest() -> Iterator[Claim]:
    for when, column, theirs in (("before", "test_ece_em", 14), ("after", "test_scaled_ece_em", 12)):
        rows, lowest = [], {scale: [] for scale in SCALES}
        for scale, pair, methods in _by_pair(column):
            means = {name: mean(shares) for name, shares in methods.items() if shares}
            best = min(means, key=means.get)
            lowest[scale].append(best == "adafocal")
            rows.append(
                [pair_name(pair), scale, published.seeds(methods), label(best), percent(methods[best]),
                 percent(methods["adafocal"]), _lowest_in_paper(when, pair) if scale == "paper" else "–"]
            )  # fmt: skip
        yield Claim(
            f"AdaFocal has the lowest ECE_EM in {theirs} of 15 pairs {when} temperature scaling (Table 1)",
            _verdict_on_pairs(sum(lowest["paper"]), len(lowest["paper"]), theirs),
            f"{_pairs_measured()}; the lowest in "
            + ", ".join(f"{sum(won)} of {len(won)} ({scale})" for scale, won in lowest.items())
            + f", whose lambda is {_demo_lambdas()} where the paper's is 1",
            "`make table1` at the same scale",
            table(
                ["", "scale", "seeds", "lowest mean", "its ECE_EM (%)", "AdaFocal's (%)", "the paper's lowest (%)"],
                rows,
                4,
            )
            + "\n\nThe demo's lambda was chosen for it, no other method's setting was. With the paper's:\n\n"
            + _at_lambda_one(column),
        )


def _demo_lambdas() -> str:
    """The lambdas of the demo's recipes: "5 or 10"."""
    found = {recipe(*pair, "adafocal", "demo").loss_options["lam"] for pair in grid.PAIRS["demo"]}
    return " or ".join(f"{lam:g}" for lam in sorted(found))


def _at_lambda_one(column: str) -> str:
    """ECE_EM of the demo's pairs with lambda = 1, beside the lowest of the other methods."""
    rows = []
    for pair, methods in published.values("demo", column).items():
        ours = published.overridden("demo", pair, "loss_options.lam=1", column)["adafocal"]
        if ours:
            means = {name: mean(shares) for name, shares in methods.items() if shares and name != "adafocal"}
            best = min(means, key=means.get)
            rows.append([pair_name(pair), str(len(ours)), label(best), percent(methods[best]), percent(ours)])
    return table(["", "seeds", "lowest of the others", "its ECE_EM (%)", "AdaFocal's with lambda 1 (%)"], rows, 3)


def _lowest_in_paper(when: str, pair: tuple[str, str]) -> str:
    """The method with the lowest ECE_EM of the paper's Table 1, and that."""
    cells = {name: paper.cells()["table1", when, *pair, name].value for name in grid.TABLE_METHODS}
    best = min(cells, key=cells.get)
    return f"{label(best)} {cells[best]:.2f}"


def _newsgroups() -> Iterator[Claim]:
    rows, near, cases = [], 0, 0
    for name, shares in published.values("paper", "test_ece_em")[NEWSGROUPS].items():
        theirs = paper.cells()["table1", "before", *NEWSGROUPS, name].value
        if len(shares) > 1:
            cases += 1
            near += abs(100 * mean(shares) - theirs) <= 200 * stdev(shares)
        rows.append([label(name), str(len(shares)), percent(shares), f"{theirs:.2f}"])
    yield Claim(
        "The ECE_EM of the CNN on 20 Newsgroups, before temperature scaling (Table 1)",
        _verdict(near, cases),
        f"within two standard deviations of the paper's for {near} of {cases} methods",
        "`make table1 SCALE=paper`",
        table(["", "seeds", "ECE_EM (%)", "the paper's (%)"], rows)
        + "\n\nThe word vectors differ from the paper's, the number of epochs may: see the last section.",
    )


def _temperatures() -> Iterator[Claim]:
    rows, near = [], []
    for scale, pair, methods in _by_pair("temperature"):
        ours = mean(methods["adafocal"])
        near.append(abs(ours - 1) <= 0.2 + 1e-9)
        rows.append([pair_name(pair), scale, published.seeds(methods), f"{mean(methods['ce']):.2f}", f"{ours:.2f}"])
    yield Claim(
        "AdaFocal's temperatures are mostly close to 1 (Table 1)",
        _at_best_partly(sum(near), len(near)),
        f"{_pairs_measured()}; mean T within 0.2 of 1 in {sum(near)} of {len(near)} cases of all scales "
        f"(the demo's lambda is {_demo_lambdas()})",
        "`make table1` at the same scale",
        table(["", "scale", "seeds", "T of CE", "T of AdaFocal"], rows, 3),
    )


def _errors() -> Iterator[Claim]:
    cells = paper.cells()
    theirs = {
        pair: cells["table2", "error", *pair, "adafocal"].value - cells["table2", "error", *pair, "ce"].value
        for pair in grid.PAIRS["paper"]
    }
    rows, within = [], []
    for scale, pair, methods in _by_pair("test_error"):
        difference = 100 * (mean(methods["adafocal"]) - mean(methods["ce"]))
        within.append(difference <= max(theirs.values()))
        rows.append(
            [pair_name(pair), scale, published.seeds(methods), percent(methods["ce"]), percent(methods["adafocal"]),
             f"{difference:+.2f}", f"{theirs[pair]:+.2f}" if scale == "paper" else "–"]
        )  # fmt: skip
    yield Claim(
        f"AdaFocal's error is about that of the other methods (Table 2: {min(theirs.values()):+.2f} to "
        f"{max(theirs.values()):+.2f} points from CE's)",
        _at_best_partly(sum(within), len(within)),
        f"{_pairs_measured()}; no more than the paper's worst difference in {sum(within)} of {len(within)} cases of "
        "all scales",
        "`make table2` at the same scale",
        table(["", "scale", "seeds", "CE (%)", "AdaFocal (%)", "difference (points)", "the paper's"], rows, 3)
        + f"\n\nOn the demo's {pair_name(BERT_MINI)} the recipe's lambda is "
        f"{recipe(*BERT_MINI, 'adafocal', 'demo').loss_options['lam']:g}, for want of epochs. AdaFocal by lambda:\n\n"
        + _lambdas(BERT_MINI),
    )


def _lambdas(pair: tuple[str, str]) -> str:
    """Error and ECE_EM of AdaFocal on one of the demo's pairs, by lambda."""
    usual = recipe(*pair, "adafocal", "demo").loss_options["lam"]
    rows = []
    for lam in (1, 3, usual):
        overrides = "" if lam == usual else f"loss_options.lam={lam}"
        errors, eces = (
            published.overridden("demo", pair, overrides, column)["adafocal"]
            for column in ("test_error", "test_ece_em")
        )
        if errors:
            rows.append([f"{lam:g}", str(len(errors)), percent(errors), percent(eces)])
    return table(["lambda", "seeds", "error (%)", "ECE_EM (%)"], rows, 2)


def _last_epoch(method: str, column: str) -> np.ndarray:
    """A column of the newsgroups CNN's bins after the last epoch, seed 0: [M]."""
    bins = published.record(method).bins
    return bins[bins["epoch"] == bins["epoch"].max()].sort_values("bin")[column].to_numpy()


def _bins() -> Iterator[Claim]:
    methods = [name for name in SINGLE_GAMMAS if published.record(name)]
    if not set(FOCAL) <= set(methods):
        return
    without = "".join(f", without {label(name)}" for name in SINGLE_GAMMAS if name not in methods)
    gaps = np.array(
        [np.abs(_last_epoch(name, "val_confidence") - _last_epoch(name, "val_accuracy")) for name in methods]
    )
    best = np.nanargmin(gaps, axis=0)  # [M]
    single, chosen = np.nanmean(gaps, axis=1), np.nanmean(np.nanmin(gaps, axis=0))  # bins of equal mass: ECE_EM
    rows = [[label(name), str(int((best == i).sum())), percent([single[i]])] for i, name in enumerate(methods)]
    yield Claim(
        "No single gamma of focal loss is the best calibrated in all bins (Fig. 1)",
        _at_best_partly(len(set(best)) > 1, 1),
        f"20 Newsgroups, CNN, last epoch, one seed{without}; {len(set(best))} gammas are the best of some bin. "
        f"The best of every bin would have an ECE_EM of {percent([chosen])} %, the best single gamma has "
        f"{percent([single.min()])} %",
        "`make fig1 SCALE=paper`",
        table(["", f"bins of {len(best)} with the smallest error C_val - A_val", "validation ECE_EM (%)"], rows),
    )
    columns = {"C_train": "train_true_confidence", "C_val": "val_confidence"}
    falls = {
        name: int(np.all([a > b for a, b in pairwise(_last_epoch(method, column) for method in FOCAL)], axis=0).sum())
        for name, column in columns.items()
    }
    least = min(falls.values())
    own = pd.concat(published.record(name).bins[["own_true_confidence", "val_confidence"]] for name in FOCAL).dropna()
    yield Claim(
        "C_train and C_val correspond: as gamma rises from 0 to 3 to 5 both fall (Fig. 2)",
        _at_best_partly(least > 0.5 * len(best), 1),
        f"20 Newsgroups, CNN, one seed; both fall in {least} of {len(best)} bins",
        "`make fig2 SCALE=paper`",
        f"After the last epoch C_train falls with gamma in {falls['C_train']} and C_val in {falls['C_val']} of the "
        f"{len(best)} bins. Over all {len(own)} bins and epochs of the three runs C_val and the C_train of bins that "
        f"the training samples are parted into by themselves correlate with r = {own.corr().iloc[0, 1]:.3f}.",
    )


def _post_hoc() -> Iterator[Claim]:
    rows, lowest = [], {}
    for scale in ("paper", "quick"):
        best = {}  # by method: its lowest mean
        for made, name in ((TEMPERATURE, "temperature scaling"), (ETS, "ETS"), (SPLINE, "splines")):
            cells = fill(made, scale, PUBLISHED).cells[made.blocks[1].name][NEWSGROUPS]
            for method, cell in cells.items():
                if cell.mean is not None:
                    best[method] = min(best.get(method, np.inf), cell.mean)
            rows.append(
                [name, scale, *(replace(c, temperature=None, paper=None).text(c.seeds) for c in cells.values())]
            )
        if "adafocal" in best:
            lowest[scale] = min(best, key=best.get)
    yield Claim(
        "Combined with one of temperature scaling, ETS and splines a model trained with AdaFocal has the lowest ECE in "
        "almost all cases (Tables 1, 3, 4)",
        _verdict_on_pairs(int(lowest.get("paper") == "adafocal"), int("paper" in lowest), 14),
        f"{_pairs_measured()}; the lowest is a model of "
        + ", ".join(f"{label(method)} ({scale})" for scale, method in lowest.items()),
        "`make table1 table3 table4` at the same scale",
        "The CNN on 20 Newsgroups, test ECE_EM (%):\n\n"
        + table(["after", "scale", *(label(name) for name in grid.TABLE_METHODS)], rows, 2),
    )


def _out_of_distribution() -> Iterator[Claim]:
    methods, rows, highest = ("fl3", "flsd53", "adafocal"), [], 0
    for pair in grid.experiment("table8", "demo").pairs_at("demo"):
        for name in ("photos", "noise"):
            found = {}
            for method in methods:
                runs = (records.find(Run("demo", *pair, method, seed), PUBLISHED_DEMO) for seed in range(3))
                found[method] = [record.result["ood"][name]["auroc"] for record in runs if record]
            means = {method: mean(aurocs) for method, aurocs in found.items()}
            highest += max(means, key=means.get) == "adafocal"
            rows.append([pair_name(pair), name, published.seeds(found), *(percent(a, 1) for a in found.values())])
    yield Claim(
        "AdaFocal detects out-of-distribution samples better than FL-3 and FLSD-53 (Fig. 6, Table 8)",
        "not yet measured",
        f"no CIFAR-10 model; the highest in {highest} of {len(rows)} cases of the demo",
        "`make table8`",
        "AUROC (%) of the softmax entropy before temperature scaling, demo:\n\n"
        + table(["", "against", "seeds", *(label(method) for method in methods)], rows, 3),
    )


def _ablations() -> Iterator[Claim]:
    pair = ("digits", "resnet8")
    chosen, full = recipe(*pair, "adafocal", "demo"), recipe("cifar10", "resnet50", "adafocal", "paper")
    usual = chosen.loss_options
    updates = (
        f"Gamma moves once an epoch: {chosen.epochs} times here, {full.epochs} times in the paper's CIFAR recipes. "
        "Fewer updates ask for a larger lambda, so this says nothing of lambda at the paper's schedule."
    )
    for name, claim, remark in (
        ("ablation_bins", "10 to 20 bins are best for AdaFocal's statistics (Appendix H)", ""),
        ("ablation_gamma_max", "gamma_max of 20 or any value near it works (Appendix N)", ""),
        ("ablation_lambda", "lambda = 1 works and needs no search (Section 6)", f"\n\n{updates}"),
    ):
        rows = []
        for column in grid.EXPERIMENTS[name].columns:
            (run,) = grid.cell(name, "demo", pair, column)
            eces, errors = (
                published.overridden("demo", pair, "+".join(run.overrides), score)["adafocal"]
                for score in ("test_ece_em", "test_error")
            )
            rows.append([column.title, str(len(eces)), percent(eces), percent(errors)])
        yield Claim(
            claim,
            "not yet measured",
            f"demo, {pair_name(pair)}; its recipe has M = {usual['num_bins']}, γ_max = {usual['gamma_max']:g}, "
            f"λ = {usual['lam']:g}",
            f"`make {name}`",
            table(["", "seeds", "ECE_EM (%)", "error (%)"], rows) + remark,
        )


def _unmeasured() -> Iterator[Claim]:
    yield Claim(
        "On ImageNet AdaFocal switches to inverse focal loss and FLSD-53 is under-confident (Figs. 4, 5)",
        "not yet measured",
        "no record",
        "`make fig4 fig5 SCALE=paper`",
        "It needs the data set and weeks of a GPU.",
    )
    yield Claim(
        "A fine-tuned BERT on 20 Newsgroups (Tables 1, 2)",
        "not yet measured",
        "no record of bert-base-uncased",
        "`make table1 SCALE=paper`",
        "The recipe was run with a smaller encoder only (experiments/LOG.md).",
    )


MAKERS: tuple[Callable[[], Iterator[Claim]], ...] = (
    _lowest,
    _newsgroups,
    _temperatures,
    _errors,
    _bins,
    _post_hoc,
    _out_of_distribution,
    _ablations,
    _unmeasured,
)


def claims() -> list[Claim]:
    """All claims; a new one is a function in `MAKERS`."""
    return [claim for make in MAKERS for claim in make()]
