"""Figure 5: how AdaFocal moves gamma, bin by bin (`make fig5`)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.grid import Column
from experiments.methods import METHODS
from experiments.records import Record
from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture

ACROSS = 5


def some_bins(bins: int) -> list[int]:
    """Five bins from the lowest to the highest."""
    return sorted({round(i * (bins - 1) / (ACROSS - 1)) for i in range(ACROSS)})


def threshold(record: Record) -> float:
    """S_th of a run's loss."""
    return record.config["recipe"]["loss_options"]["switch_threshold"]


def gamma(ax: Axes, record: Record, b: int, column: Column) -> None:
    """Gamma of a bin over epochs, from the 1 (gamma_init) it starts with, and the thresholds +-S_th."""
    rows = curves.of_bin(record, b)
    start = record.config["recipe"]["loss_options"]["gamma_init"]
    look = style.line(column)
    ax.plot([0, *rows["epoch"]], [start, *rows["gamma"]], label=column.title, **look)
    for sign in (1, -1):
        ax.axhline(sign * threshold(record), color=look["color"], linewidth=0.7, linestyle=":", label="_threshold")


def draw(collection: Collection) -> Figure:
    """Two rows a dataset-model pair: C_val - A_val of five bins, and below it gamma."""
    figure = style.new(7.0, 0.4 + 2.7 * len(collection.pairs))
    axes = figure.subplots(2 * len(collection.pairs), ACROSS, squeeze=False)
    for pair, upper, lower in zip(collection.pairs, axes[::2], axes[1::2], strict=True):
        adaptive = [
            (column, record)
            for column in collection.columns
            if METHODS[column.method].loss == "adafocal"
            for record in collection.records(pair, column)[:1]
        ]
        records = collection.of_pair(pair)
        for b, above, below in zip(some_bins(curves.num_bins(records)), upper, lower, strict=True):
            curves.gaps(above, collection, pair, b)
            curves.empty(above)
            for column, record in adaptive:
                gamma(below, record, b, column)
            _signed_log(below, [record.bins["gamma"].to_numpy() for _, record in adaptive])
            curves.empty(below)
            above.set_title(f"{curves.pair_name(pair)}\nbin {b}" if b == 0 else f"bin {b}")
            below.set_xlabel("epoch")
            below.sharex(above)
        upper[0].set_ylabel(curves.GAP)
        lower[0].set_ylabel(r"$\gamma_b$")
    keys = [curves.key(r"$\pm S_{th}$", linewidth=0.7, linestyle=":")]
    curves.legend(figure, axes.flat, keys)
    return figure


def _signed_log(ax: Axes, gammas: list[np.ndarray]) -> None:
    """A logarithmic axis on both sides of 0, the same for all bins: gamma is a product of factors."""
    ax.set_yscale("symlog", linthresh=0.2, linscale=0.3)
    values = np.concatenate([[1.0], *gammas])
    low, high = min(1.3 * values.min(), 0.12), 1.3 * max(values.max(), 2.0)
    ticks = [tick for tick in (-2, -0.5, 0.2, 1, 5, 20) if low <= tick <= high]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_ylim(low, high)


PICTURE = Picture(
    name="fig5",
    title="Figure 5: calibration error and gamma of AdaFocal in bins from the lowest to the highest",
    notes="Upper rows: C_val - A_val in percent on the validation set, in 15 equal-mass bins, after every "
    "epoch; the dotted line is no error. Lower rows: gamma of AdaFocal, on an axis that is logarithmic on "
    "both sides of 0; below 0 it is inverse focal loss with |gamma|, and dotted lines mark the thresholds "
    "+-S_th at which the two switch.",
    draw=draw,
)
