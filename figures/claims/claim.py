"""What a claim is, and how a verdict follows from what was measured."""

from collections.abc import Callable
from dataclasses import dataclass, field

from figures.claims.published import COUNTED, table


@dataclass(frozen=True)
class Finding:
    """How often a claim held at one scale.

    Attributes:
        held: cases in which it held.
        cases: cases that are measured.
        of: all cases at this scale.
        needed: cases in which it has to hold; 0: all.
        rows: of the claim's table.
    """

    held: int
    cases: int
    of: int
    needed: int = 0
    rows: list[list[str]] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """Reproduced, partly, not reproduced, or open.

        While cases are missing, a claim that held in some is "partly" reproduced; one that held in none is open, or
        not reproduced once the missing ones cannot save it.
        """
        needed = self.needed or self.of
        if self.held >= needed:
            return "reproduced"
        if self.held:
            return "partly"
        return "open" if self.cases == 0 or self.of - self.cases >= needed else "not reproduced"

    def __str__(self) -> str:
        """The verdict with its count: "partly (3 of 4)"."""
        count = f" ({self.held} of {self.cases})" if self.cases else ""
        missing = f", {self.of - self.cases} not measured" if 0 < self.cases < self.of else ""
        return f"{self.verdict}{count}{missing}"


NOTHING = Finding(0, 0, 1)  # nothing was measured


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        title: the claim and where the paper makes it.
        shown_by: the make targets that show it.
        header: of its table; the first column is the scale.
        check: judges it at a scale.
        scales: where it can be judged.
    """

    title: str
    shown_by: tuple[str, ...]
    header: tuple[str, ...]
    check: Callable[[str], Finding]
    scales: tuple[str, ...] = COUNTED

    def findings(self) -> dict[str, Finding]:
        """What was found, by scale."""
        return {scale: self.check(scale) for scale in self.scales}

    def evidence(self) -> str:
        """The verdicts and the numbers behind them, in Markdown."""
        found = self.findings()
        verdicts = "; ".join(f"{scale}: **{finding}**" for scale, finding in found.items())
        rows = [[scale, *row] for scale, finding in found.items() for row in finding.rows]
        numbers = f"\n\n{table(self.header, rows, 3)}" if rows else ""
        return f"{verdicts}. Shown by `make {' '.join(self.shown_by)}`.{numbers}"
