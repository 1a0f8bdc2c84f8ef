"""Appendix P: CalFocal by sample (Eq. 2) and by bin (Eq. 3) (`make calfocal`)."""

import sys

from figures.command import main
from figures.tables import ablation_table

TABLE = ablation_table(
    "calfocal",
    "Appendix P: CalFocal by sample (Eq. 2) and by bin (Eq. 3)",
    "CalFocal of Eq. 2, gamma = exp(λ (p − A_val)), and Eq. 3, gamma = exp(λ (C_val − A_val)), clipped at 20, beside "
    "AdaFocal.",
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
