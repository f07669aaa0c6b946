"""The viewer's place on the page: draws its figure and remembers where the person has zoomed to."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

from pages.ui.figures import View

CHART = "viewer"
_MEMORY = "viewer_memory"
_remember = st.components.v2.component(
    "lesionlens_view_memory", js=Path(__file__).with_name("view_memory.js").read_text(encoding="utf-8")
)

#: Scroll zooms, dragging pans, a double click shows the whole image again.
_CONFIG = {
    "scrollZoom": True,
    "displaylogo": False,
    "doubleClick": "autosize",
    "modeBarButtonsToRemove": ["toImage", "select2d", "lasso2d", "resetScale2d"],
}


def current_view(study_digest: str) -> View | None:
    """The part of this study that the person last zoomed to; None for the whole image."""
    remembered = st.session_state.get(_MEMORY, {}).get("view") or {}
    view = remembered.get("view") if remembered.get("of") == study_digest else None
    return View(tuple(view["x"]), tuple(view["y"])) if view else None


def show_viewer(figure: go.Figure, study_digest: str, alt: str) -> None:
    """Draw the figure of `figures.viewer_figure`."""
    st.plotly_chart(figure, theme=None, key=CHART, config=_CONFIG, alt=alt)
    _watch(study_digest)


@st.fragment
def _watch(study_digest: str) -> None:
    """A fragment of its own: zooming reruns these two lines and nothing else."""
    _remember(key=_MEMORY, data={"chart": CHART, "of": study_digest}, height=1, on_view_change=lambda: None)
