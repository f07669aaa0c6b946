"""Training: how a run came about; its learning curves, recipe, cost and notebook."""

import streamlit as st

from pages.ui import caches, pickers
from pages.ui.frame import guarded, page_frame
from pages.ui.training import choices, showing

with page_frame("Training"):
    runs = caches.runs().runs
    run, others = None, []
    with st.sidebar, guarded():
        run = pickers.pick_run(runs, weights=False)
        others = choices.pick_others(run, runs)
    if run is not None:
        showing.show_view(choices.pick_view(), run, others)
