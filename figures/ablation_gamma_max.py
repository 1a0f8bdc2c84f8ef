"""Appendix N: upper bound of gamma (`make ablation_gamma_max`)."""

import sys

from figures.command import main
from figures.tables import ablation_table

TABLE = ablation_table(
    "ablation_gamma_max", "Appendix N: upper bound of gamma", "AdaFocal with gamma clipped at γ_max."
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
