"""The paper's Appendix F: test ECE_EW (`make ece_ew`)."""

import sys

from figures.command import main
from figures.tables import score_table

TABLE = score_table("ece_ew", "ECE over 15 bins of equal width")

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
