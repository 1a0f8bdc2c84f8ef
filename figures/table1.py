"""Table 1: test ECE_EM before and after temperature scaling (`make table1`)."""

import sys

from figures.command import main
from figures.tables import Table, before_after

TABLE = Table(
    name="table1",
    title="Table 1: test ECE_EM (%) before and after temperature scaling",
    notes="ECE_EM over 15 equal-mass bins, on the test set. In round brackets: the temperature T with the lowest "
    "ECE_EM on the validation set, mean over seeds.",
    blocks=before_after("ece_em"),
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
