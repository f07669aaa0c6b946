"""The cases behind the numbers: errors first, as pictures where the data is at hand, to open in Inspect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from models.data.at_hand import DATA_VARIABLE, images_at_hand
from models.evaluation.calls import ORDERS, Calls, calls
from models.evaluation.evidence import Evidence
from pages.ui import caches, state
from pages.ui.evaluation import matrix
from pages.ui.evaluation.view import View
from pages.ui.gallery import INSPECT
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_table

TAB = "Cases"
TABS, ORDER, TRUTH, CALLED, PAGE = "tab", "order", "truth", "called", "page"
ANY = "any"
FORMS = ("Pictures", "Numbers")
PICTURES, ROWS = 12, 50


def open_cell() -> None:
    """A click on a cell of the confusion matrix shows its cases."""
    points = st.session_state[matrix.CHART].selection.points
    if points:
        truth, called = points[0]["customdata"]
        st.session_state.update({TRUTH: truth, CALLED: called, TABS: TAB, PAGE: 1})


def prepare() -> None:
    """Make the choices of this tab known while it is closed: else a click on the matrix would not put them
    into the address."""
    for key in (TRUTH, CALLED):
        st.session_state.setdefault(key, ANY)


def show(view: View, evidence: Evidence, threshold: float | None) -> None:
    found = calls(evidence, threshold, view.label)
    at_hand = images_at_hand(view.run)
    places, form = _ask(found, at_hand)
    _one(view, evidence, found)
    if not len(places):
        st.info("No case is like that: every verdict here is right, or choose another cell.")
        return
    size = PICTURES if form == FORMS[0] else ROWS
    pages = -(-len(places) // size)
    page = 1
    if pages > 1:
        page = min(pages, st.pagination(pages, key=PAGE, bind="query-params"))
    shown = places[(page - 1) * size : page * size]
    if form == FORMS[0]:
        _pictures(view, evidence, found, shown)
    else:
        _numbers(view, evidence, found, shown, at_hand)
    with st.container(horizontal=True, vertical_alignment="center"):
        offer_table(
            _columns(evidence, caches.case_columns(view.run)),
            lambda: _rows(view, evidence, found, places),
            f"{view.run.id}-cases",
            f"All {len(places):,} as a table (CSV)",
        )
        if not at_hand:
            st.caption(_where_images_are(view))


def _where_images_are(view: View) -> str:
    data = view.run.card.data
    if not data.manifest_digest:
        return "This run came as a table of scores, without images: there is nothing to open in Inspect."
    return (
        f"The images are not on this computer: put the folder of {plain(data.name)} into the folder that "
        f"{plain(DATA_VARIABLE)} names, and they are shown here."
    )


def _ask(found: Calls, at_hand: bool) -> tuple[np.ndarray, str]:
    """Which cases in which order, and how they are shown."""
    order, truth, called, form = st.columns([5, 2.2, 2.2, 2.6], gap="small", vertical_alignment="bottom")
    with order:
        chosen = st.segmented_control(
            "Order", ORDERS, default=ORDERS[0], required=True, key=ORDER, bind="query-params",
            help="Missed first: of the positive class and called otherwise, the surest first, then the other "
            "errors. Most uncertain: nearest to another verdict, right ones too.",
        )  # fmt: skip
    cell = []
    for place, name, key in ((truth, "Truly", TRUTH), (called, "Called", CALLED)):
        asked = place.selectbox(
            name, [ANY, *found.classes], key=key, bind="query-params", filter_mode=None,
            on_change=_first_page,
        )  # fmt: skip
        cell.append(asked)
    shown = FORMS[1]
    if at_hand:
        with form:
            shown = st.segmented_control(
                "Shown as", FORMS, default=FORMS[0], required=True, key="shown", bind="query-params"
            )
    places = found.ordered(chosen, *(None if name == ANY else name for name in cell))
    what = "cases" if ANY not in cell or chosen == ORDERS[2] else "wrong verdicts"
    st.caption(f"{len(places):,} {what} of {len(found.truth):,}")
    return places, shown


def _one(view: View, evidence: Evidence, found: Calls) -> None:
    """The case that the address names, if it does."""
    state.follow_row()
    with st.popover("Find a case", icon=":material/search:"):
        row = st.number_input(
            "Row of the run's predictions, from 0", 0, value=None, step=1, key=state.ROW,
            help="The address holds this number, never a name. 0 is the first case of predictions.csv.",
        )  # fmt: skip
    state.write_address(state.CASE, None if row is None else str(row))
    if row is None:
        return
    place = np.flatnonzero(evidence.rows == row)
    if not len(place):
        st.info(f"Case {row} is not among the cases shown: choose another part, unit or filter at the left.")
        return
    with st.container(border=True):
        _pictures(view, evidence, found, place)


def _pictures(view: View, evidence: Evidence, found: Calls, places: Sequence[int]) -> None:
    with st.grid("auto", min_column_width=170, gap="medium"):
        for place in places:
            with st.container(gap="xsmall"):
                _card(view, evidence, found, int(place))


def _card(view: View, evidence: Evidence, found: Calls, place: int) -> None:
    row = int(evidence.rows[place])
    picture = caches.case_thumbnail(view.run, row)
    truth, called = (found.classes[kind[place]] for kind in (found.truth, found.called))
    if picture is not None:
        st.image(picture.png, width="stretch", alt=f"Case {row}, truly {truth}, called {called}")
    wrong = truth != called
    st.markdown(
        f"**{plain(truth)}**, called {':red' if wrong else ':green'}[{plain(called)}]  \n"
        f":small[:gray[{_scores(view, evidence, place)}]]"
    )
    if picture is not None:
        st.page_link(
            INSPECT, label=f"Inspect case {row}", icon=":material/center_focus_strong:",
            query_params={state.RUN: view.run.id, state.CASE: str(row)},
        )  # fmt: skip
    else:
        st.caption(f"Case {row}: no image at hand")


def _scores(view: View, evidence: Evidence, place: int) -> str:
    p = evidence.predictions.probabilities[place]
    if view.label is not None:
        return f"{plain(view.label)} {p[evidence.classes.index(view.label)]:.3f}"
    return ", ".join(f"{plain(name)} {p[k]:.2f}" for k, name in enumerate(evidence.classes))


def _numbers(view: View, evidence: Evidence, found: Calls, places: np.ndarray, at_hand: bool) -> None:
    import pandas as pd

    columns = _columns(evidence, caches.case_columns(view.run))
    table = pd.DataFrame(_rows(view, evidence, found, places), columns=columns)
    config = {
        f"p {name}": st.column_config.ProgressColumn(
            f"p {name}", min_value=0, max_value=1, format="%.3f", color="primary"
        )
        for name in evidence.classes
    }
    if at_hand:
        links = [f"Inspect?run={view.run.id}&case={row}" for row in table["row"]]
        table.insert(1, "Inspect", links)
        config["Inspect"] = st.column_config.LinkColumn("Inspect", display_text="open")
    st.dataframe(table, hide_index=True, column_config=config, alt="Cases of this cell and order")


def _columns(evidence: Evidence, columns: dict[str, np.ndarray]) -> list[str]:
    return ["row", "case", "truly", "called", *(f"p {name}" for name in evidence.classes), *columns]


def _rows(view: View, evidence: Evidence, found: Calls, places: np.ndarray) -> list[list]:
    """A row a case, in the order of `_columns`."""
    rows, taken = evidence.rows[places], evidence.predictions
    columns = caches.case_columns(view.run)
    parts = [
        rows.tolist(),
        taken.case_ids[places].tolist(),
        [found.classes[k] for k in found.truth[places]],
        [found.classes[k] for k in found.called[places]],
        *taken.probabilities[places].T.tolist(),
        *(column[rows].tolist() for column in columns.values()),
    ]
    return [list(row) for row in zip(*parts, strict=True)]


def _first_page() -> None:
    st.session_state[PAGE] = 1
