"""Confidence of the training samples beside that of the validation samples, bin by bin (Figs. 2 and 8 to 13)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from experiments.methods import METHODS
from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture

ACROSS = 5  # panels in a row, where there are more than that


@dataclass(frozen=True)
class Quantity:
    """A column of `bins.csv`: what the legend calls it, what the note says of it, and how it is drawn."""

    column: str
    label: str
    meaning: str
    look: dict


SOLID = {"linestyle": "-", "marker": ".", "markersize": 2}  # a lone epoch is a dot
DASHED = {"linestyle": (0, (4, 1.5))}
STAR = {"linestyle": "-", "linewidth": 0.7, "marker": "*", "markersize": 5, "markeredgewidth": 0}

_TRUE = Quantity(
    "train_true_confidence",
    "$C_{train}$ (true class)",
    "C_train: mean probability of the true class of the training samples in the validation bin",
    SOLID,
)
_TOP = Quantity(
    "train_top_confidence",
    "$C_{train,top}$ (predicted class)",
    "C_train,top: the same of the predicted class, for the samples whose confidence falls into the bin",
    DASHED,
)
_OWN = Quantity(
    "own_true_confidence",
    "$C_{train}$ in training bins",
    "C_train: mean probability of the true class of the training samples, in equal-mass bins of their own",
    SOLID,
)
_VAL = Quantity("val_confidence", "$C_{val}$", "C_val: mean confidence of the validation samples in the bin", STAR)
EDGES = (
    Quantity("own_true_lower", "lower edge, training bin", "", SOLID),
    Quantity("val_lower", "lower edge, validation bin", "", DASHED),
)
COMMON = (_TRUE, _VAL)
TRUE_AND_TOP = (_TRUE, _TOP)
INDEPENDENT = (_OWN, _VAL)


def all_bins(bins: int) -> dict[int, str]:
    """Every bin and its name."""
    return {b: f"bin {b}" for b in range(bins)}


def notes(*rows: tuple[Quantity, ...]) -> str:
    """What the curves are, for the text under a figure."""
    meanings = "; ".join(quantity.meaning for row in rows for quantity in row if quantity.meaning)
    return (
        f"{meanings}. In percent, over epochs, in 15 equal-mass bins of the validation set. Training samples are taken "
        "as the epoch's steps met them: augmented, and before the epoch's end. A bin without samples has no point."
    )


def draw(
    collection: Collection, which: Callable[[int], dict[int, str]], rows: tuple[tuple[Quantity, ...], ...]
) -> Figure:
    """Panels of bins for every pair, each row of bins once for each of `rows`.

    Args:
        collection: the records; the first seed of each column is drawn.
        which: the bins to show and their names, given M.
        rows: what is drawn in a panel.
    """
    strips = []  # (pair, bins, quantities): a row of panels
    for pair in collection.pairs:
        records = collection.of_pair(pair)
        bins = list(which(curves.num_bins(records)).items())
        across = min(len(bins), ACROSS)
        for start in range(0, len(bins), across):
            strips += [(pair, bins[start : start + across], quantities) for quantities in rows]
    figure = style.new(7.0, 0.6 + (1.7 if across < ACROSS else 1.3) * len(strips))
    axes = figure.subplots(len(strips), across, squeeze=False)
    for (pair, bins, quantities), strip in zip(strips, axes, strict=True):
        for ax, (b, name) in zip(strip, bins, strict=True):
            looks = {quantity.column: quantity.look for quantity in quantities}
            for column in collection.columns:
                for record in collection.records(pair, column)[:1]:
                    curves.confidences(ax, record, b, looks, column)
            ax.set_title(f"{curves.pair_name(pair)}\n{name}" if b == 0 else name)
            curves.empty(ax)
        strip[0].set_ylabel("edge (%)" if quantities is EDGES else "confidence (%)")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    methods = [
        Patch(color=METHODS[column.method].colour, label=column.title)
        for column in collection.columns
        if any(collection.records(pair, column) for pair in collection.pairs)
    ]
    kinds = [curves.key(quantity.label, **quantity.look) for quantities in rows for quantity in quantities]
    figure.legend(
        handles=methods + kinds, loc="outside upper center", ncols=min(5, len(methods) + len(kinds)), fontsize=7
    )
    return figure


def picture(name: str, title: str, *rows: tuple[Quantity, ...]) -> Picture:
    """A figure with all bins."""
    return Picture(name, title, notes(*rows), partial(draw, which=all_bins, rows=rows))
