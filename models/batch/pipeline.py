"""From items to rows in their order, everything at once: listing, decoding, the network, steps.

Threads, since nearly all of it is done without Python's lock. What is in memory is bounded by a number of
items and by the bytes of their pictures, whatever the length of the batch.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from models.batch.feeding import END, Feeder
from models.batch.plan import engine_kind

if TYPE_CHECKING:
    from models.batch.item import Item, Row
    from models.batch.scoring import Inferred, ReadItem, Scorer

BATCH = {"openvino": 16, "onnxruntime": 8, "tensorflow": 32}
"""Images a call, by the runtime: on a quiet machine more take no less time an image (tests/bench/batch.py),
and what is under way is what a kill loses."""
AHEAD = 3
"""Batches that are decoded before the network has asked for them."""
HELD_BYTES = 256 << 20
"""Pictures kept at a time, decoding threads apart; a batch is cut short rather than going beyond it."""
MOST_WORKERS = 16
NICE = 2
"""Of the threads that read, above that of the network's."""
_SOON, _TICK = 1.0, 0.1


def default_workers() -> int:
    """Threads that decode: one a core, two at the least."""
    return min(MOST_WORKERS, max(2, os.cpu_count() or 1))


def yield_to_the_network() -> None:
    """Let this thread have what the network leaves of the cores (Linux). Its threads wait for one another, so
    that one core taken from them stops all; a reader that is late is waited for by nobody until then."""
    with suppress(OSError, AttributeError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)


def loaded_bytes(item: Item) -> int:
    """Bytes that an item brings with it, as a member of a compressed TAR does."""
    return len(getattr(item.load, "content", b""))


class Control:
    """Pause, go on and cancel, from any thread. at_rest: called with True when everything that was under way
    is done and a pause begins, with False when it ends."""

    def __init__(self, at_rest: Callable[[bool], None] | None = None) -> None:
        self._go, self._stop = threading.Event(), threading.Event()
        self._go.set()
        self._at_rest = at_rest or (lambda resting: None)

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        return not self._go.is_set() and not self._stop.is_set()

    def pause(self) -> None:
        self._go.clear()

    def go_on(self) -> None:
        self._go.set()

    def stop(self) -> None:
        self._stop.set()
        self._go.set()

    def rest(self) -> None:
        """Sleep until `go_on` or `stop`."""
        self._at_rest(True)
        while not self._go.wait(1.0):
            pass
        self._at_rest(False)


