"""How long batches are kept, and how much room they may take: patients' images do not pile up on a server."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from models.errors import BadInput
from pages.ui.batch.orders import STATE
from pages.ui.batch.places import INCOMING, ORDER, RESULTS, SPOOL, work_root
from pages.ui.batch.receiving import BY_COMMAND
from pages.ui.sentences import size

HOURS = 72
#: Of all batches of a server together.
QUOTA_BYTES = 20 << 30
#: What is left free on the disk, for the results and for everything else.
SPARE_BYTES = 1 << 30
_OURS = (ORDER, STATE, INCOMING, SPOOL)


def make_room(needed: int, busy: Collection[str]) -> None:
    """Delete what has had its time. BadInput where `needed` bytes more would be too many all the same."""
    root = work_root()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        raise BadInput(
            f"The folder for batches ({root.name}) cannot be made on this server: set LESIONLENS_WORK."
        ) from None
    sweep(busy)
    free = shutil.disk_usage(root).free - SPARE_BYTES
    # An upload is there twice for a moment: as it came, and taken in.
    if 2 * needed > free:
        raise BadInput(
            f"The disk for batches is full: these files need {size(2 * needed)} and {size(max(free, 0))} are "
            f"left. Delete batches that are not needed any more, or {BY_COMMAND}."
        )
    if used_bytes(root) + needed > QUOTA_BYTES:
        raise BadInput(
            f"The batches of this server would take more than {size(QUOTA_BYTES)} together: delete one, wait "
            f"until old ones are deleted ({HOURS} hours), or {BY_COMMAND}."
        )


def sweep(busy: Collection[str], now: float | None = None) -> None:
    """Delete batches of the page that nobody has touched for HOURS; those of the command line stay."""
    now = time.time() if now is None else now
    try:
        homes = [entry for entry in os.scandir(work_root()) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for home in homes:
        if home.name not in busy and is_ours(Path(home.path)) and ends(Path(home.path)) <= now:
            shutil.rmtree(home.path, ignore_errors=True)


def is_ours(home: Path) -> bool:
    """Whether the page made that folder."""
    return any((home / name).exists() for name in _OURS)


def ends(home: Path) -> float:
    """When the batch is deleted, in seconds since 1970: HOURS after the last thing that was done to it."""
    touched = 0.0
    for path in (home / ORDER, home / STATE, home / INCOMING, home / SPOOL, home / RESULTS, home):
        try:
            touched = max(touched, path.stat().st_mtime)
        except OSError:
            continue
    return touched + HOURS * 3600


def ends_at(home: Path) -> str:
    """The same for people: "Thu 14 May, 09:30"."""
    return datetime.fromtimestamp(ends(home)).strftime("%a %-d %b, %H:%M")


def used_bytes(root: Path) -> int:
    """Of all files below that folder."""
    total, folders = 0, [str(root)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
