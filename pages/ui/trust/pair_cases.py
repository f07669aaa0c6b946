"""The cases that two audits share: both values, the furthest apart as pictures, whether the maps agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from models.data.at_hand import images_at_hand
from pages.ui import state, trust_caches
from pages.ui.comparing.figures import Points, scatter_figure
from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.plain_text import plain
from pages.ui.trust import opening, words
from pages.ui.trust.audited import JOINT, graded

if TYPE_CHECKING:
    from pages.ui.trust.pair import PairAudit

COLUMNS = ("case", "label", "first", "second", "difference", "first peak on the lesion",
           "second peak on the lesion")  # fmt: skip
SHOWN, COMPARED = 4, 24
AGREE = "agree"
_CHART = "trust_pair_scatter"


def show(pair: PairAudit) -> None:
    """The scatter, the open case, the cases that differ most, and the agreement of the maps."""
    name = words.name_of(pair.look.measure)
    st.subheader(f"{name}, case by case", anchor=False)
    drawn, told = st.columns([5, 5], gap="medium")
    chosen = _opened(pair)
    with drawn:
        _scatter(pair, name, chosen)
    with told:
        if chosen is None:
            st.markdown("**Furthest apart**")
            for i in furthest(pair)[:2]:
                _case(pair, int(i))
            st.caption("Click a mark to open its case here.")
        else:
            _case(pair, chosen)
    _agreement(pair)


def furthest(pair: PairAudit) -> np.ndarray:
    """int [n]: the shared cases, those whose measure differs most first."""
    less = graded(pair.one, pair.look.measure) - graded(pair.other, pair.look.measure)
    return np.argsort(-np.nan_to_num(np.abs(less)), kind="stable")


def table(pair: PairAudit) -> list[list[object]]:
    """A row a shared case, in the columns of COLUMNS, furthest apart first."""
    one, other = graded(pair.one, pair.look.measure), graded(pair.other, pair.look.measure)
    hits = _hits(pair)
    return [
        [str(pair.one.case_ids[i]), str(pair.one.labels[i]), float(one[i]), float(other[i]),
         float(one[i] - other[i]), bool(hits[0][i]), bool(hits[1][i])]
        for i in furthest(pair)
    ]  # fmt: skip


def _hits(pair: PairAudit) -> tuple[np.ndarray, np.ndarray]:
    one, other = (np.nan_to_num(t.measures["pointing"]) > 0 for t in (pair.one, pair.other))
    return one, other


def _scatter(pair: PairAudit, name: str, chosen: int | None) -> None:
    colours, (one, other) = palette(), _hits(pair)
    x, y = graded(pair.one, pair.look.measure), graded(pair.other, pair.look.measure)
    kinds = (
        ("both peaks on the lesion", one & other, colours.below, "circle"),
        (f"{pair.runs[0].id} alone", one & ~other, colours.text, "triangle-right"),
        (f"{pair.runs[1].id} alone", ~one & other, colours.text, "triangle-up"),
        ("neither", ~one & ~other, colours.above, "x-thin-open"),
    )
    points = [
        Points(kind, x[own], y[own], np.flatnonzero(own), colour, symbol)
        for kind, own, colour, symbol in kinds
    ]
    at = None if chosen is None else (float(x[chosen]), float(y[chosen]))
    titles = tuple(f"{name}, {run.id}" for run in pair.runs)
    figure = scatter_figure(points, titles, (None, None), at, colours)
    figure.add_shape(
        type="line", x0=0, x1=1, y0=0, y1=1, layer="below",
        line={"color": colours.line, "width": 1.2, "dash": "dash"},
    )  # fmt: skip
    st.plotly_chart(
        figure, theme=None, key=_CHART, on_select=lambda: _take_point(pair), selection_mode="points",
        config=chart_config("audited-cases"), alt=f"Every shared case by both runs' {name}",
    )  # fmt: skip


def _take_point(pair: PairAudit) -> None:
    points = st.session_state[_CHART]["selection"]["points"]
    if points and (index := points[0].get("customdata")) is not None:
        row = pair.first.row(str(pair.one.case_ids[int(np.ravel(index)[0])]))
        if row is not None:
            st.query_params[state.CASE] = str(row)
            st.query_params[state.OF] = pair.runs[0].id


def _opened(pair: PairAudit) -> int | None:
    """The shared case that the address names; None where it names none of these."""
    row, of = st.query_params.get(state.CASE, ""), st.query_params.get(state.OF)
    if of != pair.runs[0].id or not (row.isascii() and row.isdecimal() and len(row) < 10):
        return None
    return next((i for i, c in enumerate(pair.one.case_ids.tolist()) if pair.first.row(c) == int(row)), None)


def _case(pair: PairAudit, i: int) -> None:
    """Both runs' maps of one case beside each other."""
    case, hits = str(pair.one.case_ids[i]), _hits(pair)
    with st.container(border=True):
        sides = zip((pair.first, pair.second), (pair.one, pair.other), hits, st.columns(2), strict=True)
        for audit, table_of, hit, column in sides:
            row = audit.row(case)
            with column:
                picture = None
                if row is not None:
                    picture = trust_caches.case_card(audit.run, row, pair.look.label, pair.look.method, JOINT)
                if picture is not None:
                    st.image(picture.png, width="stretch", alt=f"{audit.run.id}, case {row}")
                value = graded(table_of, pair.look.measure)[i]
                cautions = str(table_of.cautions[i])
                st.markdown(
                    f"{plain(audit.run.id)}  \n:small[{words.name_of(pair.look.measure)} **{value:.2f}**, "
                    f"{words.peak(bool(hit[i]), cautions)}]"
                )
                if picture is not None:
                    opening.inspect_link(audit.run, row, "Inspect")


def _agreement(pair: PairAudit) -> None:
    """Whether the two runs' maps speak for the same places, image by image; made when it is asked for."""
    st.subheader("Do the two runs look at the same places?", anchor=False)
    st.caption(
        "Runs of one recipe from two seeds should; a run trained on shuffled labels should not, or the map "
        "shows the image and not what was learnt (Adebayo et al. 2018)."
    )
    if not all(run.has_weights and images_at_hand(run) for run in pair.runs):
        st.caption("It takes the weights of both runs and the images of their cases, which are not all here.")
        return
    n = min(COMPARED, len(pair.one))
    if not st.toggle(f"Compare the maps of {n} cases", key=AGREE, bind="query-params"):
        return
    with st.spinner("Asking both runs"):
        found = trust_caches.map_agreement(*pair.runs, pair.look.label, pair.look.method, _rows(pair, n))
    if not found:
        st.info("None of these cases has a map in both runs to compare.")
        return
    ranks = np.array([one.rank for one in found if one.rank is not None])
    overlaps = np.array([one.overlap for one in found if one.overlap is not None])
    st.markdown(
        f"Over {len(found)} cases: rank correlation of all places **{ranks.mean():+.2f}** (from "
        f"{ranks.min():+.2f} to {ranks.max():+.2f}), overlap of the hottest tenth "
        f"**{overlaps.mean():.0%}**; two tenths chosen blindly share 5 %."
    )


def _rows(pair: PairAudit, n: int) -> tuple[int, ...]:
    """Rows in the first run's predictions of `n` shared cases, evenly through the list."""
    places = np.unique(np.linspace(0, len(pair.one) - 1, n).round().astype(int))
    rows = (pair.first.row(case) for case in pair.one.case_ids[places].tolist())
    return tuple(row for row in rows if row is not None)
