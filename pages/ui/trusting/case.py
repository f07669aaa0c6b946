"""One case on Inspect, from top to bottom: verdict, the map with its trust card, numbers."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.runs import Run
from pages.ui import caches, panels
from pages.ui.downloads import offer_downloads
from pages.ui.pickers import Chosen
from pages.ui.pictures import Style
from pages.ui.reading_first.mode import read_after, read_before
from pages.ui.trusting import showing
from pages.ui.trusting.card import show_words
from pages.ui.trusting.methods import ask_map, notes
from xai.explain import CaseExplanation
from xai.trust import TrustCard

#: Columns of a case below one another where there is no room beside one another.
NARROW = Path(__file__).with_name("narrow.css")
HELD_BACK = "held back, see the trust card"


def show_case(chosen: Chosen, run: Run, style: Style, beside: DeltaGenerator, *, read_first: bool) -> None:
    """A study through a run; with read_first nothing of the model before the reader's own opinion."""
    st.html(NARROW)
    panels.show_study(chosen.study, beside, named=not read_first)
    read = read_before(chosen.study, run) if read_first else None
    if read_first and read is None:
        return
    reading = caches.reading(chosen.study, run)
    panels.show_doubts(reading)
    with st.container(key="case_verdict"):
        panels.show_verdict(reading)
    asking = st.container(horizontal=True, vertical_alignment="bottom")
    with asking:
        asked = ask_map(run)
    for note in notes(run, asked):
        st.caption(note)
    found = showing.find_map(reading, asked, chosen.mask)
    if found.instead:
        st.caption(found.instead)
    name = asked.name if found.has(asked.name) else "joint"
    card, held = _show_map(found.result, name, style, asking)
    show_words(card)
    if read is not None:
        read_after(read, found.result, card)
    panels.show_branches(found.result, style, held)
    with st.container(key="case_numbers"):
        panels.show_numbers(found.result)
    offer_downloads(found.result, name, style, card)
    panels.show_details(found.result)


def _show_map(
    result: CaseExplanation, name: str, style: Style, asking: DeltaGenerator
) -> tuple[TrustCard, bool]:
    """The map with its card beside it; the card, and whether the map is held back."""
    with st.container(key="case_map"):
        left, right = st.columns([2.6, 1], gap="medium")
    picture = left.empty()

    def waiting() -> None:
        with picture.container():
            panels.show_waiting(result, name, style)

    card = showing.check_map(result, name, waiting, right)
    held = showing.held_back(card, result, name)
    with asking:
        panels.show_flip(held)
    with picture.container():
        panels.show_maps(result, name, style, HELD_BACK if held else "")
    showing.show_beside(card, result, name, right)
    return card, held
