"""What a measurement is, and how time is taken."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        group: the table that it stands in.
        what: what was measured.
        seconds: of one call.
        against: what it is compared with.
        other: seconds of that; None where there is nothing to compare with.
        limit: the ratio that the design allows; None where it names none.
    """

    group: str
    what: str
    seconds: float
    against: str = ""
    other: float | None = None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """Seconds over the other's: below 1 is faster."""
        return self.seconds / self.other if self.other else None


def best_of(function: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some calls, after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def side_by_side(ours: Callable[[], object], theirs: Callable[[], object], rounds: int, calls: int = 1) -> list[float]:
    """Seconds of one call of each of two functions, measured in turns so that both meet the same machine.

    Args:
        ours: the first.
        theirs: the second.
        rounds: turns; the fastest of each counts.
        calls: calls a turn, for what takes microseconds.
    """
    fastest = [float("inf")] * 2
    for _ in range(rounds + 1):  # the first turn warms up
        for i, function in enumerate((ours, theirs)):
            begin = time.perf_counter()
            for _ in range(calls):
                function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            fastest[i] = min(fastest[i], (time.perf_counter() - begin) / calls)
    return fastest
