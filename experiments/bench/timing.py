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


def _wait() -> None:
    """Until a GPU has done what it was asked to."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def best_of(function: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some calls, after one that warms up."""
    function()
    times = []
    for _ in range(repeats):
        _wait()
        begin = time.perf_counter()
        function()
        _wait()
        times.append(time.perf_counter() - begin)
    return min(times)


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int, calls: int = 1
) -> tuple[float, float]:
    """Seconds of one call of each of two functions, in the turn whose ratio is the median of all.

    Both are called in every turn, so that a machine that slows down for a while slows both.

    Args:
        ours: the first.
        theirs: the second.
        rounds: turns, after one that warms up.
        calls: calls a turn, for what takes microseconds.
    """
    turns = []
    for _ in range(rounds + 1):
        turn = []
        for function in (ours, theirs):
            begin = time.perf_counter()
            for _ in range(calls):
                function()
            _wait()
            turn.append((time.perf_counter() - begin) / calls)
        turns.append(tuple(turn))
    return sorted(turns[1:], key=lambda turn: turn[0] / turn[1])[rounds // 2]
