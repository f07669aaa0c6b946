"""What the Batch page keeps between reruns, of batches and of slides; the others of st.cache_* are
`pages/ui/caches.py` and `pages/ui/trust_caches.py`.

A batch is found by an address that cannot be guessed, so what is read of its folder may be kept for whoever
has that address; images of it go with the session.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from models.batch.results import read_batch
from models.batch.shards import list_shards
from models.errors import BadInput
from models.runs import Run
from models.slides.tiles import Survey, TileSpec, survey, tile_study
from models.study import Slide, open_slide
from pages.ui import caches
from pages.ui.batch import labelling
from pages.ui.batch.columns import Growing, Results
from pages.ui.batch.jobs import BatchJobs
from pages.ui.batch.labelling import Added
from pages.ui.slides.jobs import SlideJobs
from xai.explain import CaseExplanation

if TYPE_CHECKING:
    from models.batch.as_run import Said
    from pages.ui.batch.places import BatchPlace

#: Longer side of a picture in pixels: of a cell of the table, and of a card.
CELL, CARD = 112, 360
#: Labels added to a batch that is looked at only; they go with the session.
ADDED = "batch_labels"


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


def labelled(place: BatchPlace) -> Results:
    """`results` with the labels that were added since: kept beside the batch, or in this session."""
    found, added = results(place), added_labels(place)
    if not added.said:
        return found
    return found.once(("added", added.mark), lambda: labelling.with_labels(found, added.said))


def added_labels(place: BatchPlace) -> Added:
    """What was said after the batch was scored."""
    own = st.session_state.get(f"{ADDED}_{place.id}")
    return own if own is not None else _kept_labels(place, labelling.stamp(place))


@st.cache_resource(max_entries=4, show_spinner=False)
def _kept_labels(place: BatchPlace, stamp: float) -> Added:
    return labelling.kept(place)


def add_labels(place: BatchPlace, said: dict[str, Said]) -> None:
    """Keep labels with the batch, or for this session where nothing may be written there. No labels: forget
    those that were added."""
    if not labelling.keep(place, said or None):
        st.session_state[f"{ADDED}_{place.id}"] = Added(said, secrets.token_hex(4))


def picture_uri(folder: Path, file: str) -> str | None:
    """A picture of a batch as a data URI for a cell of a table."""
    content = picture(folder, file, CELL)
    return None if content is None else "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")


@st.cache_resource(max_entries=1500, scope="session", show_spinner=False)
def picture(folder: Path, file: str, side: int, square: bool = False) -> bytes | None:
    """A picture that a batch wrote, as a JPEG no larger than `side`; None where there is none."""
    from pages.ui.batch.pictures import small_picture

    try:
        return small_picture(folder, file, side, square)
    except BadInput:
        return None


def overlays(place: BatchPlace, found: Results) -> tuple[int, int]:
    """How many overlays the batch has, and their bytes together."""

    def counted() -> tuple[int, int]:
        sizes = [
            entry.stat().st_size
            for run in found.runs
            if (place.folder / "heatmaps" / run.id).is_dir()
            for entry in os.scandir(place.folder / "heatmaps" / run.id)
            if entry.name.endswith(".png") and entry.is_file(follow_symlinks=False)
        ]
        return len(sizes), sum(sizes)

    return found.once("overlays", counted)


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


@st.cache_resource(max_entries=1, show_spinner=False, on_release=SlideJobs.close)
def slide_jobs() -> SlideJobs:
    """The slides at work on this server: everyone's, each found by its own address alone."""
    return SlideJobs()


@st.cache_resource(max_entries=4, show_spinner="Opening the slide", on_release=Slide.close)
def open_slide_of(file: Path, mpp: float | None) -> Slide:
    """A slide of the page. BadInput where it cannot be read."""
    return open_slide(file, mpp=mpp)


@st.cache_resource(max_entries=4, show_spinner="Looking for tissue")
def slide_survey(file: Path, mpp: float | None, spec: TileSpec) -> Survey:
    """Its thumbnail, its tissue and its tiles. BadInput where it has no scale or no tissue."""
    return survey(open_slide_of(file, mpp), spec)


@st.cache_resource(
    max_entries=24, scope="session", show_spinner="Explaining the tile", hash_funcs=caches._KEYS
)
def slide_tile(
    file: Path, mpp: float | None, spec: TileSpec, run: Run, row: int, column: int, synthetic: bool
) -> CaseExplanation:
    """The heatmap of one tile. BadInput where the slide is damaged there."""
    from xai.slides.tile import explain_tile

    found = slide_survey(file, mpp, spec)
    slide, engine = open_slide_of(file, mpp), caches.engine(run)
    return explain_tile(slide, found, run, engine, row, column, synthetic=synthetic)


@st.cache_resource(max_entries=96, scope="session", show_spinner=False)
def slide_field(
    file: Path, mpp: float | None, spec: TileSpec, row: int, column: int, around: bool
) -> np.ndarray | None:
    """A tile for the eye, uint8 RGB, alone or in the middle of three times its field; None where the slide is
    damaged there."""
    from xai.slides.tile import surroundings

    found, slide = slide_survey(file, mpp, spec), open_slide_of(file, mpp)
    try:
        if around:
            return surroundings(slide, found, row, column)
        return tile_study(slide, spec, found.tile(row, column)).samples
    except BadInput:
        return None
