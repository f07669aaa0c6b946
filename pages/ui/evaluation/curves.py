"""ROC and precision-recall with their bands, calibration, and how the scores lie."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from models.errors import BadInput
from models.evaluation.curves import RocCurve
from models.evaluation.evidence import Evidence
from models.evaluation.intervals import wilson
from pages.ui.evaluation import figures, words
from pages.ui.evaluation.figures import Axes, Band, Line, Mark, chart_config
from pages.ui.evaluation.view import View
from pages.ui.palette import Palette, palette
from pages.ui.plain_text import short

AT = np.linspace(0, 1, 101)
CHANCE = ((0.0, 0.0), (1.0, 1.0))
MACRO = "mean of the classes"


def show(view: View, evidence: Evidence, threshold: float | None) -> None:
    """ROC beside precision-recall, and reliability beside what calibration comes to."""
    left, right = st.columns(2, gap="large")
    with left:
        area = evidence.auc(view.label)
        st.markdown(f"**ROC** AUC {words.metric(area, 3)}")
        if _chart(view, "roc", lambda: roc_figure(view, evidence, threshold, palette())):
            for sentence in words.why({"auc": area}):
                st.caption(sentence)
    with right:
        label = view.label or evidence.positive
        st.markdown(
            f"**Precision and recall** average precision of {words.name(label)} "
            f"{words.metric(evidence.average_precision(label), 3)}"
        )
        _chart(view, "precision-recall", lambda: pr_figure(view, evidence, threshold, palette()))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Reliability** of the probability of {words.name(label)}")
        _chart(view, "reliability", lambda: calibration_figure(evidence, label, palette()))
    with right:
        _calibration_numbers(evidence)


def roc_figure(view: View, evidence: Evidence, threshold: float | None, colours: Palette) -> go.Figure:
    """One class with its band and operating point; of all classes each, and their mean."""
    axes = Axes("1 - specificity", "sensitivity", reference=CHANCE)
    if view.label is not None:
        ranking = evidence.ranking(view.label)
        line = roc_line(ranking.roc(), view.label, colours.below)
        low, high = evidence.bands(view.label).roc(AT)
        counts = ranking.at(threshold)
        mark = Mark(
            counts.fp / ranking.negatives, counts.tp / ranking.positives, f"threshold {threshold:.3f}"
        )
        line = Line(line.name, line.x, line.y, line.colour, Band(AT, low, high), line.thresholds)
        return figures.line_figure([line], axes, colours, mark=mark)
    lines = []
    for k, name in enumerate(evidence.classes):
        ranking = evidence.ranking(name)
        if ranking.positives and ranking.negatives:
            area = words.metric(ranking.auc()).partition(" ")[0]
            low, high = evidence.bands(name).roc(AT)
            line = roc_line(ranking.roc(), f"{short(name)} {area}", colours.series[k % len(colours.series)])
            lines.append(Line(line.name, line.x, line.y, line.colour, Band(AT, low, high), line.thresholds))
    macro = evidence.macro_roc()
    name = f"{MACRO} {words.metric(evidence.auc()).partition(' ')[0]}"
    lines.append(Line(name, macro.false_positive_rate, macro.sensitivity, colours.text, dash="dash"))
    return figures.line_figure(lines, axes, colours)


def roc_line(curve: RocCurve, name: str, colour: str, faint: bool = False) -> Line:
    """A ROC curve as a line; a curve without thresholds says none under the pointer."""
    known = np.where(np.isinf(curve.thresholds), 1.0, curve.thresholds)
    thresholds = None if np.isnan(known).any() else known
    return Line(name, curve.false_positive_rate, curve.sensitivity, colour, None, thresholds, faint=faint)


def pr_figure(view: View, evidence: Evidence, threshold: float | None, colours: Palette) -> go.Figure:
    """One class with its band, operating point and share of cases; of all classes each."""
    axes = Axes("recall (sensitivity)", "precision (PPV)", legend="bottom left")
    lines, mark = [], None
    names = evidence.classes if view.label is None else (view.label,)
    for k, name in enumerate(names):
        ranking = evidence.ranking(name)
        if not (ranking.positives and ranking.negatives) and view.label is None:
            continue
        curve = ranking.precision_recall()
        colour = colours.below if view.label else colours.series[k % len(colours.series)]
        band = Band(AT, *evidence.bands(name).precision_recall(AT))
        lines.append(Line(short(name), curve.recall, curve.precision, colour, band, curve.thresholds))
    if not lines:
        raise BadInput("Precision and recall need cases of two classes: choose other cases.")
    if view.label is not None:
        ranking = evidence.ranking(view.label)
        counts, share = ranking.at(threshold), ranking.positives / ranking.n
        axes = Axes(axes.x, axes.y, legend=axes.legend, reference=((0.0, share), (1.0, share)))
        if counts.tp + counts.fp:
            precision = counts.tp / (counts.tp + counts.fp)
            mark = Mark(counts.tp / ranking.positives, precision, f"threshold {threshold:.3f}")
    return figures.line_figure(lines, axes, colours, mark=mark)


def calibration_figure(evidence: Evidence, label: str, colours: Palette) -> go.Figure:
    """The filled bins of the reliability diagram, with Wilson's intervals."""
    found = evidence.reliability(label)
    filled = found.counts > 0
    counts, observed = found.counts[filled], found.observed[filled]
    intervals = np.array([wilson(share, n) for share, n in zip(observed, counts, strict=True)])
    axes = Axes("mean probability", "observed share", reference=CHANCE)
    return figures.reliability_figure(found.predicted[filled], observed, counts, intervals, axes, colours)


def _calibration_numbers(evidence: Evidence) -> None:
    st.markdown("**Calibration**")
    rows = [
        {"": "Expected calibration error (10 bins)", "Value (95 % interval)": words.metric(evidence.ece, 3)},
        {"": "Brier score", "Value (95 % interval)": words.metric(evidence.brier, 3)},
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="ECE and Brier score")
    for sentence in words.why({"ece": evidence.ece, "brier": evidence.brier}):
        st.caption(sentence)
    st.caption(
        "Points on the dashed line mean what they say: of the cases given 0.3, three in ten are positive. "
        "Larger points hold more cases. Few cases make the ECE too high: read it as a bound from above. "
        "The Brier score is the mean squared error of the probability"
        + ("." if evidence.binary else ", summed over the classes; the ECE is of the class that is called.")
    )


def _chart(view: View, name: str, draw) -> bool:
    """The figure, or the sentence why it cannot be; whether it could."""
    try:
        figure = draw()
    except BadInput as refusal:
        st.caption(str(refusal))
        return False
    st.plotly_chart(
        figure, theme=None, key=name, config=chart_config(f"{view.run.id}-{name}"), alt=f"{name} curve"
    )
    return True
