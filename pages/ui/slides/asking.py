"""What the Slide view asks in the sidebar: which slide, which run, which tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from models.errors import BadInput
from models.runs import Run
from models.slides.tiles import TileSpec, tiles_for, trained_tiles
from models.study import Slide
from pages.ui import batch_caches, pickers, state
from pages.ui.frame import guarded
from pages.ui.slides import shelf
from pages.ui.slides.jobs import Plan
from pages.ui.slides.shelf import HOURS, MOST_UPLOAD_MB, SlidePlace

SLIDE, SERIES, MPP, LIMIT = "slide", "series", "mpp", "limit"
SIZE, TILE_MPP = "tile_px", "tile_um"
_UPLOAD, _REFUSED = "slide_upload", "slide_refused"
_DRAWN_RUN = "phantom-histopathology"


@dataclass(frozen=True, eq=False)
class Asked:
    """What was chosen. plan: None while something is missing, and `missing` says what."""

    place: SlidePlace
    slide: Slide
    plan: Plan | None
    missing: str = ""


def histology(runs: Sequence[Run]) -> list[Run]:
    """The runs that may look at a slide."""
    return [run for run in runs if run.modality == "histopathology" and run.has_weights]


def ask(runs: Sequence[Run]) -> Asked | None:
    """The slide and the plan; None while no slide is chosen."""
    _ask_slide()
    place = opened()
    run = None
    with guarded():
        run = pickers.pick_run(histology(runs))
    if place is None or run is None:
        return None
    mpp = None
    slide = batch_caches.open_slide_of(place.file, None)
    if slide.mpp is None:
        mpp = st.number_input(
            "Micrometres per pixel", 0.02, 40.0, None, 0.01, "%.3f", key=MPP, bind="query-params",
            placeholder="0.25 of a scan at 40x", help="The slide's file does not say how large a pixel is.",
        )  # fmt: skip
        if mpp is None:
            return Asked(place, slide, None, NO_MPP)
        slide = batch_caches.open_slide_of(place.file, float(mpp))
    spec = _ask_tiles(run)
    limit = st.number_input(
        "At most so many tiles", 1, None, None, 100, key=LIMIT, bind="query-params", placeholder="all",
        help="For a quick look: tiles spread evenly over the tissue.",
    )  # fmt: skip
    if spec is None:
        return Asked(place, slide, None, NO_TILE.format(run=run.id))
    return Asked(place, slide, Plan(place, run, spec, mpp, None if limit is None else int(limit)))


NO_MPP = "This slide's file does not say how many micrometres a pixel is: give it at the left."
NO_TILE = "The run {run} does not say how large its training patches were: give their size at the left."


def opened() -> SlidePlace | None:
    """The slide that the address names."""
    asked = st.query_params.get(SLIDE)
    if asked is None:
        return None
    place = shelf.find(asked)
    if place is None:
        del st.query_params[SLIDE]
        st.warning("That slide is not here any more: it was deleted, or its time was over. Give it again.")
    return place


def _ask_slide() -> None:
    st.file_uploader(
        f"Whole slide (SVS, NDPI, SCN, BIF, DICOM, TIFF; at most {MOST_UPLOAD_MB} MB)", key=_upload_key(),
        max_upload_size=MOST_UPLOAD_MB, on_change=_take_upload,
        help="Told by its content. It is written to a folder of this server under a name of ours, and goes "
        f"with Delete or after {HOURS} hours. A larger one: python -m xai slide.",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.number_input(
            "or a drawn one, number", 0, 999_999, 3, 1, key=SERIES, bind="query-params",
            help="A synthetic slide of phantom tissue with a known tumour; another number, another slide.",
        )  # fmt: skip
        st.button("Draw", key="draw slide", icon=":material/brush:", on_click=_draw, args=(number,))
    if sentence := st.session_state.pop(_REFUSED, None):
        st.error(sentence)


def _ask_tiles(run: Run) -> TileSpec | None:
    known = trained_tiles(run)
    if known is not None:
        spec = tiles_for(run)
        st.caption(
            f"Tiles of {spec.size} x {spec.size} pixels of {spec.mpp:g} µm ({spec.field_um:g} µm a side), as "
            "this run was trained on."
        )
        return spec
    size, scale = st.columns(2)
    side = size.number_input("Tile, pixels", 16, 4096, None, 1, key=SIZE, bind="query-params")
    mpp = scale.number_input("of µm", 0.02, 100.0, None, 0.1, key=TILE_MPP, bind="query-params")
    return None if side is None or mpp is None else TileSpec(int(side), float(mpp))


def _upload_key() -> str:
    return f"{_UPLOAD}_{st.session_state.get(_UPLOAD, 0)}"


def _take_upload() -> None:
    upload = st.session_state.get(_upload_key())
    if upload is None:
        return
    _open(lambda: shelf.keep_upload(upload, upload.name))
    # The server's memory is given back: the slide is on its disk now.
    st.session_state[_UPLOAD] = st.session_state.get(_UPLOAD, 0) + 1


def _draw(number: int) -> None:
    _open(lambda: shelf.draw(int(number)))
    st.session_state[state.RUN] = _DRAWN_RUN


def _open(make) -> None:
    try:
        place = make()
    except BadInput as refusal:
        st.session_state[_REFUSED] = str(refusal)
        return
    st.query_params[SLIDE] = place.id
    st.query_params.pop("tile", None)
