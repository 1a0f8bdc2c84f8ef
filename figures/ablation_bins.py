"""Appendix H: number of bins (`make ablation_bins`)."""

import sys

from figures.command import main
from figures.tables import ablation_table

TABLE = ablation_table(
    "ablation_bins",
    "Appendix H: number of bins",
    "AdaFocal trained with M equal-mass bins of the validation set. ECE_EM is over 15 bins whatever M.",
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
