"""The sidebar of Evaluate: which run, which of its cases, and which class.

Every answer is in the address, as it is written on the page: no option has another name for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from models.errors import BadInput
from models.runs import Run
from pages.ui import caches, pickers
from pages.ui.evaluation.view import Filter, View, values_of
from pages.ui.plain_text import plain

ALL_CLASSES = "all classes"
UNIT_HELP = (
    "A breast or patient has the highest probability of its images, and is positive if any of its images is. "
    "Offered where the run's predictions tell patients and sides apart."
)


def ask(runs: Sequence[Run]) -> View:
    """Ask for a view of a run. BadInput where the run has nothing that could be evaluated."""
    run = pickers.pick_run(runs, weights=False)
    parts = caches.parts(run)
    if not parts:
        raise BadInput(
            f"No case of {run.id} has a label, so nothing can be said of its verdicts: import predictions "
            "again with a column of labels, or choose another run."
        )
    part = st.segmented_control(
        "Cases", list(parts), default=next(iter(parts)), required=True, key="part", bind="query-params",
        width="stretch",
        help="Test cases took no part in the training. Thresholds were chosen on validation cases.",
    )  # fmt: skip
    units = caches.units(run)
    unit = units[0]
    if len(units) > 1:
        unit = st.segmented_control(
            "Score by", units, default=units[0], required=True, key="unit", bind="query-params",
            width="stretch", help=UNIT_HELP,
        )  # fmt: skip
    label = run.positive if len(run.classes) == 2 else _ask_class(run)
    return View(run, part, unit, label, _ask_filters(caches.case_columns(run)))


def _ask_class(run: Run) -> str | None:
    """None for all classes together."""
    chosen = st.selectbox(
        "Class", [ALL_CLASSES, *run.classes], key="class", bind="query-params", filter_mode=None,
        help="All classes: the most probable one is called. One class: against all others, with a threshold.",
    )  # fmt: skip
    return None if chosen == ALL_CLASSES else chosen


def _ask_filters(columns: Mapping[str, np.ndarray]) -> tuple[Filter, ...]:
    offered = {name: offer for name, column in columns.items() if (offer := values_of(column)) is not None}
    if not offered:
        return ()
    with st.expander("Filters", icon=":material/filter_alt:"):
        asked = [_ask_filter(name, offer) for name, offer in offered.items()]
    filters = tuple(one for one in asked if one is not None)
    if filters:
        st.caption(f"Filtered by {', '.join(plain(one.said) for one in filters)}.")
    return filters


def _ask_filter(column: str, offer: tuple) -> Filter | None:
    key, name = f"is_{column}", column.replace("_", " ")
    if isinstance(offer[0], str):
        chosen = st.multiselect(
            name, offer, key=key, bind="query-params", placeholder="any", filter_mode=None
        )
        return Filter(column, tuple(chosen)) if chosen else None
    span = st.slider(name, *offer, offer, key=key, bind="query-params", format="%.3g")
    return Filter(column, span=span) if span != offer else None
