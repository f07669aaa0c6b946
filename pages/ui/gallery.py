"""Sample studies as tiles to click."""

from __future__ import annotations

import html
from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from models.runs import Run
from pages.ui import caches, state
from pages.ui.samples import Sample, fitting_run

INSPECT = "pages/1_Inspect.py"
COLUMNS = 6


def show_samples(samples: Sequence[Sample], runs: Sequence[Run]) -> None:
    """A grid of samples; a click opens Inspect with the run that fits the sample."""
    for start in range(0, len(samples), COLUMNS):
        row = samples[start : start + COLUMNS]
        for column, sample in zip(st.columns(COLUMNS), row, strict=False):
            with column:
                _tile(sample, fitting_run(sample, runs))


def _tile(sample: Sample, run: Run | None) -> None:
    case = {state.SAMPLE: sample.id} | ({state.RUN: run.id} if run else {})
    # A picture that is itself a link, in the same tab: st.image opens its link in a new one.
    picture = caches.sample_thumbnail(sample).uri
    st.html(
        f'<a href="Inspect?{html.escape(urlencode(case))}" title="Open in Inspect">'
        f'<img src="{picture}" width="100%" alt="Sample: {html.escape(sample.title)}"></a>'
    )
    if st.button(sample.title, key=f"open {sample.id}", type="tertiary"):
        st.switch_page(INSPECT, query_params=case)
