"""Figure 10, Appendix C: all bins of Figure 2 (`make fig10`)."""

import sys

from figures import correspondence
from figures.command import main

PICTURE = correspondence.picture(
    "fig10",
    "Figure 10: C_train and C_val in all bins, focal loss with gamma 0 (CE), 3, 5",
    correspondence.COMMON,
)

if __name__ == "__main__":
    sys.exit(main(PICTURE.name))
