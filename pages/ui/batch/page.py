"""The two views of the Batch page: many studies, and one whole slide."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui.batch.places import find_place

VIEWS = ("Studies", "Slide")


def show_studies(beside: DeltaGenerator) -> None:
    """What is asked, or the batch that the address names."""
    place = find_place(st.query_params.get("batch", ""))
    if place is None:
        st.caption("Drop files here.")
        return
    from pages.ui.batch.results import show_results

    show_results(place, beside)


def show_slides(beside: DeltaGenerator) -> None:
    """One whole slide."""
    from pages.ui.slides.page import show_slides as show

    show(beside)
