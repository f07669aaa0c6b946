"""Inspect: one study, what a run says about it, and where in the image the evidence lies."""

import streamlit as st

from pages.ui import caches, panels, pickers
from pages.ui.downloads import offer_downloads
from pages.ui.frame import guarded, page_frame
from pages.ui.gallery import show_samples

with page_frame("Inspect") as beside:
    runs, samples = caches.runs().runs, caches.samples()
    chosen = run = None
    with st.sidebar:
        with guarded():
            chosen = pickers.pick_case(samples, runs)
        with guarded():
            run = pickers.pick_run(runs)
        style = pickers.pick_style()

    if chosen is None:
        st.write("Upload an image at the left, or open a sample. Every sample is a synthetic phantom.")
        show_samples(samples, runs)
    elif run is not None:
        panels.show_study(chosen.study, beside)
        reading = caches.reading(chosen.study, run)
        panels.show_verdict(reading)
        label, name = panels.pick_map(run)
        result = caches.explanation(reading, label, chosen.mask)
        panels.show_maps(result, name, style)
        panels.show_branches(result, style)
        panels.show_numbers(result)
        offer_downloads(result, name, style)
        panels.show_details(result)