class Pipeline:
    """One pass over a feeder's items.

    control: when it is stopped no further work is begun, and `rows` ends with what is done in order.
    """

    def __init__(
        self,
        scorer: Scorer,
        feeder: Feeder,
        workers: int | None = None,
        control: Control | None = None,
    ) -> None:
        self._scorer, self._feeder = scorer, feeder
        self._batch = BATCH[engine_kind(scorer.kind)]
        self._control = control or Control()
        self._ended = False
        self._problem: Exception | None = None  # the listing's; what was listed before it is done first
        workers = workers or default_workers()
        self._ahead = AHEAD * self._batch + workers
        self._workers = workers
        self._held, self._unread, self._usual, self._lock = 0, 0, 0, threading.Lock()
        self._readers = ThreadPoolExecutor(workers, "batch read", initializer=yield_to_the_network)
        self._engine = ThreadPoolExecutor(1, thread_name_prefix="batch network")
        self._steppers = ThreadPoolExecutor(workers, thread_name_prefix="batch steps")
        self._reading: deque[Future[ReadItem]] = deque()
        self._computing: deque[tuple[list[ReadItem], Future[list[Inferred]]]] = deque()
        self._finishing: deque[list[tuple[ReadItem, Future[Row]]]] = deque()

    def rows(self) -> Iterator[list[Row]]:
        """Rows in the items' order, some at a time; each list is to be kept before the next is asked for."""
        try:
            while not self._control.stopped:
                if self._control.paused:
                    yield from self._finished(computing=0, finishing=0)
                    self._control.rest()
                    continue
                batch = self._next_batch()
                if batch:
                    self._computing.append((batch, self._engine.submit(self._scorer.infer, batch)))
                elif not self._reading and self._ended:
                    break
                # Where nothing can be read until memory is free again, or nothing came, nothing waits.
                most = 1 if batch else 0
                yield from self._finished(computing=most, finishing=most)
            yield from self._finished(computing=0, finishing=0)
            if self._problem and not self._control.stopped:
                raise self._problem
        finally:
            self.close()

    def close(self) -> None:
        """Give up what was not begun and wait for what was."""
        self._feeder.close()
        for pool in (self._readers, self._engine, self._steppers):
            pool.shutdown(wait=True, cancel_futures=True)

    def _next_batch(self) -> list[ReadItem]:
        """The next items in order, as many to be scored as the network wants at a time; fewer at the end,
        where the pictures take too much memory or where the listing is slow."""
        batch: list[ReadItem] = []
        wanted = self._batch
        while wanted > 0 and len(batch) < self._ahead and not self._control.stopped:
            if not self._fill(_SOON if batch else _TICK, bool(batch)):
                break
            if not self._reading:
                continue
            read = self._result(self._reading[0])
            if read is None:
                break
            self._reading.popleft()
            batch.append(read)
            wanted -= read.row is None
        return batch

    def _result(self, future: Future[ReadItem]) -> ReadItem | None:
        try:
            return future.result()
        except CancelledError:
            return None

    def _fill(self, patience: float, begun: bool) -> bool:
        """Hand items to the readers. False where nothing is being read and nothing more is to be had soon."""
        while not self._ended and not self._control.stopped and len(self._reading) < self._ahead:
            busy = bool(self._reading)
            if self._full() and (busy or begun or self._computing or self._finishing):
                break
            try:
                item = self._feeder.take(0 if busy else patience)
            except Exception as fault:
                self._problem, item = fault, END
            if item is END:
                self._ended = True
            elif item is None:
                break
            else:
                self._hold(loaded_bytes(item), begun=1)
                self._reading.append(self._readers.submit(self._read, item))
        return bool(self._reading) or not (begun or self._ended or self._full())

    def _read(self, item: Item) -> ReadItem:
        """In a reader's thread; what an archive's member held in memory is let go with the item."""
        read = self._scorer.read(item)
        self._hold(read.nbytes - loaded_bytes(item), begun=-1)
        self._usual = max(read.nbytes, 0.9 * self._usual)
        if loaded_bytes(item):
            read = replace(read, item=replace(read.item, load=None))
        return read

    def _hold(self, more: int, begun: int = 0) -> None:
        with self._lock:
            self._held += more
            self._unread += begun

    def _full(self) -> bool:
        """Whether the pictures that are kept, and those being read if they are like the latest ones, take the
        memory that there is; of the first ones nobody knows, so that few are begun."""
        if not self._usual:
            return self._unread >= self._workers
        return self._held + self._unread * self._usual >= HELD_BYTES

    def _finished(self, computing: int, finishing: int) -> Iterator[list[Row]]:
        """Take on until at most so many batches are with the network and with the steps."""
        while len(self._computing) > computing:
            batch, answers = self._computing.popleft()
            pairs = zip(batch, answers.result(), strict=True)
            self._finishing.append(
                [(read, self._steppers.submit(self._scorer.finish, read, said)) for read, said in pairs]
            )
            yield from self._collected(finishing)
        yield from self._collected(finishing)

    def _collected(self, finishing: int) -> Iterator[list[Row]]:
        while len(self._finishing) > finishing:
            rows, fault = [], None
            for read, future in self._finishing.popleft():
                if self._control.stopped:
                    future.cancel()
                if fault is None:
                    try:
                        rows.append(future.result())
                    except (Exception, CancelledError) as problem:
                        fault = problem
                self._hold(-read.nbytes)
            if isinstance(fault, CancelledError):  # whoever stops does not wait for steps not yet begun
                yield rows
                self._computing.clear()
                self._finishing.clear()
                return
            if rows:
                yield rows
            if fault is not None:
                raise fault
