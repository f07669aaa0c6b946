"""The cases that two runs share, by both probabilities; those they call differently, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from models.evaluation.paired import Shared
from models.runs import Run
from pages.ui import caches, state
from pages.ui.comparing import figures
from pages.ui.comparing.figures import Points
from pages.ui.evaluation.figures import chart_config
from pages.ui.gallery import INSPECT
from pages.ui.palette import palette
from pages.ui.plain_text import plain

if TYPE_CHECKING:
    from pages.ui.comparing.pair import Pair

EVALUATE = "pages/4_Evaluate.py"
COLUMNS = ("case", "label", "first probability", "first calls", "second probability", "second calls", "right")
# A browser draws this many without a pause; of more cases, those that are called alike are thinned out.
DRAWN, LISTED = 1500, 200
_CHART, _TABLE = "pair_scatter", "pair_cases"


def show(pair: Pair) -> None:
    """The scatter, the list of cases that are called differently, and the case that is open."""
    differ = pair.paired.differing
    st.subheader("Case by case", anchor=False)
    drawn, listed = st.columns([5.2, 4.8], gap="medium")
    chosen = _opened(pair)
    with drawn:
        _scatter(pair, differ, chosen)
    with listed:
        if not len(differ):
            st.caption("The two runs call every shared case alike.")
        else:
            _list(pair, differ)
        if chosen is not None:
            _case(pair, chosen)


def drawn_cases(shared: Shared, differ: np.ndarray, most: int = DRAWN) -> np.ndarray:
    """The cases to draw, int [k <= most]: those that differ first, then others evenly through the list."""
    alike = np.setdiff1d(np.arange(len(shared)), differ)
    room = max(0, most - len(differ))
    if len(alike) > room:
        alike = alike[np.linspace(0, len(alike) - 1, room).round().astype(int)] if room else alike[:0]
    return np.concatenate([differ[:most], alike])


def table(pair: Pair, most: int | None = None) -> list[list[object]]:
    """A row a case that the runs call differently, in the columns of COLUMNS."""
    shared, differ = pair.paired.shared, pair.paired.differing[:most]
    one, other = pair.paired.positive_scores
    return [
        [
            str(shared.case_ids[i]), shared.classes[shared.labels[i]], float(one[i]),
            shared.classes[shared.first_called[i]], float(other[i]), shared.classes[shared.second_called[i]],
            _right(pair, i),
        ]
        for i in differ
    ]  # fmt: skip


def _scatter(pair: Pair, differ: np.ndarray, chosen: int | None) -> None:
    shared, colours = pair.paired.shared, palette()
    one, other = pair.paired.positive_scores
    kept = drawn_cases(shared, differ)
    first, second = shared.first_called == shared.labels, shared.second_called == shared.labels
    alike = shared.first_called == shared.second_called
    parts = [
        (f"alike, {_is(shared)}", alike & (shared.labels == _at(shared)), colours.muted, "diamond", True),
        (f"alike, not {_is(shared)}", alike & (shared.labels != _at(shared)), colours.muted, "circle", True),
        (f"{pair.first.id} alone right", first & ~second, colours.above, "square", False),
        (f"{pair.second.id} alone right", second & ~first, colours.below, "square", False),
        ("differ, both wrong", ~alike & ~first & ~second, colours.text, "x", False),
    ]
    points = []
    for name, which, colour, symbol, faint in parts:
        own = kept[which[kept]]
        points.append(Points(name, one[own], other[own], own, colour, symbol, faint))
    thresholds = tuple(None if pair.paired.several else run.operating_point.threshold for run in pair.runs)
    figure = figures.scatter_figure(
        points, tuple(f"probability of {shared.positive}, {run.id}" for run in pair.runs), thresholds,
        None if chosen is None else (float(one[chosen]), float(other[chosen])), colours,
    )  # fmt: skip
    st.plotly_chart(
        figure, theme=None, key=_CHART, on_select=lambda: _take_point(pair), selection_mode="points",
        config=chart_config("cases"), alt="Every shared case by both runs' probabilities",
    )  # fmt: skip
    if len(kept) < len(shared):
        st.caption(
            f"{len(kept):,} of {len(shared):,} cases are drawn: those that differ, and others evenly chosen."
        )


def _list(pair: Pair, differ: np.ndarray) -> None:
    listed = min(len(differ), LISTED)
    more = "" if listed == len(differ) else f", the {listed} furthest apart"
    st.markdown(f"**{len(differ):,} cases called differently**{more}")
    rows = table(pair, LISTED)
    st.dataframe(
        [
            {
                "Case": case, "Label": label, pair.first.id: p, f"{pair.second.id} ": q, "Right": right,
                "First calls": called, "Second calls": also,
            }
            for case, label, p, called, q, also, right in rows
        ],
        column_config=dict.fromkeys(
            (pair.first.id, f"{pair.second.id} "), st.column_config.NumberColumn(format="%.3f")
        ),
        hide_index=True, height="content" if listed <= 8 else 318, key=_TABLE,
        on_select=lambda: _take_row(pair), selection_mode="single-row",
        alt="Cases that the runs call differently",
    )  # fmt: skip
    if _opened(pair) is None:
        st.caption("Click a row, or a point of the figure, to open its case.")


def _case(pair: Pair, i: int) -> None:
    shared = pair.paired.shared
    rows = (int(shared.first_rows[i]), int(shared.second_rows[i]))
    picture = caches.case_thumbnail(pair.first, rows[0]) or caches.case_thumbnail(pair.second, rows[1])
    with st.container(border=True):
        shown, told = st.columns([3, 7]) if picture else (None, st.container())
        if picture:
            shown.image(picture.png, width="stretch", alt="The case's image")
        with told:
            st.markdown(
                f"**Case {plain(shared.case_ids[i])}**, label **{plain(shared.classes[shared.labels[i]])}**"
            )
            called_by = shared.first_called, shared.second_called
            for run, scores, called in zip(pair.runs, pair.paired.positive_scores, called_by, strict=True):
                st.markdown(
                    f"{plain(run.id)}: {plain(shared.positive)} {scores[i]:.3f}, "
                    f"calls {plain(shared.classes[called[i]])}"
                )
            if picture is None:
                st.caption("Its image is not at hand.")
            with st.container(horizontal=True):
                for run, row in zip(pair.runs, rows, strict=True):
                    _open_button(run, row, picture is not None)


def _open_button(run: Run, row: int, at_hand: bool) -> None:
    """To Inspect where there is something to see, else to the case among the run's results."""
    inspected = at_hand and run.has_weights
    page, words = (INSPECT, "Inspect") if inspected else (EVALUATE, "Evaluate")
    if st.button(f"{words} with {run.id}", key=f"open case {run.id}"):
        case = {state.RUN: run.id, state.CASE: str(row)}
        st.switch_page(page, query_params=case | ({state.OF: run.id} if inspected else {}))


