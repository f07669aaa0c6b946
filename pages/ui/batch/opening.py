"""From a row of a batch to Inspect, and what is shown of a row that cannot be opened there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import caches, state
from pages.ui.gallery import INSPECT

if TYPE_CHECKING:
    from pages.ui.batch.columns import Results
    from pages.ui.batch.places import BatchPlace


def address(place: BatchPlace, index: int, run_id: str) -> dict[str, str]:
    """What the address of Inspect holds: the row's place in the input, never its name."""
    return {state.RUN: run_id, state.BATCH: place.id, state.CASE: str(index)}


def openable(place: BatchPlace, run_id: str) -> bool:
    """Whether Inspect can open the batch's rows with this run: its images are kept, and the run is here."""
    return place.has_images and any(run.id == run_id and run.has_weights for run in caches.runs().runs)


def why_not_openable(place: BatchPlace, run_id: str) -> str:
    """A sentence; "" where it is."""
    if not place.has_images:
        return "Only the results of this batch are here, not its images: a row cannot be opened in Inspect."
    if not openable(place, run_id):
        return f"The run {run_id} is not at hand with its weights: a row cannot be opened in Inspect with it."
    return ""


def open_row(place: BatchPlace, results: Results, run_id: str, position: int) -> None:
    """Go to Inspect with the row at this position."""
    if openable(place, run_id):
        st.switch_page(INSPECT, query_params=address(place, int(results.indices[position]), run_id))


def inspect_link(place: BatchPlace, index: int, run_id: str) -> None:
    """A link that opens the row in Inspect."""
    st.page_link(
        INSPECT, label="Inspect", icon=":material/center_focus_strong:",
        query_params=address(place, index, run_id),
    )  # fmt: skip
