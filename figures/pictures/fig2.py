"""Figure 2: the confidence of training and of validation samples correspond (`make fig2`)."""

from matplotlib.figure import Figure

from figures.collect import Collection
from figures.pictures import correspondence, curves
from figures.pictures.picture import Picture


def draw(collection: Collection) -> Figure:
    """A row a dataset-model pair: C_train and C_val of a lower, middle and upper bin."""
    return correspondence.draw(collection, curves.low_middle_high, (correspondence.COMMON,))


PICTURE = Picture(
    name="fig2",
    title="Figure 2: C_train and C_val of a lower, middle and upper validation bin, focal loss with gamma 0 (CE), 3, 5",
    notes=correspondence.notes(correspondence.COMMON),
    draw=draw,
)
