"""Table 1: test ECE_EM before and after temperature scaling (`make table1`)."""

import sys

from figures.command import main
from figures.tables import Block, Table

TABLE = Table(
    name="table1",
    title="Table 1: test ECE_EM (%) before and after temperature scaling",
    notes="ECE_EM over 15 equal-mass bins, on the test set. In round brackets: the temperature T with the lowest "
    "ECE_EM on the validation set, mean over seeds.",
    blocks=(
        Block("before", "Before temperature scaling", lambda record: 100 * record.result["test"]["ece_em"]),
        Block(
            "after",
            "After temperature scaling",
            lambda record: 100 * record.result["test_scaled"]["ece_em"],
            temperature=lambda record: record.result["temperature"],
        ),
    ),
)

if __name__ == "__main__":
    sys.exit(main(TABLE))
