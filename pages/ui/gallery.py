"""Sample studies as tiles to click."""

from __future__ import annotations

import html
from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from models.runs import Run
from pages.ui import caches, state
from pages.ui.samples import Sample, by_modality, fitting_run

INSPECT = "pages/1_Inspect.py"
ABREAST = 2


def show_samples(samples: Sequence[Sample], runs: Sequence[Run]) -> None:
    """Samples by modality, side by side; a click opens Inspect with the run that fits the sample."""
    groups = by_modality(samples)
    for block, (modality, members) in zip(st.columns(len(groups), gap="large"), groups.items(), strict=True):
        block.markdown(f"**{modality.capitalize()}**")
        for start in range(0, len(members), ABREAST):
            row = members[start : start + ABREAST]
            for column, sample in zip(block.columns(ABREAST), row, strict=False):
                with column:
                    _tile(sample, fitting_run(sample, runs))


def _tile(sample: Sample, run: Run | None) -> None:
    case = {state.SAMPLE: sample.id} | ({state.RUN: run.id} if run else {})
    # A picture that is itself a link, in the same tab: st.image opens its link in a new one.
    picture = caches.sample_thumbnail(sample).uri
    address, words = (
        html.escape(f"Inspect?{urlencode(case)}"),
        html.escape(f"{sample.modality}, {sample.title}"),
    )
    st.html(
        f'<a href="{address}" title="Open in Inspect">'
        f'<img src="{picture}" width="100%" alt="Sample: {words}"></a>'
    )
    if st.button(sample.title, key=f"open {sample.id}", type="tertiary"):
        st.switch_page(INSPECT, query_params=case)
