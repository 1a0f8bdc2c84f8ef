"""Rate of gamma (`make ablation_lambda`)."""

import sys

from figures.command import main
from figures.tables import ablation_table

TABLE = ablation_table(
    "ablation_lambda", "Rate of gamma", "AdaFocal with gamma moved by exp(±λ (C − A)) after every epoch."
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
