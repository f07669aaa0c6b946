"""An audit of this visit: how far it is, what it has found so far, and in the end everything it found."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import trust_caches
from pages.ui.plain_text import amount, plain
from pages.ui.trust import page, words
from pages.ui.trust.asking import ask_look
from pages.ui.trust.audited import Audited, audited
from pages.ui.trust.jobs import CANCELLED, PREPARING, REFUSED, PageAudit
from pages.ui.trust.sources import PHANTOMS, is_own

#: Seconds between two looks at a running audit.
TICK = 1.0
_SHOWN = "audit_shown"


def look_at(audit: PageAudit) -> None:
    """Show this one of the visit's audits."""
    st.session_state[_SHOWN] = audit.plan.key


def show(beside: DeltaGenerator) -> None:
    """The audit looked at: its state, and what it has found."""
    audit = _chosen()
    if audit is None:
        return
    if audit.plan.run.card.synthetic:
        beside.badge("Synthetic phantoms", color="violet")
    if audit.busy:
        _watched(audit)
    else:
        _ended(audit)


def results(audit: PageAudit) -> Audited | None:
    """What it has found, ready to look at; None before the first case."""
    from xai.audit import document

    found = audit.audit
    if found is None:
        return None
    run, source = audit.plan.run, audit.plan.source
    own = source.name == PHANTOMS or (source.manifest is not None and is_own(run, source.manifest))
    predictions = trust_caches.case_ids(run) if own else ()
    return audited(
        run, found.table(), document(found), predictions, groups=found.groups, files=audit.cases,
        on=source.title,
    )  # fmt: skip


def _chosen() -> PageAudit | None:
    jobs = trust_caches.audit_jobs().audits
    if not jobs:
        return None
    by_key = {one.plan.key: one for one in jobs}
    known = st.session_state.get(_SHOWN)
    shown = known if known in by_key else jobs[0].plan.key
    if len(jobs) == 1:
        return by_key[shown]
    keys = list(by_key)
    chosen = st.selectbox(
        "Audits of this visit", keys, keys.index(shown), lambda key: by_key[key].plan.title, filter_mode=None
    )
    st.session_state[_SHOWN] = chosen
    return by_key[chosen]


@st.fragment(run_every=TICK)
def _watched(audit: PageAudit) -> None:
    """The progress of a running audit; the page is drawn anew when it ends."""
    if not audit.busy:
        st.rerun()
    st.subheader(plain(audit.plan.title), anchor=False)
    told, button = st.columns([8, 2], vertical_alignment="center")
    with told:
        st.progress(audit.done / audit.total if audit.total else 0.0, text=_line(audit))
    with button:
        st.button(
            "Cancel", key="cancel audit", icon=":material/stop:", width="stretch", on_click=audit.cancel,
            help="It stops after the pass that is being computed; what is done is kept.",
        )  # fmt: skip
    if audit.notice:
        st.caption(audit.notice)
    _so_far(audit)


def _line(audit: PageAudit) -> str:
    if audit.state == PREPARING:
        drawn = f": {audit.drawn} of {audit.plan.source.count} phantoms drawn" if audit.drawn else ""
        return f"Preparing the cases{drawn}"
    if audit.done == audit.total:
        return f"{amount(audit.total, 'case')} done; now with the weights made random"
    from xai.audit.job import spoken

    left = audit.seconds_left
    return f"{audit.done:,} of {amount(audit.total, 'case')}" + (
        f", about {spoken(left)} left" if left is not None else ""
    )


def _so_far(audit: PageAudit) -> None:
    """The headline of what is measured so far."""
    found = audit.audit
    if found is None:
        return
    from xai.audit.figures import figures

    run, table = audit.plan.run, found.table()
    method = audit.plan.methods[0]
    positive = table.take(table.labels == run.positive)
    measured = figures(positive, found.groups, method)
    n = len(positive.of(method))
    st.caption(f"So far, over {amount(n, 'case')} of {plain(run.positive)}:")
    names = words.HEADLINE
    for column, name in zip(st.columns(len(names)), names, strict=True):
        metric = measured.get(name, {"value": None})
        column.metric(
            words.name_of(name), words.NONE if metric["value"] is None else f"{metric['value']:.2f}"
        )


def _ended(audit: PageAudit) -> None:
    _state(audit)
    found = trust_caches.audit_results(audit)
    if found is None:
        return
    if audit.audit.skipped:
        with st.expander(f"{amount(len(audit.audit.skipped), 'case')} could not be measured"):
            for entry in audit.audit.skipped:
                st.caption(f"{plain(entry['file'])}: {plain(entry['why'])}")
    with st.sidebar:
        st.divider()
        look = ask_look(found)
    page.show_audit(found, look)


def _state(audit: PageAudit) -> None:
    """What became of it, and what can be done."""
    head, again, drop = st.columns([7, 1.6, 1.4], vertical_alignment="center")
    head.subheader(plain(audit.plan.title), anchor=False)
    left = audit.total - audit.done
    if audit.state in (CANCELLED, REFUSED):
        label = "Go on" if audit.done else "Try again"
        again.button(
            label, key="resume audit", type="primary", icon=":material/play_arrow:", width="stretch",
            on_click=audit.start,
        )  # fmt: skip
    drop.button(
        "Discard", key="discard audit", icon=":material/delete:", width="stretch",
        on_click=trust_caches.audit_jobs().forget, args=(audit,),
    )  # fmt: skip
    if audit.state == REFUSED:
        st.error(audit.sentence)
    elif audit.state == CANCELLED:
        done = f"{audit.done:,} of {amount(audit.total, 'case')} are done and kept" if audit.total else ""
        rest = f"; {amount(left, 'case')} left" if left else ""
        st.warning(
            f"Cancelled. {done}{rest}. The figures below are of what is done."
            if done
            else "Stopped before the first case was measured: nothing to show yet."
        )
