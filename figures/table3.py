"""Table 3: test ECE_EM after ensemble temperature scaling (`make table3`)."""

import sys

from figures import calibrated
from figures.command import main
from figures.tables import Table

TABLE = Table(
    name="table3",
    title="Table 3: test ECE_EM (%) before and after ensemble temperature scaling",
    notes="ECE_EM over 15 equal-mass bins, on the test set. ETS: temperature and weights with the lowest squared error "
    "on the validation set.",
    blocks=(calibrated.before(), calibrated.block("ets")),
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
