"""Table 4: test ECE_EM after spline calibration (`make table4`)."""

import sys

from figures import calibrated
from figures.command import main
from figures.tables import Table

TABLE = Table(
    name="table4",
    title="Table 4: test ECE_EM (%) before and after spline calibration",
    notes="ECE_EM over 15 equal-mass bins, on the test set. Spline: natural, cubic, 6 knots, fitted to the cumulative "
    "gap of the validation set.",
    blocks=(calibrated.before(), calibrated.block("spline")),
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
