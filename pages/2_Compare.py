"""Compare: one study through many runs, two runs against each other, all runs side by side."""

import streamlit as st

from pages.ui import caches, state
from pages.ui.comparing import board, pair, study
from pages.ui.frame import page_frame

VIEWS = ("One study", "Two runs", "Leaderboard")

with page_frame("Compare") as beside:
    state.take_wishes()
    runs = caches.runs().runs
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if view == VIEWS[0]:
        study.show(runs, beside)
    elif view == VIEWS[1]:
        pair.show(runs)
    else:
        board.show(runs)