def _take_point(pair: Pair) -> None:
    points = st.session_state[_CHART]["selection"]["points"]
    if points and (index := points[0].get("customdata")) is not None:
        _open(pair, int(np.ravel(index)[0]))


def _take_row(pair: Pair) -> None:
    rows = st.session_state[_TABLE]["selection"]["rows"]
    if rows:
        _open(pair, int(pair.paired.differing[rows[0]]))


def _open(pair: Pair, i: int) -> None:
    """Put the case into the address: by its row in the first run's predictions, never by its name."""
    st.query_params[state.CASE] = str(int(pair.paired.shared.first_rows[i]))
    st.query_params[state.OF] = pair.first.id


def _opened(pair: Pair) -> int | None:
    """The shared case that the address names; None where it names none of these."""
    row, of = st.query_params.get(state.CASE, ""), st.query_params.get(state.OF)
    if of != pair.first.id or not (row.isascii() and row.isdecimal() and len(row) < 10):
        return None
    found = np.flatnonzero(pair.paired.shared.first_rows == int(row))
    return int(found[0]) if len(found) else None


def _right(pair: Pair, i: int) -> str:
    shared = pair.paired.shared
    called = (shared.first_called[i], shared.second_called[i])
    right = [run.id for run, label in zip(pair.runs, called, strict=True) if label == shared.labels[i]]
    return right[0] if right else "neither"


def _at(shared: Shared) -> int:
    return shared.classes.index(shared.positive)


def _is(shared: Shared) -> str:
    return shared.positive
