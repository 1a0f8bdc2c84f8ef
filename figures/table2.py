"""Table 2: test error (`make table2`)."""

import sys

from figures.command import main
from figures.tables import Block, Table, shown

TABLE = Table(
    name="table2",
    title="Table 2: test error (%)",
    notes="Share of the test set that is classified wrongly; temperature scaling does not change it.",
    blocks=(Block("error", "Error", shown("test", "error")),),
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
