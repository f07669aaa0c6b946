"""Confidence against localisation, and the cases themselves: the worst first, each to open in Inspect."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.data.at_hand import DATA_VARIABLE, images_at_hand
from pages.ui import caches, trust_caches
from pages.ui.comparing.figures import Points, scatter_figure
from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.plain_text import amount, plain
from pages.ui.reporting import offer_table
from pages.ui.trust import opening, words
from pages.ui.trust.audited import Audited, Look, graded
from pages.ui.trust.methods_at_hand import from_one_pass
from xai.audit.table import MeasureTable

ORDER, PAGE = "order", "page"
SURE, WORST, BEST = "Sure, but elsewhere", "Worst maps", "Best maps"
ORDERS = (SURE, WORST, BEST)
ABREAST, PICTURES = 4, 8
_CHART = "trust_scatter"


def show(audit: Audited, look: Look) -> None:
    """The scatter with the open case beside it, and the gallery below."""
    cases = audit.cases(look)
    cases = cases.take(np.isfinite(cases.measures[look.measure]))
    if not len(cases):
        st.info(f"{words.name_of(look.measure)} was not measured on these cases.")
        return
    drawn, told = st.columns([5.4, 4.6], gap="medium")
    chosen = opening.opened(audit)
    with drawn:
        _scatter(audit, look, cases, chosen)
    with told:
        _said(audit, look, cases)
        if chosen is not None:
            _one(audit, look, chosen)
    _gallery(audit, look, cases)


def in_order(cases: MeasureTable, measure: str, order: str) -> np.ndarray:
    """int [n]: the cases in the order asked for.

    Sure, but elsewhere: by the probability of the true class times how far the measure is from 1, so that a
    case comes first that is called rightly and surely for a place that is not the lesion.
    """
    values = graded(cases, measure)
    if order == SURE:
        return np.argsort(-cases.probabilities * (1 - values), kind="stable")
    return np.argsort(values if order == WORST else -values, kind="stable")


def _scatter(audit: Audited, look: Look, cases: MeasureTable, chosen: int | None) -> None:
    colours, values = palette(), graded(cases, look.measure)
    hits = np.nan_to_num(cases.measures["pointing"]) > 0
    rows = np.array([-1 if (row := audit.row(case)) is None else row for case in cases.case_ids.tolist()])
    points = [
        Points(name, cases.probabilities[own], values[own], rows[own], colour, symbol)
        for name, own, colour, symbol in (
            ("peak on the lesion", hits, colours.below, "circle"),
            ("peak elsewhere", ~hits, colours.above, "x-thin-open"),
        )
    ]
    place = np.flatnonzero(rows == chosen) if chosen is not None else []
    at = (float(cases.probabilities[place[0]]), float(values[place[0]])) if len(place) else None
    figure = scatter_figure(
        points, (f"probability of {look.label}, which the case is", words.name_of(look.measure)),
        (_threshold(audit, look), None), at, colours,
    )  # fmt: skip
    st.plotly_chart(
        figure, theme=None, key=_CHART, on_select=lambda: opening.take_point(_CHART, audit),
        selection_mode="points", config=chart_config(f"{audit.run.id}-confidence"),
        alt=f"Every case by the probability of {look.label} and {words.name_of(look.measure)}",
    )  # fmt: skip


def _threshold(audit: Audited, look: Look) -> float | None:
    """The operating point where the page is about the class that it calls."""
    positive = len(audit.run.classes) == 2 and look.label == audit.run.positive
    return audit.run.operating_point.threshold if positive else None


def _said(audit: Audited, look: Look, cases: MeasureTable) -> None:
    """Whether being sure goes with looking at the lesion, in plain words."""
    from xai.measures.agreement import mean_ranks

    values = graded(cases, look.measure)
    sure = cases.probabilities >= 0.5
    off = np.nan_to_num(cases.measures["pointing"]) == 0
    st.markdown(
        f"Of {amount(int(sure.sum()), 'case')} given at least 0.5 for {plain(look.label)}, "
        f"**{int((sure & off).sum()):,}** have the map's peak beside the lesion: a right answer, but the map "
        "does not point to the finding."
    )
    if len(cases) > 3 and np.ptp(values) > 0 and np.ptp(cases.probabilities) > 0:
        rank = np.corrcoef(mean_ranks(cases.probabilities), mean_ranks(values))[0, 1]
        st.markdown(f"Rank correlation of confidence and {words.name_of(look.measure)}: **{rank:+.2f}**.")
        st.caption(
            "At 0, how sure the verdict is would say nothing of whether the heatmap lies on the lesion; with "
            f"{len(cases):,} cases it is known only roughly."
        )
    if (threshold := _threshold(audit, look)) is not None:
        st.caption(f"Dotted line: the run's operating point, {threshold:.3f}.")
    if audit.openable:
        st.caption("Click a mark to open its case.")


def _one(audit: Audited, look: Look, row: int) -> None:
    """The case that the address names."""
    at = next((i for i, case in enumerate(audit.table.case_ids.tolist()) if audit.row(case) == row), None)
    if at is None:
        return
    own = audit.table.of(look.method, look.map, str(audit.table.labels[at]))
    place = np.flatnonzero(own.case_ids == audit.table.case_ids[at])
    if not len(place):
        return
    with st.container(border=True):
        shown, told = st.columns([4, 6], vertical_alignment="top")
        with shown:
            _picture(audit, look, own, int(place[0]))
        with told:
            _facts(audit, own, int(place[0]), row)


def _facts(audit: Audited, cases: MeasureTable, at: int, row: int) -> None:
    lines = [
        f"**Case {row}**, {plain(cases.labels[at])} {cases.probabilities[at]:.3f}, lesion "
        f"{cases.lesion_shares[at]:.1%} of the image"
    ]
    lines += [
        f"{words.name_of(name)} {words.of_a_case(name, value)}"
        for name in audit.measures
        if name in words.HEADLINE and np.isfinite(value := float(cases.measures[name][at]))
    ]
    st.markdown("  \n".join(lines))
    if cases.cautions[at]:
        st.caption(f"Warned of: {plain(cases.cautions[at])}")
    opening.inspect_link(audit.run, row)


def _gallery(audit: Audited, look: Look, cases: MeasureTable) -> None:
    head, asked = st.columns([4, 6], vertical_alignment="bottom")
    head.subheader("The cases", anchor=False)
    with asked:
        order = st.segmented_control(
            "Order", ORDERS, default=SURE, required=True, key=ORDER, bind="query-params",
            label_visibility="collapsed", width="stretch",
        )  # fmt: skip
    places = in_order(cases, look.measure, order)
    pages = -(-len(places) // PICTURES)
    page = min(pages, st.pagination(pages, key=PAGE, bind="query-params")) if pages > 1 else 1
    shown = places[(page - 1) * PICTURES : page * PICTURES]
    at_hand = images_at_hand(audit.run)
    with st.spinner("Drawing the maps"):
        for start in range(0, len(shown), ABREAST):
            for column, at in zip(
                st.columns(ABREAST, gap="medium"), shown[start : start + ABREAST], strict=False
            ):
                with column:
                    _card(audit, look, cases, int(at))
    with st.container(horizontal=True, vertical_alignment="center"):
        offer_table(*case_rows(audit, look), f"{audit.run.id}-audited-cases", f"All {len(cases):,} (CSV)")
        if not at_hand and not audit.files:
            st.caption(
                f"The images are not on this computer: put the folder of {plain(audit.run.card.data.name)} "
                f"into the folder that {DATA_VARIABLE} names, and they are shown here."
            )


def _card(audit: Audited, look: Look, cases: MeasureTable, at: int) -> None:
    row = audit.row(str(cases.case_ids[at]))
    shown = _picture(audit, look, cases, at)
    value, hit = graded(cases, look.measure)[at], cases.measures["pointing"][at] > 0
    st.markdown(
        f"{words.name_of(look.measure)} **{value:.2f}**, {words.peak(hit, str(cases.cautions[at]))}"
        f"  \n:small[:gray[{plain(look.label)} {cases.probabilities[at]:.3f}, lesion "
        f"{cases.lesion_shares[at]:.1%} of the image]]"
    )
    if row is not None and shown and audit.run.has_weights:
        opening.inspect_link(audit.run, row)
    elif row is not None:
        st.caption(f"Case {row}")


def _picture(audit: Audited, look: Look, cases: MeasureTable, at: int) -> bool:
    """The case with its map where one pass gives it, else as it is; False where there is no image."""
    case, label = str(cases.case_ids[at]), str(cases.labels[at])
    row, own, card = audit.row(case), audit.files.get(case), None
    if audit.run.has_weights and from_one_pass(look.method):
        which = label, look.method, look.map
        if own is not None and own.mask_file is not None:
            card = trust_caches.file_card(audit.run, own.file, own.mask_file, *which)
        elif row is not None:
            card = trust_caches.case_card(audit.run, row, *which)
    picture = card or (None if row is None else caches.case_thumbnail(audit.run, row))
    if picture is not None:
        what = f"with the evidence for {label} and the lesion's outline" if card else f"of {label}"
        name = "Case" if row is None else f"Case {row}"
        st.image(picture.png, width="stretch", alt=f"{name} {what}")
    return picture is not None


def case_rows(audit: Audited, look: Look) -> tuple[list[str], list[list[object]]]:
    """The cases looked at as a table: columns, and a row a case."""
    cases = audit.cases(look)
    measures = list(cases.measures)
    columns = ["row", "case", "label", "probability", "lesion_share", *measures, "cautions"]
    rows = [
        [audit.row(case), case, str(cases.labels[i]), float(cases.probabilities[i]),
         float(cases.lesion_shares[i]), *(_cell(cases.measures[name][i]) for name in measures),
         str(cases.cautions[i])]
        for i, case in enumerate(cases.case_ids.tolist())
    ]  # fmt: skip
    return columns, rows


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
