"""Figure 3: the losses as curves, and CalFocal over epochs (`make fig3`)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.methods import METHODS
from figures import style
from figures.collect import Collection
from figures.pictures import correspondence, curves
from figures.pictures.picture import Picture

ACCURACY = 0.8  # A_val,b of panel (a)
IN_BIN_0 = {
    "train_true_confidence": correspondence.SOLID,
    "val_confidence": correspondence.STAR,
    "val_accuracy": correspondence.DASHED,
}


def loss(p: np.ndarray, gamma: np.ndarray | float) -> np.ndarray:
    """Focal loss -(1 - p)^gamma log p, and for gamma < 0 inverse focal loss -(1 + p)^|gamma| log p (Eq. 1), in nats."""
    return -(np.where(np.asarray(gamma) < 0, 1 + p, 1 - p) ** np.abs(gamma)) * np.log(p)


def losses(ax: Axes) -> None:
    """Panel (a): loss against the probability of the true class, drawn from the formulas."""
    p = np.linspace(0.005, 0.995, 397)
    shown = {
        "CE": (0.0, {"color": "#000000"}),
        "FL-3": (3.0, {"color": "#0072B2", "linestyle": METHODS["fl3"].dashes}),
        "InvFL-2": (-2.0, {"color": "#56B4E9", "linestyle": METHODS["flsd53"].dashes}),
    }
    for lam in (1, 10, 100):
        name = f"calfocal{lam}"
        gamma = np.exp(lam * (p - ACCURACY))  # Eq. 2
        shown[f"CF-{lam}"] = (gamma, {"color": METHODS[name].colour, "linestyle": METHODS[name].dashes})
    for label, (gamma, look) in shown.items():
        ax.plot(p, loss(p, gamma), label=label, **look)
    ax.axvline(ACCURACY, **style.ZERO)
    ax.set(xlabel="$p_n$, probability of the true class", ylabel="loss (nats)", xlim=(0, 1), ylim=(0, 2.5))
    ax.set_title(f"(a) losses, $A_{{val,b}}$ = {ACCURACY}")
    ax.legend(fontsize=6.5, ncols=2, handlelength=2.2, columnspacing=0.8, labelspacing=0.3)


def draw(collection: Collection) -> Figure:
    """(a) the losses; (b) test error and (c) test ECE_EM over epochs; (d) C_train, C_val and A_val in bin 0."""
    figure = style.new(7.0, 4.6)
    axes = figure.subplots(2, 2)
    losses(axes[0, 0])
    (pair,) = collection.pairs
    scores = ((axes[0, 1], "test_error", "(b) test error", "error (%)"), (axes[1, 0], "test_ece_em", "(c) test ECE_EM",
              "ECE_EM (%)"))  # fmt: skip
    for ax, score, title, label in scores:
        for column in collection.columns:
            curves.over_seeds(ax, collection.records(pair, column), score, column)
        ax.set(title=title, xlabel="epoch", ylabel=label)
        curves.empty(ax)
    columns = [column for column in collection.columns if column.method.startswith("calfocal")]
    for column in columns:
        for record in collection.records(pair, column)[:1]:
            curves.confidences(axes[1, 1], record, 0, IN_BIN_0, column)
    axes[1, 1].set(title="(d) CalFocal in validation bin 0", xlabel="epoch", ylabel="%")
    curves.empty(axes[1, 1])
    for ax in (axes[0, 1], axes[1, 0]):
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=6.5)
    keys = (
        *(Patch(color=METHODS[column.method].colour, label=column.title) for column in columns),
        curves.key("$C_{train}$", **IN_BIN_0["train_true_confidence"]),
        curves.key("$C_{val}$", **IN_BIN_0["val_confidence"]),
        curves.key("$A_{val}$", **IN_BIN_0["val_accuracy"]),
    )
    axes[1, 1].legend(handles=keys, fontsize=6.5, ncols=2, labelspacing=0.3)
    figure.suptitle(f"(b) to (d): {curves.pair_name(pair)}", fontsize=8)
    return figure


PICTURE = Picture(
    name="fig3",
    title="Figure 3: CalFocal (Eq. 2)",
    notes="(a) Cross entropy, focal loss (FL-gamma), inverse focal loss (InvFL-gamma) and CalFocal "
    "(CF-lambda) with A_val = 0.8, from their formulas. (b) Error and (c) ECE_EM over 15 equal-mass bins on "
    "the test set, before temperature scaling; with more than one seed the mean and a band of one sample "
    "standard deviation. (d) Mean training confidence of the true class C_train, validation confidence C_val "
    "and validation accuracy A_val in validation bin 0, one seed. All but (a) in percent, after every epoch.",
    draw=draw,
)
