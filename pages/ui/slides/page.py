"""A whole slide: tissue, tiles, the probability of each, and the heatmap of any one of them."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def show_slides(beside: DeltaGenerator) -> None:
    """The whole view. beside: the place beside the page's title."""
    st.write("A whole slide is scored tile by tile.")
