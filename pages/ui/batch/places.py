"""Where a batch lies: a folder of its own below $LESIONLENS_WORK, with its results and its files.

    <id>/job.json     what was asked (pages/ui/batch/orders.py)
    <id>/incoming/    uploads as they came, until they are taken in
    <id>/spool/       the images, de-identified, under numbers, and the list of them (pages/ui/batch/spool.py)
    <id>/results/     what `models.batch` writes

A batch of the command line, put below the same folder, has its results directly in <id>/ and no spool.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from models.errors import BadInput
from pages.ui import caches
from pages.ui.batch.spool import Entry, SpoolListing

WORK_VARIABLE = "LESIONLENS_WORK"
DEFAULT_ROOT = Path(__file__).resolve().parents[3] / "work" / "batches"
ORDER, INCOMING, SPOOL, RESULTS = "job.json", "incoming", "spool", "results"
#: A file that models.batch writes first: a folder that has it holds a batch.
BATCH_FILE = "batch.json"
_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,79}", re.ASCII)


@dataclass(frozen=True)
class BatchPlace:
    """One batch on disk. id: as in the address (?batch=<id>). folder: of its results, for
    `models.batch.results.read_batch`. spool: of its images; None where only the results are here."""

    id: str
    folder: Path
    spool: Path | None = None

    @property
    def has_images(self) -> bool:
        """Whether `load` may give the images again."""
        return self.spool is not None

    def load(self, row: int) -> caches.File:
        """The image of a row again, by its place in the input (Row.index). BadInput where it is not here."""
        entry = self._entry(row)
        if entry.why or entry.image is None:
            raise BadInput(entry.why or f"There is no image of row {row} of this batch.")
        content = _bytes(entry.image(), entry.name)
        return caches.File(content, entry.name, entry.modality, entry.synthetic, frame=entry.frame)

    def mask(self, row: int) -> caches.File | None:
        """The lesion mask of a row; None where it has none."""
        if self.spool is None:
            return None
        entry = self._entry(row)
        if entry.outline is None:
            return None
        return caches.File(_bytes(entry.outline(), entry.name), f"mask of {entry.name}")

    def _entry(self, row: int) -> Entry:
        listing = None if self.spool is None else _listing(self.spool, _stamp(self.spool))
        if listing is None or not 0 <= row < len(listing):
            raise BadInput(
                f"The image of row {row} is not kept here, only what was said of it: give the files again in "
                "Inspect."
            )
        return listing.entry(row)


def work_root() -> Path:
    """The folder below which batches lie: $LESIONLENS_WORK, else work/batches of the program."""
    given = os.environ.get(WORK_VARIABLE)
    return Path(given) if given else DEFAULT_ROOT


def new_id() -> str:
    """An id that nobody guesses: whoever has the address has the batch."""
    return f"b{secrets.token_urlsafe(16)}"


def place_of(batch_id: str) -> BatchPlace:
    """Where the batch of that id lies, whether anything is there or not. BadInput for what is no id."""
    if not _ID.fullmatch(batch_id):
        raise BadInput(f"There is no batch {batch_id[:40]!r}: check the address.")
    home = work_root() / batch_id
    if not (home / ORDER).is_file() and (home / BATCH_FILE).is_file():
        return BatchPlace(batch_id, home)
    return BatchPlace(batch_id, home / RESULTS, home / SPOOL)


def find_place(batch_id: str) -> BatchPlace | None:
    """The batch of that id where there is one, its images or its results; else None."""
    if not _ID.fullmatch(batch_id):
        return None
    home = work_root() / batch_id
    return place_of(batch_id) if (home / ORDER).is_file() or (home / BATCH_FILE).is_file() else None


@lru_cache(maxsize=8)
def _listing(spool: Path, stamp: tuple[int, int]) -> SpoolListing | None:
    return SpoolListing(spool) if stamp[0] else None


def _stamp(spool: Path) -> tuple[int, int]:
    """Size and time of the list: another one is read anew."""
    try:
        status = (spool / "spool.jsonl").stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _bytes(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, bytes):
        return source
    from models.study.limits import Limits
    from models.study.source import read_bytes

    limits = Limits()
    most = max(limits.max_bytes, limits.max_dicom_bytes)
    return read_bytes(source, name, Limits(max_bytes=most))
