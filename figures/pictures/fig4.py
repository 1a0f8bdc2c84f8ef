"""Figure 4: error and ECE_EM over epochs, of cross entropy, FLSD-53 and AdaFocal (`make fig4`)."""

from string import ascii_lowercase

from matplotlib.figure import Figure

from figures import style
from figures.collect import Collection
from figures.pictures import curves
from figures.pictures.picture import Picture


def draw(collection: Collection) -> Figure:
    """A row a dataset: error on the left, ECE_EM on the right; mean and standard deviation over seeds."""
    figure = style.new(7.0, 0.35 + 1.65 * len(collection.pairs))
    axes = figure.subplots(len(collection.pairs), 2, squeeze=False)
    for i, (pair, row) in enumerate(zip(collection.pairs, axes, strict=True)):
        for ax, score, label in zip(row, ("test_error", "test_ece_em"), ("error (%)", "ECE_EM (%)"), strict=True):
            for column in collection.columns:
                curves.over_seeds(ax, collection.records(pair, column), score, column)
            ax.set(ylabel=label)
            curves.empty(ax)
        row[0].set_title(f"({ascii_lowercase[i]}) {curves.pair_name(pair)}")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    curves.legend(figure, axes.flat)
    return figure


PICTURE = Picture(
    name="fig4",
    title="Figure 4: error and ECE_EM over epochs",
    notes="On the test set, in percent, ECE_EM over 15 equal-mass bins, before temperature scaling: mean over "
    "seeds in a band of one sample standard deviation to both sides.",
    draw=draw,
    needs=("history",),
)
