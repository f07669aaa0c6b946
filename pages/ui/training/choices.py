"""What the Training page asks, with every answer in the address.

The address holds what a widget shows, so runs are offered by their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from models.runs import Run
from pages.ui.comparing.choices import refuse_unknown
from pages.ui.samples import by_use
from pages.ui.training.curves import USUAL, Trained, measures
from pages.ui.training.figures import TITLES

VIEWS = ("Curves", "Recipe", "Cost", "Notebook")
#: Not "view", which is what Compare calls its own: an address keeps the name, whatever page it is of.
VIEW = "show"
OTHERS = "with"
#: As many colours as a figure can tell apart, the chosen run's own among them.
MOST_OTHERS = 6
LOGARITHMIC = (TITLES["loss"], TITLES["learning_rate"])


@dataclass(frozen=True)
class CurveStyle:
    """How the curves are drawn."""

    measures: tuple[str, ...]
    smoothing: float
    logarithmic: tuple[str, ...]


def pick_view() -> str:
    """Which part of the page."""
    return st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key=VIEW, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip


def pick_others(run: Run, runs: Sequence[Run]) -> list[Run]:
    """Runs to lay beside the chosen one; those of its modality come first."""
    others = [other for other in by_use(runs) if other != run]
    others.sort(key=lambda other: other.modality != run.modality)
    by_id = {other.id: other for other in others}
    refuse_unknown(OTHERS, {*by_id, run.id})
    chosen = st.multiselect(
        "Beside it", list(by_id), key=OTHERS, max_selections=MOST_OTHERS, bind="query-params",
        persist_state="page", filter_mode="contains",
        placeholder="Other runs",
        help="Their curves are laid over, the first one's recipe is compared, and all costs are listed.",
    )  # fmt: skip
    return [by_id[id] for id in chosen if id in by_id]


def pick_style(found: Sequence[Trained]) -> CurveStyle:
    """Which measures, how smooth, and which axes logarithmic."""
    by_title = {TITLES.get(name, name): name for name in measures(found)}
    usual = [title for title, name in by_title.items() if name in USUAL] or list(by_title)[:4]
    chosen = st.multiselect(
        "Curves", list(by_title), usual, key="curves", bind="query-params", persist_state="page",
        filter_mode=None,
    )  # fmt: skip
    smoothing = st.slider(
        "Smoothing", 0.0, 0.95, 0.0, 0.05, key="smooth", bind="query-params", persist_state="page",
        help="Moving average as TensorBoard draws it; the figures as logged stay behind it. The best epoch "
        "and the remarks are always those of the figures as logged.",
    )  # fmt: skip
    scales = st.pills(
        "Logarithmic axes", LOGARITHMIC, selection_mode="multi", key="log", bind="query-params",
        persist_state="page",
    )  # fmt: skip
    return CurveStyle(
        tuple(name for title, name in by_title.items() if title in chosen),
        smoothing,
        tuple(by_title[title] for title in scales if title in by_title),
    )
