"""Figure 6: ROC curves of out-of-distribution detection (`make fig6`)."""

from itertools import product
from string import ascii_lowercase

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calibration.ood import entropy_auroc, roc
from experiments.grid import Column
from experiments.methods import METHODS
from experiments.records import Record
from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture
from figures.tables.table8 import OOD_SETS, OodSet

GRID = np.linspace(0, 1, 501)  # of false positive rates, at which curves of several seeds are averaged


def curve(record: Record, outside: OodSet, scaled: bool) -> tuple[np.ndarray, float] | None:
    """True positive rates at `GRID` and AUROC on an out-of-distribution set; None where the record lacks it.

    Args:
        record: a run.
        outside: the set.
        scaled: with the logits divided by the run's temperature.
    """
    arrays = record.predictions
    name = outside.of([key.removeprefix("ood_").removesuffix("_logits") for key in arrays])
    if name is None:
        return None
    temperature = record.result["temperature"] if scaled else 1.0
    pair = arrays["test_logits"] / temperature, arrays[f"ood_{name}_logits"] / temperature
    fpr, tpr = roc(*pair)
    return np.interp(GRID, fpr, tpr), entropy_auroc(*pair)


def panel(ax: Axes, collection: Collection, pair: tuple[str, str], outside: OodSet) -> None:
    """ROC curves of all columns before (solid) and after (dashed) temperature scaling, with their AUROC."""
    for column in collection.columns:
        for scaled, dashes, when in ((False, "-", "pre T"), (True, (0, (3, 1.2)), "post T")):
            done = [curve(record, outside, scaled) for record in collection.records(pair, column)]
            done = [part for part in done if part is not None]
            if not done:
                continue
            auroc = 100 * np.array([part[1] for part in done])
            label = f"{column.title}, {when}: {_mean_std(auroc)}"
            mean = 100 * np.mean([part[0] for part in done], axis=0)
            ax.plot(100 * GRID, mean, label=label, **(_look(column) | {"linestyle": dashes}))
    ax.plot([0, 100], [0, 100], **style.ZERO)
    ax.set(xlim=(0, 100), ylim=(0, 101), xlabel="false positive rate (%)", ylabel="true positive rate (%)")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(title="AUROC (%)", fontsize=6.5, title_fontsize=6.5, loc="lower right", labelspacing=0.25)
    curves.empty(ax)


def _look(column: Column) -> dict:
    return {"color": METHODS[column.method].colour, "linewidth": 1.1}


def _mean_std(values: np.ndarray) -> str:
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


def draw(collection: Collection) -> Figure:
    """A row a dataset-model pair, a column an out-of-distribution set."""
    figure = style.new(7.0, 0.2 + 2.9 * len(collection.pairs))
    axes = figure.subplots(len(collection.pairs), len(OOD_SETS), squeeze=False)
    panels = product(collection.pairs, OOD_SETS.values())
    for i, (ax, (pair, outside)) in enumerate(zip(axes.flat, panels, strict=True)):
        panel(ax, collection, pair, outside)
        ax.set_title(f"({ascii_lowercase[i]}) {curves.pair_name(pair)}\nagainst {outside.shown(collection.scale)}")
    return figure


PICTURE = Picture(
    name="fig6",
    title="Figure 6: ROC of out-of-distribution detection by the entropy of the softmax",
    notes="The test set against the out-of-distribution set, which is the positive class; pre and post "
    "temperature scaling (T). Curves are means over seeds at equal false positive rates; AUROC is the mean "
    "and sample standard deviation over seeds. CIFAR-10-C: Gaussian noise of severity 5. At the demo's scale "
    "patches of two photographs stand for SVHN and digits under strong noise for CIFAR-10-C. Runs without "
    "out-of-distribution logits get them from `python -m experiments.ood --for fig6`.",
    draw=draw,
    needs=("predictions_sha256",),
)
