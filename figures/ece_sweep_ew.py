"""The paper's Appendix F: test ECE_SWEEP, equal width (`make ece_sweep_ew`)."""

import sys

from figures.command import main
from figures.tables import score_table

TABLE = score_table(
    "ece_sweep_ew",
    "ECE with as many bins of equal width as keep the accuracies monotone (Roelofs et al. 2021)",
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
