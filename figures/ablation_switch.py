"""Threshold of the switch to inverse focal loss (`make ablation_switch`)."""

import sys

from figures.command import main
from figures.tables import ablation_table

TABLE = ablation_table(
    "ablation_switch",
    "Threshold of the switch to inverse focal loss",
    "AdaFocal with the sign of gamma switched at S_th.",
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
