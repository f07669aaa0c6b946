"""Evaluate: how good a run is, at which threshold, for whom, and which cases it gets wrong."""

import streamlit as st

from pages.ui import caches
from pages.ui.evaluation.asking import ask
from pages.ui.evaluation.page import show_evaluation
from pages.ui.frame import guarded, page_frame

with page_frame("Evaluate") as beside:
    view = None
    with st.sidebar, guarded():
        view = ask(caches.runs().runs)
    if view is not None:
        show_evaluation(view, beside)
