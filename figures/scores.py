"""Every score of `calibration.SCORES` before temperature scaling (`make scores`); not in the paper."""

import sys

from calibration import SCORES
from figures.command import main
from figures.tables import Block, Table, shown

TABLE = Table(
    name="scores",
    title="All scores on the test set, before temperature scaling",
    notes="Binned scores have 15 bins, the sweeps as many as keep the accuracies monotone.",
    blocks=tuple(Block(name, score.header, shown("test", name)) for name, score in SCORES.items()),
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
