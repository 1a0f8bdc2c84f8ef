"""The paper's Appendix F: test ECE_SWEEP, equal mass (`make ece_sweep_em`)."""

import sys

from figures.command import main
from figures.tables import score_table

TABLE = score_table(
    "ece_sweep_em",
    "ECE with as many equal-mass bins as keep the accuracies monotone (Roelofs et al. 2021)",
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
