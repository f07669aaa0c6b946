"""The folds or seeds of one recipe as one run: each of them, their mean and how far they spread."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

import streamlit as st

from models.errors import BadInput
from models.runs.schema import Interval, Member
from pages.ui import caches
from pages.ui.evaluation import figures, words
from pages.ui.evaluation.curves import CHANCE, roc_line
from pages.ui.evaluation.figures import Axes, Estimate, Line, chart_config
from pages.ui.evaluation.view import View
from pages.ui.palette import Palette, palette
from pages.ui.plain_text import plain
from pages.ui.sentences import figure as said

SHOWN = ("auc", "sensitivity", "specificity", "ppv", "f1", "mcc")
NAMES = {"fold": "Folds", "seed": "Seeds"}


def show(view: View) -> None:
    """Each member's ROC behind the pooled one, their AUCs side by side, and the table with mean and SD."""
    members = view.run.members
    curves, areas = st.columns(2, gap="large")
    with curves:
        st.markdown(f"**ROC** of every {members[0].kind}, pooled in front")
        st.plotly_chart(
            roc_figure(view, members, palette()), theme=None, key="member roc",
            config=chart_config(f"{view.run.id}-members"), alt="ROC curve of every member, and pooled",
        )  # fmt: skip
    with areas:
        st.markdown("**AUC** with 95 % interval; the dotted line is their mean")
        st.plotly_chart(
            auc_figure(members, palette()), theme=None, key="member auc",
            config=chart_config(f"{view.run.id}-spread"), alt="AUC of every member with its interval",
        )  # fmt: skip
    st.table(table(members), border="horizontal", hide_index=True, alt="Metrics of every member")
    kind = members[0].kind
    st.caption(
        "Each fold on its own test cases, at the threshold of its own validation cases. The rest of this "
        "page pools them: every case is scored by the fold that did not learn from it."
        if kind == "fold"
        else "Each seed on its own test cases, at the threshold of its own validation cases. SD: standard "
        "deviation between them, which is what the seed alone changes."
    )


def table(members: Sequence[Member]) -> list[dict[str, str]]:
    """A row a member, then the mean with the standard deviation between them."""
    names = [name for name in SHOWN if any(name in member.metrics for member in members)]
    rows = [
        {
            members[0].kind.capitalize(): plain(member.name),
            "Cases": f"{member.n:,}",
            "Threshold": f"{member.threshold:.3f}",
            **{words.NAMES[name]: said(member.metrics.get(name)) for name in names},
        }
        for member in members
    ]
    spread = {words.NAMES[name]: _spread([member.metrics.get(name) for member in members]) for name in names}
    total = f"{sum(member.n for member in members):,}"
    return [*rows, {members[0].kind.capitalize(): "**Mean (SD)**", "Cases": total, "Threshold": "", **spread}]


def roc_figure(view: View, members: Sequence[Member], colours: Palette):
    """Members that have both classes, faint, behind the pooled curve."""
    label = view.label or view.run.positive
    lines = []
    for member in members:
        try:
            ranking = caches.member_evidence(view.run, member.name).ranking(label)
            lines.append(roc_line(ranking.roc(), member.name, colours.below, faint=True))
        except BadInput:
            continue
    try:
        ranking = caches.evidence(view.run, "test").ranking(label)
        pooled = roc_line(ranking.roc(), "pooled", colours.above)
        lines.append(Line(pooled.name, pooled.x, pooled.y, pooled.colour, None, pooled.thresholds))
    except BadInput:
        pass
    return figures.line_figure(lines, Axes("1 - specificity", "sensitivity", reference=CHANCE), colours)


def auc_figure(members: Sequence[Member], colours: Palette):
    """A row a member."""
    rows, values = [], []
    for member in members:
        found = member.metrics.get("auc")
        if found is None or found.value is None:
            rows.append(Estimate(member.name, None, why=(found and found.why) or "not measured"))
        else:
            rows.append(Estimate(member.name, found.value, found.low, found.high))
            values.append(found.value)
    return figures.forest_figure(rows, mean(values) if values else None, "AUC", colours)


def _spread(found: Sequence[Interval | None]) -> str:
    values = [one.value for one in found if one is not None and one.value is not None]
    if not values:
        return words.NONE
    return f"**{mean(values):.3f}**" + (f" (SD {stdev(values):.3f})" if len(values) > 1 else "")
