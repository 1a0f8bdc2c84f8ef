"""Panels that several figures share: a quantity over epochs, of a validation bin or of a whole split.

Every function draws on the Axes it is given and computes from records alone; shares are shown in percent.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from data import FACTS
from experiments.grid import Column
from experiments.methods import METHODS
from experiments.records import Record
from figures import style
from figures.collect import Collection
from models import MODELS

GAP = "$C_{val} - A_{val}$ (%)"


def pair_name(pair: tuple[str, str]) -> str:
    """What readers call a dataset-model pair."""
    dataset, model = pair
    return f"{MODELS[model].label} on {FACTS[dataset].label}"


def num_bins(records: Iterable[Record]) -> int:
    """M: bins of the first record; 15 where there is none."""
    return next((int(record.bins["bin"].max()) + 1 for record in records), 15)


def low_middle_high(bins: int) -> dict[int, str]:
    """The first, the middle and the last of M bins, and what to call them."""
    return {0: "bin 0 (lower)", bins // 2: f"bin {bins // 2} (middle)", bins - 1: f"bin {bins - 1} (upper)"}


def of_bin(record: Record, b: int) -> pd.DataFrame:
    """The rows of one bin, an epoch each."""
    return record.bins[record.bins["bin"] == b].sort_values("epoch")


def gap(rows: pd.DataFrame) -> np.ndarray:
    """C_val - A_val in percent; NaN where the bin was empty."""
    return 100 * (rows["val_confidence"] - rows["val_accuracy"]).to_numpy()


def over_seeds(ax: Axes, records: Sequence[Record], score: str, column: Column) -> None:
    """A score of `history.csv` in percent over epochs: the mean over seeds, in a band of one standard deviation."""
    if not records:
        return
    epochs = records[0].history["epoch"]
    values = 100 * np.array([record.history[score] for record in records])  # [seeds, epochs]
    mean, look = values.mean(axis=0), style.line(column)
    ax.plot(epochs, mean, label=column.title, **look)
    if len(records) > 1:
        std = values.std(axis=0, ddof=1)
        ax.fill_between(epochs, np.maximum(mean - std, 0), mean + std, color=look["color"], alpha=0.18, linewidth=0)


def gaps(ax: Axes, collection: Collection, pair: tuple[str, str], b: int) -> None:
    """C_val - A_val of bin b over epochs, a curve a column; the dotted line is no calibration error."""
    for column in collection.columns:
        for record in collection.records(pair, column)[:1]:
            rows = of_bin(record, b)
            ax.plot(rows["epoch"], gap(rows), label=column.title, **style.line(column))
    ax.axhline(0, **style.ZERO)


def confidences(ax: Axes, record: Record, b: int, quantities: dict[str, dict], column: Column) -> None:
    """Quantities of bin b over epochs in percent, all in the column's colour.

    Args:
        ax: where to draw.
        record: the run.
        b: the bin.
        quantities: columns of `bins.csv` to how each is drawn; stars are set at about every twelfth of the epochs.
        column: gives the colour.
    """
    rows = of_bin(record, b)
    every = max(1, len(rows) // 12)
    for name, look in quantities.items():
        marks = {"markevery": every} if look.get("marker") == "*" else {}
        ax.plot(rows["epoch"], 100 * rows[name], color=METHODS[column.method].colour, **marks, **look)


def empty(ax: Axes) -> None:
    """Say in a panel without a curve that there is nothing to draw."""
    if not ax.has_data() or all(drawn.get_label() == "_zero" for drawn in ax.lines):
        ax.text(0.5, 0.5, "no record yet", transform=ax.transAxes, ha="center", va="center", color="0.45")
        ax.set(xticks=[], yticks=[])


def legend(figure: Figure, axes: Iterable[Axes], extra: Sequence[Line2D] = (), **options) -> None:
    """One legend above all panels, each label once; `extra` adds handles of its own."""
    handles = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    handles |= {handle.get_label(): handle for handle in extra}
    if handles:
        options = {"ncols": min(len(handles), 6), "fontsize": 8} | options
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", **options)


def key(label: str, **look) -> Line2D:
    """A handle for the legend."""
    return Line2D([], [], label=label, **({"color": "0.2"} | look))
