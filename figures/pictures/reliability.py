"""Reliability diagrams of every method before and after temperature scaling (`make reliability`)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calibration import ece_ew, reliability_diagram, top_label
from experiments.records import Record
from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture


def panel(ax: Axes, counts_ax: Axes, record: Record, scaled: bool) -> None:
    """A run's reliability diagram on the test set, and the number of samples in its bins."""
    arrays = record.predictions
    temperature = record.result["temperature"] if scaled else 1.0
    confidence, correct = top_label(arrays["test_logits"] / temperature, arrays["test_labels"])
    reliability_diagram(confidence, correct, ax=ax, counts_ax=counts_ax)
    ax.set_title("", loc="center")
    ece = 100 * ece_ew(confidence, correct)
    ax.set_title(f"ECE {ece:.1f} %" + (f", T {temperature:.1f}" if scaled else ""), fontsize=7)
    ax.get_legend().remove()
    for line in ax.lines:
        line.set_markersize(2)
    n = len(confidence)
    counts_ax.set_yticks((1, n), ("1", f"{n:,}"))  # the same for all methods
    counts_ax.set_ylim(0.7, 1.5 * n)


def draw(collection: Collection) -> Figure:
    """Two rows a dataset-model pair, before and after temperature scaling; a column a method."""
    pairs = [
        pair for pair in collection.pairs if any(collection.records(pair, column) for column in collection.columns)
    ]
    pairs = pairs or list(collection.pairs[:1])
    figure = style.new(1.3 * len(collection.columns), 0.3 + 3.7 * len(pairs))
    rows = {"nrows": 4 * len(pairs), "height_ratios": (4, 1) * 2 * len(pairs)}
    axes = figure.subplots(ncols=len(collection.columns), squeeze=False, sharex=True, sharey="row", **rows)
    handles = {}
    for i, pair in enumerate(pairs):
        for j, column in enumerate(collection.columns):
            for scaled in (False, True):
                ax, counts_ax = axes[4 * i + 2 * scaled : 4 * i + 2 * scaled + 2, j]
                for record in collection.records(pair, column)[:1]:
                    panel(ax, counts_ax, record, scaled)
                handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
                ax.set(xlabel="", ylabel="", box_aspect=1)
                counts_ax.set(xlabel="confidence" if scaled else "", ylabel="", box_aspect=0.25)
                curves.empty(ax)
                ax.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            top, above = axes[4 * i, j], f"{curves.pair_name(pair)}\n" if j == 0 else ""
            top.set_title(f"{above}{column.title}\n{top.get_title(loc='left')}", fontsize=7)
        for row, name in enumerate(("accuracy\nbefore T", "samples", "accuracy\nafter T", "samples")):
            axes[4 * i + row, 0].set_ylabel(name, fontsize=7)
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=5, fontsize=7)
    return figure


PICTURE = Picture(
    name="reliability",
    title="Reliability diagrams before and after temperature scaling (T)",
    notes="Accuracy against confidence, both fractions, in 15 bins of equal width, on the test set. Bars "
    "reach to a bin's accuracy, a dot is its mean confidence: a dot above its bar is over-confidence. Of a calibrated "
    "model with these samples, 95 % of bars would end in the grey box. The black line is a bar's bootstrap interval. "
    "Below: samples a bin, on a logarithmic scale. ECE: of these bins. T has the lowest ECE_EM on the validation set.",
    draw=draw,
    needs=("predictions_sha256",),
)
