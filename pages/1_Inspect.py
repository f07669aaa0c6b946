"""Inspect: one study, what a run says about it, where the evidence lies, and how far that can be trusted."""

import streamlit as st

from pages.ui import caches, pickers
from pages.ui.frame import guarded, page_frame
from pages.ui.gallery import show_samples
from pages.ui.reading_first.mode import pick_mode
from pages.ui.trusting.case import show_case

with page_frame("Inspect") as beside:
    runs, samples = caches.runs().runs, caches.samples()
    chosen = run = None
    with st.sidebar:
        read_first = pick_mode()
        with guarded():
            chosen = pickers.pick_case(samples, runs, blind=read_first)
        with guarded():
            run = pickers.pick_run(runs)
        style = pickers.pick_style()

    if chosen is None:
        st.write("Upload an image at the left, or open a sample. Every sample is a synthetic phantom.")
        show_samples(samples, runs)
    elif run is not None:
        show_case(chosen, run, style, beside, read_first=read_first)
