"""The figures, by name. Those that show training and validation confidence bin by bin are declarations alone."""

from figures.pictures import correspondence, fig1, fig2, fig3, fig4, fig5, fig6, fig7, reliability, shift
from figures.pictures.picture import Picture

_CONFIDENCES = (
    correspondence.picture(
        "fig8",
        "Figure 8: C_train of the true class and of the predicted class, focal loss with gamma 0 (CE), 3, 5",
        correspondence.TRUE_AND_TOP,
    ),
    correspondence.picture(
        "fig9",
        "Figure 9: C_train and C_val, each in bins of its own, focal loss with gamma 0 (CE), 3, 5",
        correspondence.INDEPENDENT,
        correspondence.EDGES,
    ),
    correspondence.picture(
        "fig10",
        "Figure 10: C_train and C_val in all bins, focal loss with gamma 0 (CE), 3, 5",
        correspondence.COMMON,
    ),
    correspondence.picture(
        "fig11",
        "Figure 11: C_train and C_val in all bins, focal loss with gamma 0 (CE), 3, 5",
        correspondence.COMMON,
    ),
    correspondence.picture(
        "fig12",
        "Figure 12: C_train and C_val in all bins, focal loss with gamma 0 (CE), 3, 5",
        correspondence.COMMON,
    ),
    correspondence.picture(
        "fig13",
        "Figure 13: C_train and C_val in all bins, focal loss with gamma 0 (CE), 3, 5",
        correspondence.COMMON,
    ),
)
_DRAWN = (fig1, fig2, fig3, fig4, fig5, fig6, fig7, reliability, shift)
PICTURES: dict[str, Picture] = {
    picture.name: picture for picture in (*(module.PICTURE for module in _DRAWN), *_CONFIDENCES)
}
