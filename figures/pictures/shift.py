"""Error and calibration of test images under more and more noise (`make shift`); not a figure of the paper."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data import SHIFTS
from experiments.records import Record
from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture

PANELS = {  # what is drawn: the curves, each with the test set's key, the shifted sets' key and its dashes
    "error (%)": ((("test", "error"), "error", "-"),),
    "ECE_EM (%)": ((("test", "ece_em"), "ece_em", "-"), (("test_scaled", "ece_em"), "ece_em_scaled", (0, (3, 1.2)))),
}


def curve(record: Record, unshifted: tuple[str, str], key: str) -> list[float] | None:
    """A score in percent at severity 0 (the test set) to 5; None where the record lacks one."""
    shifted = record.result.get("ood", {})
    if any(name not in shifted for name in SHIFTS):
        return None
    split, score = unshifted
    return [100 * record.result[split][score], *(100 * shifted[name][key] for name in SHIFTS)]


def panel(ax: Axes, collection: Collection, pair: tuple[str, str], what: str) -> None:
    """A curve a method over severity: the mean over seeds, in a band of one standard deviation."""
    for column in collection.columns:
        for unshifted, key, dashes in PANELS[what]:
            done = [curve(record, unshifted, key) for record in collection.records(pair, column)]
            done = np.array([values for values in done if values is not None])  # [seeds, 6]
            if not len(done):
                continue
            mean, look = done.mean(axis=0), style.line(column) | {"linestyle": dashes}
            label = column.title if dashes == "-" else None
            ax.plot(range(len(mean)), mean, label=label, **look)
            if len(done) > 1 and dashes == "-":
                std = done.std(axis=0, ddof=1)
                ax.fill_between(range(len(mean)), mean - std, mean + std, color=look["color"], alpha=0.18, linewidth=0)
    ax.set(xlabel="severity of the noise", ylabel=what, ylim=(0, None))
    curves.empty(ax)


def draw(collection: Collection) -> Figure:
    """A row a dataset-model pair: error, and ECE_EM before and after temperature scaling."""
    figure = style.new(7.0, 0.6 + 2.4 * len(collection.pairs))
    axes = figure.subplots(len(collection.pairs), len(PANELS), squeeze=False)
    for row, pair in zip(axes, collection.pairs, strict=True):
        for ax, what in zip(row, PANELS, strict=True):
            panel(ax, collection, pair, what)
            ax.set_title(curves.pair_name(pair))
    curves.legend(figure, axes.flat)
    return figure


PICTURE = Picture(
    name="shift",
    title="Shift: error and ECE_EM under Gaussian noise of severity 1 to 5 (not in the paper)",
    notes="Severity 0 is the test set. ECE_EM has 15 bins; solid before and dashed after temperature scaling, T being "
    "that of the clean validation set. Means over seeds, bands of one sample standard deviation. Noise by CIFAR-10-C's "
    "published formula, of standard deviation 0.04, 0.06, 0.08, 0.09 and 0.10; for digits 0.2 to 1.0. Runs without "
    "these scores get them from `python -m experiments.ood --for shift`.",
    draw=draw,
    needs=(),
)
