"""Figure 7, Appendix B: all bins of Figure 1 and their edges (`make fig7`)."""

from matplotlib.figure import Figure

from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture

ACROSS = 5


def draw(collection: Collection) -> Figure:
    """Two rows of panels for every five bins: C_val - A_val, and below it the bin's lower and upper edge."""
    (pair,) = collection.pairs
    records = collection.of_pair(pair)
    bins = curves.num_bins(records)
    strips = -(-bins // ACROSS)
    figure = style.new(7.0, 0.6 + 2.6 * strips)
    axes = figure.subplots(2 * strips, ACROSS, squeeze=False)
    for b in range(strips * ACROSS):
        above, below = axes[b // ACROSS * 2, b % ACROSS], axes[b // ACROSS * 2 + 1, b % ACROSS]
        if b >= bins:
            above.set_axis_off(), below.set_axis_off()
            continue
        curves.gaps(above, collection, pair, b)
        for column in collection.columns:
            for record in collection.records(pair, column)[:1]:
                rows = curves.of_bin(record, b)
                for edge in ("val_lower", "val_upper"):
                    below.plot(rows["epoch"], 100 * rows[edge], **style.line(column))
        above.set_title(f"{curves.pair_name(pair)}\nbin {b}" if b == 0 else f"bin {b}")
        below.set(ylim=(0, 102))
        for ax in (above, below):
            curves.empty(ax)
    for above, below in zip(axes[::2], axes[1::2], strict=True):
        above[0].set_ylabel(curves.GAP)
        below[0].set_ylabel("edges (%)")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    curves.legend(figure, axes.flat)
    return figure


PICTURE = Picture(
    name="fig7",
    title="Figure 7: calibration error of all bins, and their edges",
    notes="As Figure 1 for every one of the 15 equal-mass bins of the validation set. Upper rows: C_val - "
    "A_val, the dotted line is no error. Lower rows: the lower and upper edge of the bin. In percent, after "
    "every epoch.",
    draw=draw,
    needs=("bins",),
)
