"""Every post-hoc calibrator on every run (`make posthoc`); not in the paper, which has three of them."""

import sys

from figures import calibrated
from figures.command import main
from figures.tables import Table
from posthoc import CALIBRATORS

TABLE = Table(
    name="posthoc",
    title="Post-hoc calibration: test ECE_EM (%) before and after",
    notes="ECE_EM over 15 equal-mass bins, on the test set; calibrators are fitted to the validation set. TS (ECE_EM): "
    "temperature by the lowest ECE_EM, the paper's; TS (NLL): by the lowest likelihood loss; ETS: ensemble temperature "
    "scaling; the spline, histogram binning and isotonic regression change the top label's confidence alone; vector "
    "scaling and Dirichlet calibration may change the predictions.",
    blocks=(calibrated.before(), *(calibrated.block(name) for name in CALIBRATORS)),
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
