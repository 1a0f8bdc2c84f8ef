"""Reliability diagrams of every method before and after temperature scaling (`make reliability`)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calibration import bin_stats, equal_width_edges, reliability_diagram, top_label
from experiments.records import Record
from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture


def panel(ax: Axes, record: Record, scaled: bool, num_bins: int = 15) -> None:
    """A run's reliability diagram on the test set."""
    arrays = record.predictions
    temperature = record.result["temperature"] if scaled else 1.0
    outcomes = top_label(arrays["test_logits"] / temperature, arrays["test_labels"])
    bins = bin_stats(*outcomes, equal_width_edges(num_bins))
    reliability_diagram(bins, ax=ax)
    ax.set_title("", loc="center")
    ax.set_title(f"ECE {100 * bins.ece:.1f} %" + (f", T {temperature:.1f}" if scaled else ""), fontsize=7)
    ax.get_legend().remove()


def draw(collection: Collection) -> Figure:
    """Two rows a dataset-model pair, before and after temperature scaling; a column a method."""
    pairs = [
        pair for pair in collection.pairs if any(collection.records(pair, column) for column in collection.columns)
    ]
    pairs = pairs or list(collection.pairs[:1])
    figure = style.new(1.3 * len(collection.columns), 0.3 + 3.0 * len(pairs))
    axes = figure.subplots(2 * len(pairs), len(collection.columns), squeeze=False, sharex=True, sharey=True)
    handles = {}
    for i, pair in enumerate(pairs):
        for j, column in enumerate(collection.columns):
            for scaled, ax in ((False, axes[2 * i, j]), (True, axes[2 * i + 1, j])):
                for record in collection.records(pair, column)[:1]:
                    panel(ax, record, scaled)
                handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
                ax.set(xlabel="confidence" if scaled else "", ylabel="", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
                curves.empty(ax)
            top, above = axes[2 * i, j], f"{curves.pair_name(pair)}\n" if j == 0 else ""
            top.set_title(f"{above}{column.title}\n{top.get_title(loc='left')}", fontsize=7)
        axes[2 * i, 0].set_ylabel("accuracy\nbefore T", fontsize=7)
        axes[2 * i + 1, 0].set_ylabel("accuracy\nafter T", fontsize=7)
    if handles:
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4, fontsize=7)
    return figure


PICTURE = Picture(
    name="reliability",
    title="Reliability diagrams before and after temperature scaling (T)",
    notes="Accuracy against confidence, both fractions, in 15 bins of equal width, on the test set. Bars "
    "reach to a bin's accuracy, a dot is its mean confidence: a dot above its bar is over-confidence. ECE: of "
    "these bins. T has the lowest ECE_EM on the validation set.",
    draw=draw,
    needs=("predictions_sha256",),
)
