"""Figure 8, Appendix C: the training confidence of the true and of the predicted class (`make fig8`)."""

import sys

from figures import correspondence
from figures.command import main

PICTURE = correspondence.picture(
    "fig8",
    "Figure 8: C_train of the true class and of the predicted class, focal loss with gamma 0 (CE), 3, 5",
    correspondence.TRUE_AND_TOP,
)

if __name__ == "__main__":
    sys.exit(main(PICTURE.name))
