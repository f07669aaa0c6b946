"""The two views of the Batch page: many studies, and one whole slide."""

from __future__ import annotations

import shutil

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import batch_caches
from pages.ui.batch import asking, bringing, keeping, progress, shelf
from pages.ui.batch.asking import Images
from pages.ui.batch.intake import disk_sentences
from pages.ui.batch.jobs import TAKING, PageBatch
from pages.ui.batch.orders import Order, write_order
from pages.ui.batch.places import BatchPlace, new_id, place_of
from pages.ui.batch.receiving import receive
from pages.ui.frame import guarded

VIEWS = ("Studies", "Slide")
INTRODUCTION = (
    "Give many images at once, ten or a hundred thousand. Every one becomes a row with its probability, "
    "verdict and heatmap; the rows appear while the batch is at work, and what cannot be read is a row with "
    "its reason."
)
AT_THE_DOOR = (
    ":material/lock: DICOM files are de-identified before they are kept: a short list of tags stays "
    "(laterality, view, pixel spacing and the like), every other tag, name, date and number is dropped. Text "
    "burned into the pixels is **not** removed. Images and results lie on this server under an address that "
    f"nobody can guess, and are deleted after {keeping.HOURS} hours, or when you press Delete."
)


def show_studies(beside: DeltaGenerator) -> None:
    """The batch that is open, or what is asked for a new one."""
    place = None
    with guarded():
        place = shelf.opened()
    shelf.show_said()
    shelf.show_others(place.id if place else None)
    if place is None:
        ask()
    elif (batch := batch_caches.batch_jobs().find(place.id)) is not None:
        progress.show(batch, asking.runs_at_hand(), beside)
    else:
        _made_elsewhere(place, beside)


def show_slides(beside: DeltaGenerator) -> None:
    """One whole slide."""
    from pages.ui.slides.page import show_slides as show

    show(beside)


def ask() -> None:
    """Ask for a batch, and begin it."""
    st.write(INTRODUCTION)
    left, right = st.columns([6, 4], gap="medium")
    order, images = None, Images()
    with left, guarded():
        images = asking.ask_images()
    with right.container(border=True), guarded():
        st.subheader("Runs and maps", anchor=False)
        order = asking.ask_order(asking.runs_at_hand(), images)
        ready = order is not None and images.any
        if st.button(
            "Start the batch", type="primary", width="stretch", icon=":material/play_arrow:",
            key="start_batch", disabled=not ready,
        ):  # fmt: skip
            _begin(order, images)
            st.rerun()
        if not images.any:
            st.caption("Give images first.")
    bringing.ask_results()
    st.caption(AT_THE_DOOR)


def _begin(order: Order, images: Images) -> None:
    """Take the files out of the browser's hands and start. BadInput where there is no room, or no image."""
    place = place_of(new_id())
    home = place.folder.parent
    server = batch_caches.batch_jobs()
    keeping.make_room(images.given.bytes if images.given else 0, server.busy())
    try:
        with disk_sentences(), st.spinner("Receiving the files"):
            home.mkdir(mode=0o700)
            if images.given is not None:
                order = order.with_source(receive(home, images.given))
            write_order(home, order)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    server.start(PageBatch(place, order, TAKING), asking.runs_at_hand())
    asking.forget_files()
    shelf.open_batch(place.id)


def _made_elsewhere(place: BatchPlace, beside: DeltaGenerator) -> None:
    """Results that the command line wrote."""
    from pages.ui.batch.results import show_results

    st.subheader("Results of the command line", anchor=False)
    with st.container(horizontal=True):
        st.button("New batch", key="batch_new", icon=":material/add:", on_click=shelf.leave)
        bringing.offer_delete(place)
    show_results(place, beside)
