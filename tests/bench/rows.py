"""What a measurement leaves: a row of the table, and how two things are timed fairly against each other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. limit and passed are None for a figure that is only told, not judged."""

    name: str
    measured: str
    limit: str | None = None
    passed: bool | None = None


@dataclass(frozen=True)
class Pair:
    """Two calls timed in turn, in seconds: the lower quartile of each. ratio: first / second.

    Other programs only ever add time, so on a busy machine the lower quartile says more than the median about
    the call itself; on a quiet one they are the same.
    """

    first: float
    second: float

    @property
    def ratio(self) -> float:
        return self.first / self.second


def timed_in_pairs(
    first: Callable[[], object], second: Callable[[], object], pairs: int, warm: int = 3
) -> Pair:
    """Call both in turn, the order swapped each time, after `warm` calls of each that do not count."""
    calls, times = (first, second), ([], [])
    for _ in range(warm):
        first()
        second()
    for index in range(pairs):
        for which in (0, 1) if index % 2 else (1, 0):
            times[which].append(seconds_of(calls[which]))
    return Pair(*(statistics.quantiles(side, n=4, method="inclusive")[0] for side in times))


def seconds_of(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def table(rows: Iterable[Row]) -> str:
    """The rows in columns: name, measured, limit, pass or FAIL (a dash where there is no limit)."""
    verdicts = {True: "pass", False: "FAIL", None: "-"}
    cells = [("", "measured", "limit", "")]
    cells += [(row.name, row.measured, row.limit or "-", verdicts[row.passed]) for row in rows]
    widths = [max(len(cell[column]) for cell in cells) for column in range(4)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True)).rstrip()
        for cell in cells
    )
