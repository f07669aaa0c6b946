"""Every metric with its interval, by class and overall: what a paper's table of results is made of."""

from __future__ import annotations

import streamlit as st

from models.evaluation.evidence import Evidence
from models.evaluation.metrics import METRICS, Metric
from models.evaluation.verdicts import Verdicts
from pages.ui.evaluation import words
from pages.ui.evaluation.view import View
from pages.ui.reporting import offer_table

COLUMNS = ("Metric", "Value", "Low", "High", "n")


def show(view: View, evidence: Evidence, threshold: float | None) -> None:
    """Overall at the left, by class at the right."""
    verdicts = evidence.at(threshold, view.label)
    metrics = _metrics(view, evidence, verdicts)
    left, right = st.columns([5, 7], gap="large")
    with left:
        st.markdown("**Overall**")
        rows = [
            {
                "Metric": words.NAMES[name],
                "Value (95 % interval)": words.metric(found, 3),
                "n": f"{found['n']:,}",
            }
            for name, found in metrics.items()
        ]
        st.table(rows, border="horizontal", hide_index=True, alt="Metrics with 95 % intervals")
        offer_table(COLUMNS, [_row(name, found) for name, found in metrics.items()], f"{view.run.id}-metrics")
    with right:
        st.markdown("**By class**")
        _by_class(verdicts)
        st.caption(_how(evidence, view))
        for sentence in words.why(metrics):
            st.caption(sentence)


def _metrics(view: View, evidence: Evidence, verdicts: Verdicts) -> dict[str, Metric]:
    """All of METRICS; of one class among several those that speak of it."""
    found = {"auc": evidence.auc(view.label), **verdicts.metrics}
    if evidence.binary or view.label is None:
        found |= {"brier": evidence.brier, "ece": evidence.ece}
    return {name: found[name] for name in METRICS if name in found}


def _by_class(verdicts: Verdicts) -> None:
    rows = [
        {
            "Class": words.name(row.name),
            "Precision": words.metric(row.precision),
            "Recall": words.metric(row.recall),
            "Specificity": words.metric(row.specificity),
            "F1": words.metric(row.f1),
            "Cases": f"{row.n:,}",
        }
        for row in verdicts.report
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="Precision, recall, specificity and F1 by class")


def _how(evidence: Evidence, view: View) -> str:
    grouped = "" if evidence.n_groups == len(evidence) else " Cases that belong together are drawn together."
    means = (
        ""
        if evidence.binary or view.label is not None
        else " With several classes AUC, sensitivity, specificity, PPV and NPV are means of each class "
        "against the rest."
    )
    return (
        "Intervals of shares by Wilson, of the AUC by DeLong, of the rest by 1,000 bootstrap samples."
        + grouped
        + means
    )


def _row(name: str, found: Metric) -> list:
    return [words.NAMES[name], found["value"], found["low"], found["high"], found["n"]]
