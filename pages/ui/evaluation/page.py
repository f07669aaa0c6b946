"""Evaluate as a whole: the threshold above, and below it one tab a question."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.evaluation.evidence import Evidence
from models.reports import Report
from pages.ui import caches, state
from pages.ui.evaluation import cases, curves, members, metrics, operating, subgroups, words
from pages.ui.evaluation.threshold import ask_threshold, prevalence
from pages.ui.evaluation.view import View
from pages.ui.frame import guarded
from pages.ui.reporting import offer_report, show_model_card

OPERATING, CURVES, METRICS, SUBGROUPS = "Operating point", "Curves", "Metrics", "Subgroups"
RUN = "Report and card"
LEARNT = "The run learnt from these cases: its figures here flatter it."


def show_evaluation(view: View, beside: DeltaGenerator) -> None:
    """What the sidebar chose. BadInput where no labelled case is left."""
    if view.run.card.synthetic:
        beside.badge("Synthetic phantoms", color="violet")
    evidence = caches.evidence(view.run, view.part, view.unit, view.filters)
    beside.caption(words.cases_line(view, evidence), width="content")
    if view.part == "train":
        st.warning(LEARNT)
    _at_a_threshold(view, evidence)


@st.fragment
def _at_a_threshold(view: View, evidence: Evidence) -> None:
    """All that hangs on the threshold: moving it reruns this and nothing else."""
    with guarded():
        threshold = ask_threshold(view, evidence)
        cases.prepare()
        _open_tab_of_a_case()
        names = [OPERATING, CURVES, METRICS, SUBGROUPS, cases.TAB]
        names += [members.NAMES[view.run.members[0].kind]] if view.run.members else []
        for tab, name in zip(
            st.tabs([*names, RUN], key=cases.TABS, bind="query-params"), [*names, RUN], strict=True
        ):
            if tab.open:
                with tab, guarded():
                    _show(name, view, evidence, threshold)


def _show(name: str, view: View, evidence: Evidence, threshold: float | None) -> None:
    if name in members.NAMES.values():
        members.show(view)
    elif name == RUN:
        _show_run(view, evidence, threshold)
    else:
        parts = {
            OPERATING: operating,
            CURVES: curves,
            METRICS: metrics,
            SUBGROUPS: subgroups,
            cases.TAB: cases,
        }
        parts[name].show(view, evidence, threshold)


def _show_run(view: View, evidence: Evidence, threshold: float | None) -> None:
    """What to take home: this view as a report, and the run's model card."""
    st.write(
        "The report holds what this page shows: the cases chosen at the left, the threshold and prevalence "
        "above, every figure and table, and the run. Research use only: not a diagnostic device."
    )
    offer_report(lambda: _report(view, evidence, threshold), f"{view.run.id}-evaluation", "Evaluation (HTML)")
    show_model_card(view.run)


def _report(view: View, evidence: Evidence, threshold: float | None) -> Report:
    from models.reports.evaluation import evaluation_report

    chosen = {one.column: one.chosen for one in view.filters}
    return evaluation_report(view.run, evidence, threshold, prevalence(), label=view.label, filters=chosen)


def _open_tab_of_a_case() -> None:
    """A link that names a case and no tab opens the tab of cases."""
    if cases.TABS in st.session_state or cases.TABS in st.query_params or state.CASE not in st.query_params:
        return
    st.session_state[cases.TABS] = cases.TAB
