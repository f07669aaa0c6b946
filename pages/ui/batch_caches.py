"""What the Batch page keeps between reruns, of batches and of slides; the others of st.cache_* are
`pages/ui/caches.py` and `pages/ui/trust_caches.py`.

A batch is found by an address that cannot be guessed, so what is read of its folder may be kept for whoever
has that address; images of it go with the session.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import streamlit as st

from models.batch.results import read_batch
from models.batch.shards import list_shards
from models.errors import BadInput
from pages.ui import caches
from pages.ui.batch.columns import Growing, Results
from pages.ui.batch.jobs import BatchJobs

if TYPE_CHECKING:
    from pages.ui.batch.places import BatchPlace

#: Longer side of a picture in pixels: of a cell of the table, and of a card.
CELL, CARD = 112, 360


@dataclass
class _Read:
    """A batch as far as it has been read."""

    growing: Growing
    offset: int = 0
    results: Results | None = None
    lock: Lock = field(default_factory=Lock)


@st.cache_resource(max_entries=4, show_spinner="Reading the results")
def _read(folder: Path, begun: str, shards: tuple) -> _Read:
    return _Read(Growing(read_batch(folder).runs))


def results(place: BatchPlace) -> Results:
    """Everything the batch has found so far; only what came since the last look is read. BadInput where
    there are no results."""
    batch = read_batch(place.folder)
    shards = tuple(path.name for path in list_shards(place.folder))
    known = _read(place.folder, batch.started, shards)
    with known.lock:
        rows, offset = batch.since(known.offset)
        if known.results is None and shards:
            rows = batch.rows()
        if known.results is None or rows:
            known.growing.take(rows)
            known.offset, known.results = offset, known.growing.results()
        return known.results


def picture_uri(folder: Path, file: str) -> str | None:
    """A picture of a batch as a data URI for a cell of a table."""
    content = picture(folder, file, CELL)
    return None if content is None else "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


@st.cache_resource(max_entries=1500, scope="session", show_spinner=False)
def picture(folder: Path, file: str, side: int) -> bytes | None:
    """A picture that a batch wrote, as a JPEG no larger than `side`; None where there is none."""
    from pages.ui.batch.pictures import small_picture

    try:
        return small_picture(folder, file, side)
    except BadInput:
        return None


@st.cache_resource(max_entries=4, scope="session", show_spinner="Fetching the image")
def row_files(batch_id: str, row: int) -> tuple[caches.File, caches.File | None]:
    """The image of a batch's row, by its place in the input, and its lesion mask where it has one. BadInput
    where they are not kept here."""
    from pages.ui.batch.places import place_of

    place = place_of(batch_id)
    return place.load(row), place.mask(row)


@st.cache_resource(max_entries=1, show_spinner=False, on_release=BatchJobs.close)
def batch_jobs() -> BatchJobs:
    """The batches at work on this server: everyone's, each found by its own address alone."""
    return BatchJobs()
