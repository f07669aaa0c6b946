"""Do the maps find the lesions: the headline beside maps that know no model, every case, and by size."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.plain_text import amount, plain
from pages.ui.reporting import offer_table
from pages.ui.trust import figures, opening, words
from pages.ui.trust.audited import BASELINES, FEW, Audited, Look, graded, in_size
from xai.audit import SIZES
from xai.audit.table import MeasureTable

SPLIT = "by"
BY_SIZE, BY_CLASS, TOGETHER = "lesion size", "class", "together"
_CHART = "trust_strip"


def show(audit: Audited, look: Look) -> None:
    """The headline, the distribution and the tables."""
    drawn, told = st.columns([5.6, 4.4], gap="large", vertical_alignment="center")
    with drawn:
        _headline(audit, look)
    with told:
        _said(audit, look)
    _distribution(audit, look)
    _tables(audit, look)


def headline_rows(audit: Audited, look: Look) -> list[figures.Against]:
    """The measures of the headline beside the baselines'."""
    found = audit.figures(look)
    beside = {name: audit.baseline(look, name) for name in BASELINES}
    return [
        figures.Against(
            words.name_of(measure), found[measure],
            {name: known[measure]["value"] for name, known in beside.items() if measure in known},
        )
        for measure in audit.measures
        if measure in words.MEASURES and measure in found
    ]  # fmt: skip


def _headline(audit: Audited, look: Look) -> None:
    rows = headline_rows(audit, look)
    said = "; ".join(f"{row.name} {words.metric(row.found)}" for row in rows)
    st.plotly_chart(
        figures.against_figure(rows, palette(), words.map_name(look.map, audit.run.branches).lower()),
        theme=None, key="against", config=chart_config(f"{audit.run.id}-audit"), alt=said,
    )  # fmt: skip


def _said(audit: Audited, look: Look) -> None:
    found, n = audit.figures(look), len(audit.cases(look))
    st.markdown(
        f"{amount(n, 'case')} of **{plain(look.label)}** with the lesion outlined; the map of that class."
    )
    for measure in ("pointing", "iou"):
        over = audit.over(look, "centre", measure)
        st.markdown(
            f"{words.name_of(measure)} {words.bold_value(words.metric(found[measure]))}  \n"
            + (f":small[{words.against_centre(over)}]" if over else "")
        )
    ceiling = audit.baseline(look, "ceiling")
    if ceiling and ceiling["iou"]["value"]:
        share = found["iou"]["value"] / ceiling["iou"]["value"]
        st.markdown(
            f":small[A map of this grid that knew the outline would reach IoU "
            f"{ceiling['iou']['value']:.2f}; this one has {share:.0%} of that.]"
        )
    if n < FEW:
        st.caption(f"{amount(n, 'case')} are few: read the intervals, not the values.")
    if look.label != audit.run.positive:
        st.caption(f"The maps explain {plain(look.label)}, which is not the finding the run looks for.")
    for sentence in words.why({name: found[name] for name in words.HEADLINE if name in found}):
        st.caption(sentence)


def _distribution(audit: Audited, look: Look) -> None:
    cases = audit.cases(look)
    name = words.name_of(look.measure)
    head, asked = st.columns([5, 5], vertical_alignment="bottom")
    head.subheader(f"{name}, case by case", anchor=False)
    with asked:
        options = [BY_SIZE, BY_CLASS, TOGETHER] if len(audit.labels) > 1 else [BY_SIZE, TOGETHER]
        split = st.segmented_control(
            "Cases by", options, default=BY_SIZE, required=True, key=SPLIT, bind="query-params",
            label_visibility="collapsed", width="stretch",
        )  # fmt: skip
    strips = [strip for strip in _strips(audit, look, cases, split) if len(strip.values)]
    if not strips:
        st.info(f"{name} was not measured on these cases.")
        return
    st.plotly_chart(
        figures.strip_figure(strips, name, palette()), theme=None, key=_CHART, selection_mode="points",
        on_select=lambda: opening.take_point(_CHART, audit), config=chart_config(f"{audit.run.id}-cases"),
        alt="; ".join(f"{strip.name}: mean {words.metric(strip.mean)}" for strip in strips),
    )  # fmt: skip
    if audit.openable:
        st.caption("Each mark is a case; a click opens it in the tab Cases.")


def _strips(audit: Audited, look: Look, cases: MeasureTable, split: str) -> list[figures.Strip]:
    if split == BY_CLASS:
        looks = [Look(look.method, look.map, label, look.measure) for label in audit.labels]
        return [_strip(audit, each, audit.cases(each), each.label, None) for each in looks]
    if split == TOGETHER:
        return [_strip(audit, look, cases, look.label, None)]
    return [
        _strip(audit, look, cases.take(in_size(cases, name)), words.SIZES.get(name, name), name)
        for name, _, _ in SIZES
    ]


def _strip(audit: Audited, look: Look, cases: MeasureTable, name: str, size: str | None) -> figures.Strip:
    values = graded(cases, look.measure)
    known = np.isfinite(values)
    cases, values = cases.take(known), values[known]
    rows = np.array([-1 if (row := audit.row(case)) is None else row for case in cases.case_ids.tolist()])
    said = [
        f"{words.name_of(look.measure)} {value:.2f}, {look.label} {p:.2f}, lesion {share:.1%} of the image"
        for value, p, share in zip(values, cases.probabilities, cases.lesion_shares, strict=True)
    ]
    mean = audit.figures(look, size).get(look.measure) if len(values) else {"value": None}
    hits = np.nan_to_num(cases.measures["pointing"]) > 0
    return figures.Strip(name, values, rows, hits, mean, said)


def _tables(audit: Audited, look: Look) -> None:
    st.subheader("By lesion size and class", anchor=False)
    shown = [name for name in audit.measures if name in words.MEASURES]
    rows = table_rows(audit, look)
    st.dataframe(
        [
            {"Cases": name, "n": f"{n:,}"}
            | {words.name_of(m): words.metric(found[m]) if m in found else words.NONE for m in shown}
            for name, n, found in rows
        ],
        hide_index=True, height="content", alt="Measures by lesion size and class",
        column_config={
            "Cases": st.column_config.TextColumn(width=225, pinned=True),
            "n": st.column_config.TextColumn(width=45),
        },
    )  # fmt: skip
    ends = ("value", "low", "high")
    offer_table(
        ["cases", "n", *(f"{name} {end}" for name in shown for end in ends)],
        lambda: [
            [name, n, *(found.get(m, {}).get(end) for m in shown for end in ends)] for name, n, found in rows
        ],
        f"{audit.run.id}-audit-figures",
    )  # fmt: skip


def table_rows(audit: Audited, look: Look) -> list[tuple[str, int, dict]]:
    """(name, cases, figures): the class looked at, its lesion sizes, the other classes, and the baselines."""
    cases = audit.cases(look)
    rows = [(look.label, len(cases), audit.figures(look))]
    rows += [
        (words.SIZES.get(name, name), int(in_size(cases, name).sum()), audit.figures(look, name))
        for name, _, _ in SIZES
    ]
    for label in audit.labels:
        if label != look.label:
            other = Look(look.method, look.map, label, look.measure)
            rows.append((label, len(audit.cases(other)), audit.figures(other)))
    for name in BASELINES:
        if beside := audit.baseline(look, name):
            rows.append((words.MAPS[name], len(audit.beside(look, name)), beside))
    return rows
