"""For whom the run is good: the same metrics in every subgroup of a column of cases.csv."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.evaluation.evidence import Evidence
from models.evaluation.subgroups import LEAST_CASES, WORDS, Subgroup
from models.evaluation.subgroups import METRICS as MEASURED
from models.evaluation.subgroups import subgroups as subgroups_of
from models.runs.cases import COLUMNS
from pages.ui import caches
from pages.ui.evaluation import figures, words
from pages.ui.evaluation.figures import Estimate, chart_config
from pages.ui.evaluation.view import View, values_of
from pages.ui.palette import palette
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_table

METRICS = {WORDS[name] if name in ("auc", "ppv") else name: name for name in MEASURED}


def show(view: View, evidence: Evidence, threshold: float | None) -> None:
    """Ask for a column and a metric; a forest plot of the subgroups, and their table."""
    columns = caches.case_columns(view.run)
    if not columns:
        known = ", ".join(name for name in COLUMNS if name != "label")
        st.info(
            "Nothing but the labels is known of these cases. An imported table is also read for subgroups "
            f"where it has one of the columns {known}."
        )
        return
    apart = [name for name, values in columns.items() if len(set(values[evidence.rows])) > 1]
    if not apart:
        st.info(f"These cases are all alike in what is known of them: {', '.join(map(plain, columns))}.")
        return
    label = view.label or evidence.positive
    at = evidence.threshold if threshold is None else threshold
    which, metric = st.columns([1, 1], gap="medium")
    names = sorted(apart, key=lambda name: _worth(name, columns[name][evidence.rows]))
    column = which.selectbox("Subgroups by", names, key="subgroups", bind="query-params", filter_mode=None)
    chosen = METRICS[
        metric.segmented_control(
            "Metric", list(METRICS), default="AUC", required=True, key="metric", bind="query-params"
        )
    ]
    found = subgroups_of(
        evidence.predictions, columns[column][evidence.rows], column, positive=label, threshold=at
    )
    for group in found:
        if group.below:
            st.warning(plain(group.below), icon=":material/trending_down:")
    _forest(view, evidence, found, chosen, label, at)
    _table(view, found, column)
    st.caption(
        f"{plain(label)} against the rest, at {at:.3f}. A subgroup is called clearly below where a test at "
        "the 5 % level, shared over all subgroups and metrics of the column, finds it below all other cases. "
        "Nothing flagged is no proof of fairness: small groups show little."
    )


def _worth(name: str, values: np.ndarray) -> int:
    """Which columns come first: those of two large enough groups at least; the label last, which says
    the class in other words."""
    if name == "label":
        return 2
    _, sizes = np.unique(values[values != ""], return_counts=True)
    numbers = isinstance(offer := values_of(values), tuple) and not isinstance(offer[0], str)
    return int(not numbers and np.sum(sizes >= LEAST_CASES) < 2)


def _forest(
    view: View, evidence: Evidence, found: tuple[Subgroup, ...], metric: str, label: str, at: float
) -> None:
    whole = subgroups_of(evidence.predictions, [""] * len(evidence), "all", positive=label, threshold=at)[
        0
    ].metrics[metric]
    rows = [
        Estimate(
            f"{group.value} (n = {group.n:,})", group.metrics[metric]["value"], group.metrics[metric]["low"],
            group.metrics[metric]["high"], bool(group.below and WORDS[metric] in group.below),
            str(group.metrics[metric].get("why", "")),
        )
        for group in found
    ]  # fmt: skip
    st.plotly_chart(
        figures.forest_figure(rows, whole["value"], words.NAMES[metric], palette()), theme=None,
        key="forest", config=chart_config(f"{view.run.id}-subgroups"),
        alt=f"{words.NAMES[metric]} of each subgroup with its 95 % interval",
    )  # fmt: skip


def _table(view: View, found: tuple[Subgroup, ...], column: str) -> None:
    rows = [
        {
            "Subgroup": plain(group.value),
            "Cases": f"{group.n:,}",
            "Positive": f"{group.positives:,}",
            **{words.NAMES[name]: words.metric(group.metrics[name]) for name in MEASURED},
        }
        for group in found
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="Metrics of each subgroup")
    whys = [f"{plain(group.value)}: {why}" for group in found for why in words.why(group.metrics)]
    if whys:
        st.caption("  \n".join(whys))
    ends = ("value", "low", "high")
    offer_table(
        ["subgroup", "cases", "positive", *(f"{name} {end}" for name in MEASURED for end in ends), "below"],
        [
            [group.value, group.n, group.positives,
             *(group.metrics[name][end] for name in MEASURED for end in ends), group.below]
            for group in found
        ],
        f"{view.run.id}-{column}",
    )  # fmt: skip
