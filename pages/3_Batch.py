"""Batch: many studies at once, scored while one watches, looked through and kept; or one whole slide."""

import streamlit as st

from pages.ui.batch import page
from pages.ui.frame import page_frame

with page_frame("Batch") as beside:
    view = st.segmented_control(
        "View", page.VIEWS, default=page.VIEWS[0], required=True, key="view", bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    if view == page.VIEWS[0]:
        page.show_studies(beside)
    else:
        page.show_slides(beside)
