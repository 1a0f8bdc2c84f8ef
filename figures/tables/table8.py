"""Table 8: AUROC of out-of-distribution detection by softmax entropy (`make table8`)."""

from collections.abc import Callable, Container
from dataclasses import dataclass

from experiments.records import Record
from figures.tables.table import Block, Table


@dataclass(frozen=True)
class OodSet:
    """An out-of-distribution set of the paper: its name for readers, its key in a record, and the demo's stand-in."""

    name: str
    key: str
    demo: str

    def shown(self, scale: str) -> str:
        """What a reader sees at a scale."""
        return f"{self.demo}, in place of {self.name}" if scale == "demo" else self.name

    def of(self, available: Container[str]) -> str | None:
        """The key of those a record has; None where it has neither."""
        return next((key for key in (self.key, self.demo) if key in available), None)


OOD_SETS = {"first": OodSet("SVHN", "svhn", "photos"), "second": OodSet("CIFAR-10-C", "cifar10-c", "noise")}


def _auroc(outside: OodSet, key: str) -> Callable[[Record], float | None]:
    def score(record: Record) -> float | None:
        scores = record.result.get("ood", {})
        name = outside.of(scores)
        return 100 * scores[name][key] if name else None

    return score


def _block(place: str, outside: OodSet, when: str, key: str) -> Block:
    title, demo_title = (f"{outside.shown(scale)}, {when} temperature scaling" for scale in ("paper", "demo"))
    return Block(f"{place}_{when}", title, _auroc(outside, key), best=max, demo_title=demo_title)


TABLE = Table(
    name="table8",
    title="Table 8: AUROC (%) of out-of-distribution detection",
    notes="Softmax entropy as the score, the test set against the out-of-distribution set, which is the positive "
    "class. CIFAR-10-C: Gaussian noise of severity 5. At the demo's scale patches of two photographs stand for SVHN "
    "and digits under strong noise for CIFAR-10-C.",
    source="the numbers of the paper's earlier version, an ICLR 2022 submission (AdaFocal's of 5 runs, the others' of "
    "single checkpoints)",
    completed_by="experiments.ood",
    blocks=tuple(
        _block(place, outside, when, key)
        for place, outside in OOD_SETS.items()
        for when, key in (("before", "auroc"), ("after", "auroc_scaled"))
    ),
)
