"""Figure 1: no single gamma of focal loss is the best calibrated in all bins (`make fig1`)."""

from matplotlib.figure import Figure

from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture


def draw(collection: Collection) -> Figure:
    """A row a dataset-model pair: ECE_EM over epochs, then C_val - A_val of a lower, middle and upper bin."""
    figure = style.new(7.0, 0.35 + 1.85 * len(collection.pairs))
    axes = figure.subplots(len(collection.pairs), 4, squeeze=False)
    for pair, row in zip(collection.pairs, axes, strict=True):
        records = collection.of_pair(pair)
        for column in collection.columns:
            curves.over_seeds(row[0], collection.records(pair, column)[:1], "val_ece_em", column)
        row[0].set(ylabel="ECE_EM (%)", title=f"{curves.pair_name(pair)}\nall bins")
        for ax, (b, name) in zip(row[1:], curves.low_middle_high(curves.num_bins(records)).items(), strict=True):
            curves.gaps(ax, collection, pair, b)
            ax.set(title=name, ylabel=curves.GAP if b == 0 else "")
        for ax in row:
            ax.set_xlabel("epoch")
            curves.empty(ax)
    curves.legend(figure, axes.flat)
    return figure


PICTURE = Picture(
    name="fig1",
    title="Figure 1: calibration of cross entropy, focal loss with gamma 3, 4, 5 and FLSD-53",
    notes="Left: ECE_EM over 15 equal-mass bins. Right: calibration error C_val - A_val of a lower, a middle "
    "and an upper of these bins; the dotted line is no error, above it the bin is over-confident. All on the "
    "validation set, in percent, after every epoch, before temperature scaling.",
    draw=draw,
)
