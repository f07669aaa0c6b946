"""How far a batch is: counts, rate over the last half minute, time left."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.batch.item import FAILED, OK, REFUSED, STATUSES, UNREADABLE

WAITING, OPENING, WORKING, PAUSED = "waiting", "opening", "working", "paused"
WRITING, COMPLETE, CANCELLED, STOPPED = "writing", "complete", "cancelled", "stopped"
WINDOW = 30.0


@dataclass(frozen=True)
class Progress:
    """done: cases on disk, those of earlier runs of the batch included. total: None where nobody knows.
    rate: cases a second over the last 30 s, 0 where nothing was done. seconds_left: None where it cannot be
    told. state: "waiting", "opening", "working", "paused", "writing", "complete", "cancelled" or "stopped"
    (by what was raised)."""

    done: int = 0
    total: int | None = None
    ok: int = 0
    unreadable: int = 0
    refused: int = 0
    failed: int = 0
    rate: float = 0.0
    seconds_left: float | None = None
    state: str = WAITING


class Meter:
    """Counts for a Progress; one thread writes, any may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(STATUSES, 0)
        self._marks: deque[tuple[float, int]] = deque()
        self._fraction: float | None = None
        self.total: int | None = None
        self._state = WAITING

    def begin(self, counts: Mapping[str, int], total: int | None) -> None:
        """What is done already, and of how many."""
        with self._lock:
            self._counts = dict.fromkeys(STATUSES, 0) | dict(counts)
            self.total = total
            self._marks.clear()
            self._mark()

    def state(self, state: str) -> None:
        with self._lock:
            if state == WORKING != self._state:  # the time of a pause is no time of work
                self._marks.clear()
                self._mark()
            self._state = state

    def count(self, statuses: Iterable[str], fraction: float | None = None) -> None:
        """Cases that are on disk now. fraction: of the input, where the total is not known."""
        with self._lock:
            for status in statuses:
                self._counts[status] += 1
            self._fraction = fraction
            self._mark()

    def _mark(self) -> None:
        now = time.monotonic()
        self._marks.append((now, sum(self._counts.values())))
        while len(self._marks) > 2 and self._marks[1][0] < now - WINDOW:
            self._marks.popleft()

    def progress(self) -> Progress:
        with self._lock:
            done = sum(self._counts.values())
            rate = self._rate()
            total = None if self.total is None else max(self.total, done)
            return Progress(
                done,
                total,
                self._counts[OK],
                self._counts[UNREADABLE],
                self._counts[REFUSED],
                self._counts[FAILED],
                rate,
                self._left(done, total, rate),
                self._state,
            )

    def _rate(self) -> float:
        if len(self._marks) < 2 or self._state in (COMPLETE, CANCELLED, STOPPED):
            return 0.0
        (began, before), (latest, after) = self._marks[0], self._marks[-1]
        seconds = latest - began if self._state == PAUSED else max(latest, time.monotonic()) - began
        return (after - before) / seconds if seconds > 0 else 0.0

    def _left(self, done: int, total: int | None, rate: float) -> float | None:
        if not rate:
            return None
        if total is None and self._fraction:
            total = round(done / min(1.0, self._fraction))
        return None if total is None else max(0, total - done) / rate
