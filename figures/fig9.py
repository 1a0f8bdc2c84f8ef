"""Figure 9, Appendix C: training and validation samples binned independently, with their bins' edges (`make fig9`)."""

import sys

from figures import correspondence
from figures.command import main

PICTURE = correspondence.picture(
    "fig9",
    "Figure 9: C_train and C_val, each in bins of its own, focal loss with gamma 0 (CE), 3, 5",
    correspondence.INDEPENDENT,
    correspondence.EDGES,
)

if __name__ == "__main__":
    sys.exit(main(PICTURE.name))
