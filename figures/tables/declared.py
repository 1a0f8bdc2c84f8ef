"""The tables that are declarations alone: what is compared stands in `experiments.grid`."""

from calibration import SCORES
from figures.tables import calibrated
from figures.tables.table import Block, Table, ablation_table, before_after, score_table, shown
from posthoc import CALIBRATORS

DECLARED = (
    Table(
        name="table1",
        title="Table 1: test ECE_EM (%) before and after temperature scaling",
        notes="ECE_EM over 15 equal-mass bins, on the test set. In round brackets: the temperature T with the lowest "
        "ECE_EM on the validation set, mean over seeds.",
        blocks=before_after("ece_em"),
    ),
    Table(
        name="table2",
        title="Table 2: test error (%)",
        notes="Share of the test set that is classified wrongly; temperature scaling does not change it.",
        blocks=(Block("error", "Error", shown("test", "error")),),
    ),
    Table(
        name="table3",
        title="Table 3: test ECE_EM (%) before and after ensemble temperature scaling",
        notes="ECE_EM over 15 equal-mass bins, on the test set. ETS: temperature and weights with the lowest squared "
        "error on the validation set.",
        blocks=(calibrated.before(), calibrated.block("ets")),
    ),
    Table(
        name="table4",
        title="Table 4: test ECE_EM (%) before and after spline calibration",
        notes="ECE_EM over 15 equal-mass bins, on the test set. Spline: natural, cubic, 6 knots, fitted to the "
        "cumulative gap of the validation set.",
        blocks=(calibrated.before(), calibrated.block("spline")),
    ),
    score_table("ece_ew", "ECE over 15 bins of equal width"),
    score_table(
        "ece_debias",
        "Debiased l2 calibration error over 15 equal-mass bins (Kumar et al. 2019), square root taken",
    ),
    score_table(
        "ece_sweep_ew",
        "ECE with as many bins of equal width as keep the accuracies monotone (Roelofs et al. 2021)",
    ),
    score_table(
        "ece_sweep_em",
        "ECE with as many equal-mass bins as keep the accuracies monotone (Roelofs et al. 2021)",
    ),
    Table(
        name="scores",
        title="All scores on the test set, before temperature scaling",
        notes="Binned scores have 15 bins, the sweeps as many as keep the accuracies monotone.",
        blocks=tuple(
            Block(name, score.header, shown("test", name), digits=score.unit.digits) for name, score in SCORES.items()
        ),
    ),
    Table(
        name="posthoc",
        title="Post-hoc calibration: test ECE_EM (%) before and after",
        notes="ECE_EM over 15 equal-mass bins, on the test set; calibrators are fitted to the validation set. TS "
        "(ECE_EM): temperature by the lowest ECE_EM, the paper's; TS (NLL): by the lowest likelihood loss; ETS: "
        "ensemble temperature scaling; the spline, histogram binning and isotonic regression change the top label's "
        "confidence alone; vector scaling and Dirichlet calibration may change the predictions. Left out where "
        "classes are too many: "
        + "; ".join(f"{entry.label} above {entry.max_classes}" for entry in CALIBRATORS.values() if entry.max_classes)
        + ".",
        blocks=(calibrated.before(), *(calibrated.block(name) for name in CALIBRATORS)),
    ),
    ablation_table(
        "ablation_bins",
        "Appendix H: number of bins",
        "AdaFocal trained with M equal-mass bins of the validation set. ECE_EM is over 15 bins whatever M.",
    ),
    ablation_table("ablation_gamma_max", "Appendix N: upper bound of gamma", "AdaFocal with gamma clipped at γ_max."),
    ablation_table(
        "ablation_switch",
        "Threshold of the switch to inverse focal loss",
        "AdaFocal with the sign of gamma switched at S_th.",
    ),
    ablation_table(
        "ablation_lambda", "Rate of gamma", "AdaFocal with gamma moved by exp(±λ (C − A)) after every epoch."
    ),
    ablation_table(
        "calfocal",
        "Appendix P: CalFocal by sample (Eq. 2) and by bin (Eq. 3)",
        "CalFocal of Eq. 2, gamma = exp(λ (p − A_val)), and Eq. 3, gamma = exp(λ (C_val − A_val)), clipped at 20, "
        "beside AdaFocal.",
    ),
)
