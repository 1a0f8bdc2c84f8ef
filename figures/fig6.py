"""Figure 6: ROC curves of out-of-distribution detection (`make fig6`)."""

import sys

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.entropy import entropy_auroc, roc
from experiments.grid import Column
from experiments.records import Record
from figures import curves, style
from figures.collect import Collection
from figures.command import main
from figures.picture import Picture
from figures.table8 import OOD_SETS

GRID = np.linspace(0, 1, 501)  # of false positive rates, at which curves of several seeds are averaged


def curve(record: Record, names: tuple[str, ...], scaled: bool) -> tuple[np.ndarray, float] | None:
    """True positive rates at `GRID` and AUROC on the first of the sets `names` that the record has; None without one.

    Args:
        record: a run.
        names: what the set is called in the record.
        scaled: with the logits divided by the run's temperature.
    """
    arrays = record.predictions
    found = [arrays[key] for name in names if (key := f"ood_{name}_logits") in arrays]
    if not found:
        return None
    temperature = record.result["temperature"] if scaled else 1.0
    inside, outside = arrays["test_logits"] / temperature, found[0] / temperature
    fpr, tpr = roc(inside, outside)
    return np.interp(GRID, fpr, tpr), entropy_auroc(inside, outside)


def panel(ax: Axes, collection: Collection, pair: tuple[str, str], names: tuple[str, ...]) -> None:
    """ROC curves of all columns before (solid) and after (dashed) temperature scaling, with their AUROC."""
    for column in collection.columns:
        for scaled, dashes, when in ((False, "-", "pre T"), (True, (0, (3, 1.2)), "post T")):
            done = [curve(record, names, scaled) for record in collection.records(pair, column)]
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
    return {"color": style.colour(column.method), "linewidth": 1.1}


def _mean_std(values: np.ndarray) -> str:
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


def draw(collection: Collection) -> Figure:
    """A row a dataset-model pair, a column an out-of-distribution set."""
    figure = style.new(7.0, 0.2 + 2.9 * len(collection.pairs))
    axes = figure.subplots(len(collection.pairs), len(OOD_SETS), squeeze=False)
    for pair, row in zip(collection.pairs, axes, strict=True):
        for ax, (name, *keys), letter in zip(row, OOD_SETS.values(), "ab", strict=True):
            panel(ax, collection, pair, tuple(keys))
            shown = name if collection.scale != "demo" else keys[-1]
            ax.set_title(f"({letter}) {curves.pair_name(pair)}\nagainst {shown}")
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

if __name__ == "__main__":
    sys.exit(main(PICTURE.name))
