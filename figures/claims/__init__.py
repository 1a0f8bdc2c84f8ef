"""The paper's claims, each with a check of the published records. The words around them stand in RESULTS.md."""

from functools import partial

from experiments import grid
from experiments.scales import SCALES
from figures.claims import bins, scores
from figures.claims.claim import NOTHING, Claim, Finding
from figures.claims.published import COUNTED, label, measured, table

__all__ = ["CLAIMS", "Claim", "Finding", "status", "verdicts"]

_METHODS = tuple(map(label, grid.TABLE_METHODS))
_LOWEST = ("scale", "pair", "lowest mean", "seeds", "its ECE_EM (%)", "the next", "AdaFocal's (%)")
_ABLATION = ("scale", "pair", "setting", "seeds", "ECE_EM (%)", "error (%)")
_DIFFERENCES = [scores.papers_difference(pair) for pair in SCALES["paper"].pairs]

CLAIMS: dict[str, Claim] = {
    "lowest_before": Claim(
        "AdaFocal has the lowest ECE_EM in 14 of 15 pairs before temperature scaling (Table 1)",
        ("table1",),
        _LOWEST,
        scores.lowest_before,
    ),
    "lowest_after": Claim(
        "AdaFocal has the lowest ECE_EM in 12 of 15 pairs after temperature scaling (Table 1)",
        ("table1",),
        _LOWEST,
        scores.lowest_after,
    ),
    "newsgroups": Claim(
        "The 24 numbers of the CNN on 20 Newsgroups (Tables 1 and 2)",
        ("table1", "table2"),
        ("scale", "further than two standard deviations", "seeds", "ours", "the paper's"),
        scores.near_the_paper,
        ("paper",),
    ),
    "temperatures": Claim(
        "AdaFocal's temperatures are mostly close to 1 (Table 1)",
        ("table1",),
        ("scale", "pair", "seeds", "T of CE", "T of AdaFocal"),
        scores.temperatures,
    ),
    "errors": Claim(
        f"AdaFocal's error is about that of the others (Table 2: {min(_DIFFERENCES):+.2f} to {max(_DIFFERENCES):+.2f} "
        "points from CE's)",
        ("table2",),
        ("scale", "pair", "seeds", "CE (%)", "AdaFocal (%)", "difference (points)"),
        scores.errors,
    ),
    "no_single_gamma": Claim(
        "No single gamma of focal loss is the best calibrated in all bins (Fig. 1)",
        ("fig1",),
        ("scale", "pair", "best of every bin: ECE_EM (%)", *bins.GAMMA_COLUMNS),
        bins.no_single_gamma,
    ),
    "correspondence": Claim(
        "C_train and C_val correspond: as gamma rises from 0 to 3 to 5 both fall (Fig. 2)",
        ("fig2",),
        ("scale", "pair", "bins", "C_train falls in", "C_val falls in"),
        bins.confidences_fall,
    ),
    "after_calibration": Claim(
        "With the best of temperature scaling, ETS and splines AdaFocal's models have the lowest ECE in almost all "
        "cases (Tables 1, 3, 4)",
        ("table1", "table3", "table4"),
        ("scale", "pair", "ECE_EM (%) after", *_METHODS),
        scores.after_calibration,
        ("paper",),
    ),
    "out_of_distribution": Claim(
        "AdaFocal detects out-of-distribution samples better than FL-3 and FLSD-53 (Fig. 6, Table 8)",
        ("table8", "fig6"),
        ("scale", "pair", "against", "seeds", "AUROC (%) of FL-3", "of FLSD-53", "of AdaFocal"),
        scores.out_of_distribution,
    ),
    "ablation_bins": Claim(
        "10 to 20 bins are best for AdaFocal's statistics (Appendix H)",
        ("ablation_bins",),
        _ABLATION,
        partial(scores.ablation, "ablation_bins", ("M = 10", "M = 15", "M = 20")),
    ),
    "ablation_gamma_max": Claim(
        "gamma_max of 20 or any value near it works (Appendix N)",
        ("ablation_gamma_max",),
        _ABLATION,
        partial(scores.ablation, "ablation_gamma_max", ("γ_max = 20",)),
    ),
    "ablation_lambda": Claim(
        "lambda = 1 works and needs no search (Section 6)",
        ("ablation_lambda",),
        _ABLATION,
        partial(scores.ablation, "ablation_lambda", ("λ = 1",)),
    ),
    "imagenet": Claim(
        "On ImageNet AdaFocal switches to inverse focal loss and FLSD-53 is under-confident (Figs. 4, 5)",
        ("fig4", "fig5"),
        (),
        lambda scale: NOTHING,
        ("paper",),
    ),
    "bert": Claim(
        "A fine-tuned BERT on 20 Newsgroups is calibrated best by AdaFocal (Table 1)",
        ("table1",),
        (),
        lambda scale: NOTHING,
        ("paper",),
    ),
}


def verdicts() -> str:
    """All verdicts at the paper's pairs and at the smaller scales, in a Markdown table."""
    scales = COUNTED
    rows = []
    for number, claim in enumerate(CLAIMS.values(), start=1):
        found = claim.findings()
        rows.append([str(number), claim.title, *(str(found[scale]) if scale in found else "" for scale in scales)])
    return table(["", "claim", *(f"`{scale}`" for scale in scales)], rows, 4)


def status() -> str:
    """One line: how many pairs are measured, and how many claims have which verdict at the paper's scale."""
    found = [claim.findings()["paper"].verdict for claim in CLAIMS.values()]
    counts = ", ".join(f"{found.count(name)} {name}" for name in ("reproduced", "partly", "not reproduced", "open"))
    return f"{len(measured('paper'))} of {len(SCALES['paper'].pairs)} dataset-model pairs measured; claims: {counts}."
