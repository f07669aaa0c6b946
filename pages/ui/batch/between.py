"""The runs of a batch against each other: how often they agree, and every image by two probabilities."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from models.evaluation.intervals import wilson
from pages.ui.batch import table, triage, words
from pages.ui.batch.columns import Results
from pages.ui.batch.opening import open_row, openable
from pages.ui.comparing.figures import Points, scatter_figure
from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.plain_text import amount, plain

if TYPE_CHECKING:
    from pages.ui.batch.places import BatchPlace

FIRST, SECOND = "one", "other"
# A browser draws this many without a pause; of more images, those that are called alike are thinned out.
DRAWN, LISTED = 2000, 50
_CHART = "batch_scatter"


def show(place: BatchPlace, results: Results) -> None:
    """A table of all pairs where there are several, and one pair as a scatter with the images that differ."""
    pairs = list(combinations([run.id for run in results.runs], 2))
    if len(pairs) > 1:
        st.dataframe(
            [_pair_row(results, *pair) for pair in pairs], hide_index=True, alt="How often two runs agree"
        )
    first, second = _ask_pair(results)
    one, other = results.answers(first), results.answers(second)
    both = np.flatnonzero(one.scored & other.scored)
    if not len(both):
        st.info("No image was scored by both runs.")
        return
    differ = both[one.positive[both] != other.positive[both]]
    st.markdown(said(results, first, second))
    with st.grid("auto", min_column_width=400, gap="medium"):
        with st.container():
            _scatter(place, results, (first, second), both, differ)
        with st.container():
            _list(place, results, (first, second), differ)


def _ask_pair(results: Results) -> tuple[str, str]:
    ids = [run.id for run in results.runs]
    if len(ids) == 2:
        return ids[0], ids[1]
    for key in (FIRST, SECOND):
        if st.session_state.get(key) not in (None, *ids):
            del st.session_state[key]
    with st.container(horizontal=True):
        first = st.selectbox("First", ids, key=FIRST, bind="query-params", filter_mode=None, width=260)
        others = [one for one in ids if one != first]
        if st.session_state.get(SECOND, others[0]) not in others:
            del st.session_state[SECOND]
        second = st.selectbox("Second", others, key=SECOND, bind="query-params", filter_mode=None, width=260)
    return first, second


def alike(results: Results, first: str, second: str) -> tuple[int, int]:
    """How many images both call the same, and how many both scored."""
    one, other = results.answers(first), results.answers(second)
    both = one.scored & other.scored
    return int((both & (one.positive == other.positive)).sum()), int(both.sum())


def said(results: Results, first: str, second: str) -> str:
    """How far two runs agree, in a sentence (Markdown)."""
    hits, n = alike(results, first, second)
    low, high = wilson(hits / n, n)
    one, other = results.answers(first), results.answers(second)
    both = one.scored & other.scored
    alone, also = (
        int((both & one.positive & ~other.positive).sum()),
        int((both & ~one.positive & other.positive).sum()),
    )
    return (
        f"**{hits:,} of {amount(n, 'image')} are called alike** ({words.percent(hits / n)}, 95 % interval "
        f"{words.span(low, high)}). {plain(first)} alone calls {alone:,} "
        f"{plain(one.run.positive)}, {plain(second)} alone {also:,} {plain(other.run.positive)}."
    )


def _pair_row(results: Results, first: str, second: str) -> dict[str, str]:
    hits, n = alike(results, first, second)
    one, other = results.answers(first), results.answers(second)
    both = one.scored & other.scored
    row = {"First": first, "Second": second, "Images": f"{n:,}"}
    if not n:
        return row | {"Called alike": "-"}
    low, high = wilson(hits / n, n)
    apart = float(np.median(np.abs(one.chance[both] - other.chance[both])))
    return row | {
        "Called alike": f"{words.percent(hits / n)} ({words.span(low, high)})",
        "Median difference of probability": f"{apart:.3f}",
    }


def _scatter(
    place: BatchPlace, results: Results, pair: tuple[str, str], both: np.ndarray, differ: np.ndarray
) -> None:
    one, other = (results.answers(run_id) for run_id in pair)
    colours, positive = palette(), one.positive
    agree = np.setdiff1d(both, differ)
    parts = [
        (
            f"alike, {one.run.positive}",
            thinned(agree[positive[agree]], DRAWN // 2),
            colours.muted,
            "diamond",
            True,
        ),
        ("alike, not", thinned(agree[~positive[agree]], DRAWN // 2), colours.muted, "circle", True),
        (f"{pair[0]} alone", thinned(differ[positive[differ]], DRAWN), colours.above, "square", False),
        (f"{pair[1]} alone", thinned(differ[~positive[differ]], DRAWN), colours.below, "square", False),
    ]
    points = [
        Points(name, one.chance[at], other.chance[at], at, colour, symbol, faint)
        for name, at, colour, symbol, faint in parts
    ]
    titles = tuple(f"probability of {answers.run.positive}, {answers.run.id}" for answers in (one, other))
    thresholds = tuple(
        answers.run.threshold if len(answers.run.classes) == 2 else None for answers in (one, other)
    )
    chosen = st.plotly_chart(
        scatter_figure(points, titles, thresholds, None, colours), theme=None,
        key=f"{_CHART}_{st.session_state.get(table.CLICKS, 0)}", on_select="rerun", selection_mode="points",
        config=chart_config("runs-of-a-batch"), alt="Every image by the probabilities of two runs",
    )  # fmt: skip
    drawn = sum(len(part.x) for part in points)
    told = ["Dotted: the runs' operating points."]
    told += ["A click on a mark opens it in Inspect."] if openable(place, pair[0]) else []
    if drawn < len(both):
        told.append(f"{drawn:,} of {len(both):,} images are drawn, evenly chosen.")
    st.caption(" ".join(told))
    marks = chosen["selection"]["points"]
    if marks and (at := marks[0].get("customdata")) is not None:
        table.clicked()
        open_row(place, results, pair[0], int(np.ravel(at)[0]))


def thinned(places: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of them, evenly chosen."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(int)]


def _list(place: BatchPlace, results: Results, pair: tuple[str, str], differ: np.ndarray) -> None:
    """The images that the two call differently, the furthest apart first."""
    if not len(differ):
        st.caption("They call every image alike.")
        return
    one, other = (results.answers(run_id).chance for run_id in pair)
    furthest = differ[np.argsort(-np.abs(one[differ] - other[differ]), kind="stable")][:LISTED]
    more = "" if len(differ) <= LISTED else f", the {LISTED} furthest apart"
    st.markdown(f"**{amount(len(differ), 'image')} called differently**{more}")
    look = triage.Look(pair[0])
    table.show(place, results, look, furthest, runs=pair, height=430, name="differ")


__all__ = ["alike", "said", "show", "thinned"]
