"""The paper's Appendix F: test ECE_DEBIAS (`make ece_debias`)."""

import sys

from figures.command import main
from figures.tables import score_table

TABLE = score_table(
    "ece_debias",
    "Debiased l2 calibration error over 15 equal-mass bins (Kumar et al. 2019), square root taken",
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
