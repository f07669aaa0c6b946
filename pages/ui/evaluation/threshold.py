"""The threshold: one slider, and rules that set it. The slider's value alone counts, in the address too."""

from __future__ import annotations

import streamlit as st

from models.errors import BadInput
from models.evaluation import OperatingPoint
from models.evaluation.evidence import Evidence
from models.evaluation.operating_points import least_cost
from pages.ui.evaluation import words
from pages.ui.evaluation.view import View
from pages.ui.plain_text import plain

THRESHOLD = "threshold"
PREVALENCE = "prevalence"
#: Cancers found per 1,000 women screened in Europe and North America are about 5 to 8.
USUAL_PREVALENCE = 6.0
_OF = "threshold_of"


def ask_threshold(view: View, evidence: Evidence) -> float | None:
    """Ask for the threshold on the class looked at; None where all classes are, since none is used then."""
    if view.label is None:
        st.caption("The most probable class is called. Choose a class at the left to look at its threshold.")
        return None
    points = evidence.points(view.label)
    default = next(iter(points.values())).threshold if points else evidence.threshold
    _start_anew(view, default)
    slider, rules, prevalence = st.columns([9, 13, 5], gap="medium", vertical_alignment="bottom")
    with slider:
        threshold = st.slider(
            f"Called {words.name(view.label)} from this probability on", 0.0, 1.0, default, 0.001, "%.3f",
            key=THRESHOLD, bind="query-params",
        )  # fmt: skip
    with prevalence:
        _ask_prevalence(view)
    with rules:
        _rules(view, evidence, points, threshold)
    return threshold


def _ask_prevalence(view: View) -> None:
    """Ask how common the class is where the run would be used."""
    st.number_input(
        f"{words.name(view.label)} per 1,000 {words.women(view)}", 0.1, 999.0, USUAL_PREVALENCE, 1.0,
        "%g", key=PREVALENCE, bind="query-params",
        help="How common it is where the run would be used. Test sets hold far more cancers than a screening "
        "population, and PPV and NPV hang on it: about 6 per 1,000 women in screening, more in a clinic.",
    )  # fmt: skip


def prevalence() -> float:
    """The prevalence asked for, 0..1."""
    return float(st.session_state.get(PREVALENCE, USUAL_PREVALENCE)) / 1000


def _start_anew(view: View, default: float) -> None:
    """Another run or class begins at its own threshold; an address that names one comes before that."""
    context = view.run.id, view.label
    if st.session_state.get(_OF, context) != context:
        st.session_state[THRESHOLD] = default
    st.session_state[_OF] = context


def _rules(view: View, evidence: Evidence, points: dict[str, OperatingPoint], threshold: float) -> None:
    with st.container(horizontal=True, gap="small"):
        for name, point in points.items():
            if name not in words.POINTS and point == points.get("run"):
                continue  # the run's own, again under its name
            _rule_button(words.POINTS.get(name, plain(name)), f"rule {name}", point, threshold)
        with st.popover("Least cost", help="The threshold at which misses and needless recalls cost least."):
            _least_cost(view, evidence, threshold)
    flattered = [point for point in points.values() if point.on == evidence.part != "validation"]
    if flattered and evidence.choosing is None:
        st.caption("Rules choose on the cases shown, for want of validation cases: their figures flatter.")


def _rule_button(label: str, key: str, point: OperatingPoint, threshold: float) -> None:
    where = "" if point.on == "nothing" else f", chosen on {plain(point.on)} cases"
    st.button(
        f"{label} **{point.threshold:.3f}**", key=key, on_click=_set, args=(point.threshold,),
        type="primary" if point.threshold == threshold else "secondary",
        help=f"{plain(point.rule).capitalize()}{where}.",
    )  # fmt: skip


def _least_cost(view: View, evidence: Evidence, threshold: float) -> None:
    miss = st.number_input("Price of a miss", 0.0, 1e6, 100.0, 10.0, "%g", key="miss", bind="query-params")
    recall = st.number_input(
        "Price of a needless recall", 0.0, 1e6, 1.0, 1.0, "%g", key="recall", bind="query-params"
    )
    cases = evidence.predictions if evidence.choosing is None else evidence.choosing
    k = cases.classes.index(view.label)
    try:
        point = least_cost(
            cases.labels == k, cases.probabilities[:, k], miss, recall, prevalence=prevalence()
        )
    except BadInput as refusal:
        st.caption(str(refusal))
        return
    _rule_button("Take", "rule least_cost", point, threshold)
    st.caption(f"At the prevalence typed at the right, {1000 * prevalence():g} per 1,000.")


def _set(threshold: float) -> None:
    st.session_state[THRESHOLD] = threshold
