"""Trust: where a run's heatmaps point, over its cases; two runs against each other; an audit now; a tour."""

import streamlit as st

from pages.ui import caches
from pages.ui.frame import page_frame
from pages.ui.trust import demand, page, pair, tour

VIEWS = {"One run": page.show, "Two runs": pair.show, "Audit now": demand.show, "Tour": tour.show}

with page_frame("Trust") as beside:
    view = st.segmented_control(
        "View", list(VIEWS), default="One run", required=True, key="view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    VIEWS[view](caches.runs().runs, beside)
