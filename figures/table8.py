"""Table 8: AUROC of out-of-distribution detection by softmax entropy (`make table8`)."""

import sys

from experiments.records import Record
from figures.command import main
from figures.tables import Block, Table

OOD_SETS = {"first": ("SVHN", "svhn", "photos"), "second": ("CIFAR-10-C", "cifar10-c", "noise")}


def _auroc(names: tuple[str, ...], key: str):
    def score(record: Record) -> float | None:
        found = [record.result["ood"][name][key] for name in names if name in record.result.get("ood", {})]
        return 100 * found[0] if found else None

    return score


TABLE = Table(
    name="table8",
    title="Table 8: AUROC (%) of out-of-distribution detection",
    notes="Softmax entropy as the score, the test set against the out-of-distribution set, which is the positive "
    "class. CIFAR-10-C: Gaussian noise of severity 5. At the demo's scale patches of two photographs stand for SVHN "
    "and digits under strong noise for CIFAR-10-C.",
    completed_by="experiments.ood",
    blocks=tuple(
        Block(f"{place}_{when}", f"{label}, {when} temperature scaling", _auroc(names, key), best=max)
        for place, (label, *names) in OOD_SETS.items()
        for when, key in (("before", "auroc"), ("after", "auroc_scaled"))
    ),
)

if __name__ == "__main__":
    sys.exit(main(TABLE.name))
