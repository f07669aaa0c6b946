"""One run's audit: what the sidebar asks, and one tab a question."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.reports import Report
from models.runs import Run
from pages.ui import pickers, state, trust_caches
from pages.ui.frame import guarded
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_report, show_model_card
from pages.ui.trust import cases, localisation, methods, opening, sanity, words
from pages.ui.trust.asking import ask_look
from pages.ui.trust.audited import Audited, Look

REPORT = "Report and card"
TABS = {
    "Localisation": localisation.show,
    opening.CASES: cases.show,
    "Methods": methods.show,
    "Sanity checks": sanity.show,
}
DEMAND = "Audit now"


def show(runs: Sequence[Run], beside: DeltaGenerator) -> None:
    """The whole view."""
    audit = look = run = None
    with st.sidebar, guarded():
        run = pickers.pick_run(runs, weights=False)
        audit = trust_caches.audited(run)
        look = ask_look(audit) if audit is not None and len(audit.table) else None
    if run is None:
        return
    if run.card.synthetic:
        beside.badge("Synthetic phantoms", color="violet")
    if look is None:
        _without_audit(run)
        return
    beside.caption(words.population(audit, look), width="content")
    show_audit(audit, look)


@st.fragment
def show_audit(audit: Audited, look: Look) -> None:
    """The tabs of an audit; a tab's own choices rerun this and nothing else."""
    _open_tab_of_a_case()
    for finding in (audit.document or {}).get("findings", []):
        st.error(plain(finding["sentence"]), icon=":material/cancel:")
    names = [*TABS, REPORT]
    for tab, name in zip(st.tabs(names, key=opening.TABS, bind="query-params"), names, strict=True):
        if tab.open:
            with tab, guarded():
                TABS.get(name, _report_tab)(audit, look)


def _without_audit(run: Run) -> None:
    st.info(words.NO_AUDIT.format(run=run.id))
    st.button(
        "Audit it now", type="primary", icon=":material/play_arrow:", on_click=_go_to_demand,
        disabled=not run.has_weights,
        help=None if run.has_weights else "It came without weights: there is no network to ask for maps.",
    )  # fmt: skip


def _go_to_demand() -> None:
    st.session_state["view"] = DEMAND


def _report_tab(audit: Audited, look: Look) -> None:
    """What to take home."""
    st.write(
        "The report holds what this page shows of the cases, method and map chosen at the left: every figure "
        "and table, and the run. Research use only: not a diagnostic device."
    )
    with st.container(horizontal=True):
        offer_report(lambda: _report(audit, look), f"{audit.run.id}-audit", "Audit (HTML)")
        st.download_button(
            "Whole table (CSV)", lambda: _whole_table(audit), f"{audit.run.id}-xai.csv", "text/csv",
            key="whole table", on_click="ignore",
            help="Every case, method and map with its measures and those of the baselines.",
        )  # fmt: skip
    show_model_card(audit.run)


def _whole_table(audit: Audited) -> bytes:
    from pages.ui.trust.tables import whole_table

    return whole_table(audit.table)


def _report(audit: Audited, look: Look) -> Report:
    from pages.ui.trust.report import audit_report

    return audit_report(audit, look)


def _open_tab_of_a_case() -> None:
    """A link that names a case and no tab opens the tab of cases."""
    if (
        opening.TABS in st.session_state
        or opening.TABS in st.query_params
        or state.CASE not in st.query_params
    ):
        return
    st.session_state[opening.TABS] = opening.CASES
