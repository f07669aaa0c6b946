"""Items of a batch, listed in a thread of their own: an archive is inflated while networks compute."""

from __future__ import annotations

import queue
import threading
from collections.abc import Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.batch.item import Item
    from models.batch.plan import Inputs

# A member of a compressed TAR is in memory from here on, so few are listed ahead.
AHEAD = 4
_TICK = 0.2


END = object()
"""What `take` gives when there are no more items."""


class Feeder:
    """The items that are left to do, one after the other.

    Whatever the listing raises is raised to whoever takes the item after the last. `close` ends it from any
    thread; the listing is always closed by the thread that went through it.
    """

    def __init__(self, listing: Inputs, skip: Container[str]) -> None:
        self._listing, self._skip = listing, skip
        self._items: queue.Queue[Item | BaseException | object] = queue.Queue(AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._list, name="batch listing", daemon=True)
        self._thread.start()

    def take(self, seconds: float) -> Item | object | None:
        """The next item, `END`, or None where none came within that time."""
        try:
            item = self._items.get(timeout=seconds) if seconds else self._items.get_nowait()
        except queue.Empty:
            return None
        if item is END:
            self._items.put(END)
        elif isinstance(item, BaseException):
            self._items.put(END)
            raise item
        return item

    def close(self) -> None:
        """Stop listing; returns when the thread has ended."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._items.get_nowait()
            except queue.Empty:
                self._thread.join(_TICK / 10)

    def _list(self) -> None:
        end: BaseException | object = END
        found = self._listing.items(self._skip)
        try:
            for item in found:
                if not self._put(item):
                    return
        except BaseException as fault:
            end = fault
        finally:
            if hasattr(found, "close"):
                found.close()
        self._put(end)

    def _put(self, item: Item | BaseException | object) -> bool:
        while not self._closed.is_set():
            try:
                self._items.put(item, timeout=_TICK)
                return True
            except queue.Full:
                continue
        return False
