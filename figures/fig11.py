"""Figure 11, Appendix C: as Figure 10 for ResNet-50 on CIFAR-100 (`make fig11`)."""

import sys

from figures import correspondence
from figures.command import main

PICTURE = correspondence.picture(
    "fig11",
    "Figure 11: C_train and C_val in all bins, focal loss with gamma 0 (CE), 3, 5",
    correspondence.COMMON,
)

if __name__ == "__main__":
    sys.exit(main(PICTURE.name))
