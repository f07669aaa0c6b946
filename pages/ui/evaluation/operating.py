"""The operating point: the confusion matrix, its meaning at a prevalence, and whether to act on it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.errors import BadInput
from models.evaluation.calls import Calls, calls, shares
from models.evaluation.decision import DecisionCurve, decision_curve
from models.evaluation.evidence import Evidence
from models.evaluation.metrics import Metric
from models.evaluation.screening import Screening, at_prevalence
from pages.ui.evaluation import cases, figures, matrix, words
from pages.ui.evaluation.figures import Axes, Band, Line, chart_config
from pages.ui.evaluation.threshold import prevalence
from pages.ui.evaluation.view import View
from pages.ui.palette import Palette, palette

#: With more cases a band is thinner than its line, and its resamples take a second.
BANDED = 20_000
CELLS = ("Counts", "By true class", "By called class")


def show(view: View, evidence: Evidence, threshold: float | None) -> None:
    found = calls(evidence, threshold, view.label)
    left, right = st.columns([5, 6], gap="large")
    with left:
        _matrix(view, found)
    metrics = shares(evidence, found)
    if view.label is None:
        with right:
            _each_class(found, metrics["accuracy"])
        return
    with right:
        _meaning(view, evidence, metrics)
    left, right = st.columns([5, 6], gap="large")
    with left:
        _histogram(view, evidence, threshold)
    with right:
        _decision(view, evidence, threshold)


def _matrix(view: View, found: Calls) -> None:
    shown_as = st.segmented_control(
        "Confusion matrix", CELLS, default=CELLS[0], required=True, key="cells", bind="query-params"
    )
    counts = np.array(found.counts)
    shown = counts.astype(float)
    with np.errstate(invalid="ignore"):
        if shown_as == CELLS[1]:
            shown = counts / counts.sum(axis=1, keepdims=True)
        elif shown_as == CELLS[2]:
            shown = counts / counts.sum(axis=0, keepdims=True)
    st.plotly_chart(
        matrix.confusion_figure(counts, shown, found.classes, palette(), as_counts=shown_as == CELLS[0]),
        theme=None, key=matrix.CHART, config=chart_config(f"{view.run.id}-confusion"),
        on_select=cases.open_cell, selection_mode="points",
        alt="Confusion matrix, rows true classes, columns called ones: " + str(counts.tolist()),
    )  # fmt: skip
    st.caption("Click a cell to see its cases.")


def _each_class(found: Calls, accuracy: Metric) -> None:
    """What the matrix of several classes says of each."""
    counts = np.array(found.counts)
    st.markdown(f"**Accuracy** {words.metric(accuracy)}")
    with np.errstate(invalid="ignore"):
        recall = np.diag(counts) / counts.sum(axis=1)
        precision = np.diag(counts) / counts.sum(axis=0)
    rows = [
        {
            "Class": words.name(name),
            "Sensitivity (recall)": words.share(recall[k]),
            "PPV (precision)": words.share(precision[k]),
            "Cases": f"{counts[k].sum():,}",
        }
        for k, name in enumerate(found.classes)
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="Sensitivity and PPV of each class")
    st.caption("With intervals, and averaged over the classes, under Metrics.")


def _meaning(view: View, evidence: Evidence, metrics: dict[str, Metric]) -> None:
    """Sensitivity and specificity, and what they come to at the prevalence typed."""
    share = prevalence()
    try:
        screening = at_prevalence(metrics["sensitivity"], metrics["specificity"], share)
    except BadInput as refusal:
        screening = None
        st.caption(str(refusal))
    ranking = evidence.ranking(view.label)
    here = f"In these cases ({ranking.positives / ranking.n:.0%} {words.name(view.label)})"
    there = f"At {1000 * share:g} per 1,000"
    auc = evidence.auc(view.label)
    area = words.metric(auc)
    rows = [{"": words.NAMES["auc"], here: area, there: area}]
    for name in ("sensitivity", "specificity", "ppv", "npv"):
        at_place = metrics[name] if name.endswith("ity") else screening and getattr(screening, name)
        rows.append(
            {
                "": words.NAMES[name],
                here: words.metric(metrics[name]),
                there: words.metric(at_place, 3) if at_place and name.endswith("pv") else
                words.metric(metrics[name]),
            }
        )  # fmt: skip
    st.table(rows, border="horizontal", hide_index=True, alt="Sensitivity, specificity, PPV and NPV")
    if screening is not None:
        _per_thousand(view, screening)
    for sentence in words.why({"auc": auc} | metrics):
        st.caption(sentence)


def _per_thousand(view: View, screening: Screening) -> None:
    women = words.women(view)
    st.markdown(f"**Of 1,000 {women}**")
    for column, (name, found, digits) in zip(
        st.columns(4),
        (
            ("Recalled", screening.recalls, 0),
            ("False alarms", screening.false_alarms, 0),
            ("Found", screening.found, 1),
            ("Missed", screening.misses, 1),
        ),
        strict=True,
    ):
        value = words.NONE if found["value"] is None else f"{found['value']:.{digits}f}"
        interval = (
            "" if found["value"] is None else f"{found['low']:.{digits}f} to {found['high']:.{digits}f}"
        )
        column.metric(name, value)
        column.caption(interval)
    if view.unit == "image" and women == "women":
        st.caption(
            "Each image is counted as a woman. Score by patient, where that is offered, to count women."
        )


def _histogram(view: View, evidence: Evidence, threshold: float) -> None:
    st.markdown("**Scores**")
    found = evidence.histogram(view.label)
    rest = f"other than {view.label}"
    if evidence.binary:
        rest = next(name for name in evidence.classes if name != view.label)
    st.plotly_chart(
        figures.histogram_figure(
            found.edges, found.positive, found.negative, (view.label, rest), threshold, palette()
        ),
        theme=None, key="histogram", config=chart_config(f"{view.run.id}-scores"),
        alt=f"Histogram of the probability of {view.label}, by true class, with the threshold",
    )  # fmt: skip
    st.caption("Right of the dotted line a case is called positive.")


def _decision(view: View, evidence: Evidence, threshold: float) -> None:
    st.markdown("**Decision curve**")
    banded = len(evidence) <= BANDED
    try:
        bands = evidence.bands(view.label) if banded else None
        curve = decision_curve(evidence.ranking(view.label), bands=bands)
    except BadInput as refusal:
        st.caption(str(refusal))
        return
    st.plotly_chart(
        decision_figure(curve, threshold, banded, palette()), theme=None, key="decision",
        config=chart_config(f"{view.run.id}-decision"),
        alt="Net benefit by threshold probability, of the run, of recalling everybody and nobody",
    )  # fmt: skip
    st.caption(
        "Net benefit: found cancers a case, less false alarms weighted by the threshold, at these cases' own "
        "prevalence. A run is worth acting on where it lies above both other lines."
        + ("" if banded else f" No band is drawn above {BANDED:,} cases.")
    )


def decision_figure(curve: DecisionCurve, threshold: float, banded: bool, colours: Palette):
    """The run against recalling everybody and nobody."""
    top = max(float(np.nanmax(curve.model)), curve.prevalence, 1e-3)
    axes = Axes("threshold", "net benefit", (0, 1), (-0.25 * top, 1.15 * top), legend="top right", height=300)
    band = Band(curve.thresholds, curve.low, curve.high) if banded else None
    nobody = np.zeros(len(curve.thresholds))
    lines = [
        Line("this run", curve.thresholds, curve.model, colours.above, band),
        Line("everybody", curve.thresholds, curve.everyone, colours.below, dash="dash"),
        Line("nobody", curve.thresholds, nobody, colours.muted, dash="dot"),
    ]
    return figures.line_figure(lines, axes, colours, at=threshold)
