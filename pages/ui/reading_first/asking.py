"""The widgets of an opinion. They begin empty: a number that is there already draws the reader to it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from models.study import Study
from pages.ui import caches, figures
from pages.ui.palette import palette
from pages.ui.reading_first.log import LEVELS, Opinion
from pages.ui.viewing.controls import as_shown

CHART = "first_look"
_click = st.components.v2.component(
    "lesionlens_place", js=Path(__file__).with_name("place.js").read_text(encoding="utf-8")
)
_CONFIG = {"scrollZoom": True, "displaylogo": False, "displayModeBar": False, "doubleClick": "autosize"}
MEANINGS = "1 no suspicion, 2 little, 3 undecided, 4 strong, 5 certain."


def show_image(study: Study, when: str) -> None:
    """The image alone. A click on it marks the place that the reader means."""
    row, column = (st.session_state.get(_key(when, study, name)) for name in ("row", "column"))
    place = None if row is None or column is None else (row, column)
    picture = caches.original(as_shown(study))
    st.plotly_chart(
        figures.reading_figure(picture, palette(), place), theme=None, key=CHART, config=_CONFIG,
        alt="The image as stored, without anything that the model says",
    )  # fmt: skip
    memory = _key(when, study, "click")

    def take() -> None:
        clicked = (st.session_state.get(memory) or {}).get("place")
        if clicked:
            st.session_state[_key(when, study, "row")] = int(clicked["row"])
            st.session_state[_key(when, study, "column")] = int(clicked["column"])

    size = {"height": study.height, "width": study.width}
    _click(key=memory, data={"chart": CHART, **size}, height=1, on_place_change=take)


def ask_opinion(study: Study, when: str, button: str) -> Opinion | None:
    """The reader's opinion, once they press the button with suspicion and recall answered; else None.

    when: "before" or "after".
    """
    suspicion = st.segmented_control(
        "Suspicion", LEVELS, key=_key(when, study, "suspicion"), width="stretch", help=MEANINGS
    )
    st.caption(MEANINGS)
    recall = st.segmented_control(
        "Recall", ("yes", "no"), key=_key(when, study, "recall"), width="stretch",
        help="Would you call the person back for more?",
    )  # fmt: skip
    place = _ask_place(study, when)
    pressed = st.button(button, key=_key(when, study, "record"), type="primary", width="stretch")
    if not pressed:
        return None
    if suspicion is None or recall is None:
        st.error("Answer both suspicion and recall, then record your opinion.")
        return None
    return Opinion(int(suspicion), recall == "yes", place)


def _ask_place(study: Study, when: str) -> tuple[int, int] | None:
    click = "click on the image or " if when == "before" else ""
    st.caption(f"Where (optional): {click}give the pixel.")
    with st.container(horizontal=True):
        row = st.number_input(
            "Row", 0, study.height - 1, None, 1, key=_key(when, study, "row"), placeholder="from the top"
        )
        column = st.number_input(
            "Column",
            0,
            study.width - 1,
            None,
            1,
            key=_key(when, study, "column"),
            placeholder="from the left",
        )
    return None if row is None or column is None else (int(row), int(column))


def _key(when: str, study: Study, name: str) -> str:
    """A key of its own for every image: the next one begins empty."""
    return f"{when} {name} {study.digest[:12]}"
