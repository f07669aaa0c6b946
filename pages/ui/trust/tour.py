"""View."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.runs import Run


def show(runs: Sequence[Run], beside: DeltaGenerator) -> None:
    st.write("soon")
