"""The results of a batch, as far as they are there: counts, triage, the table and its pictures, exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

if TYPE_CHECKING:
    from pages.ui.batch.places import BatchPlace


def show_results(place: BatchPlace, beside: DeltaGenerator) -> None:
    """Everything the batch has found so far; it may be drawn again while the batch is at work."""
    from models.batch.results import read_batch

    batch = read_batch(place.folder)
    counts = ", ".join(f"{count:,} {status}" for status, count in batch.counts.items())
    beside.caption(counts, width="content")
    st.caption("The results appear here.")
