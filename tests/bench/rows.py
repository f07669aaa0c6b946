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
    """Two calls timed in turn. first, second: median seconds. ratio: median over the pairs of first / second,
    so that a neighbour's load, which hits both calls of a pair, cancels."""

    first: float
    second: float
    ratio: float


def timed_in_pairs(
    first: Callable[[], object], second: Callable[[], object], pairs: int, warm: int = 3
) -> Pair:
    """Call both in turn, the order swapped each time, after `warm` calls of each that do not count."""
    for _ in range(warm):
        first()
        second()
    times: list[tuple[float, float]] = []
    for index in range(pairs):
        if index % 2:
            later = seconds_of(second)
            times.append((seconds_of(first), later))
        else:
            times.append((seconds_of(first), seconds_of(second)))
    return Pair(
        first=statistics.median(a for a, _ in times),
        second=statistics.median(b for _, b in times),
        ratio=statistics.median(a / b for a, b in times),
    )


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
