"""An audit now: a run, cases with masks at hand or phantoms drawn on the spot, methods; watched, stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.data.at_hand import DATA_VARIABLE
from models.data.phantoms import LABELS, MODALITIES
from models.errors import BadInput
from models.runs import Run
from pages.ui import caches, pickers, trust_caches
from pages.ui.comparing import choices
from pages.ui.frame import guarded
from pages.ui.plain_text import amount, plain
from pages.ui.trust import progress
from pages.ui.trust.jobs import DONE, Plan
from pages.ui.trust.methods_at_hand import about, same_map, title_of
from pages.ui.trust.sources import ALL, PARTS, PHANTOMS, Source, is_own, strange_labels, with_masks
from xai.methods import DEFAULT_METHOD, METHODS, why_not

DATA, PART, METHODS_KEY, FAITHFUL, LIMIT = "data", "part", "methods", "faithfulness", "limit"
COUNT, SEED, MARKER, DRAWN = "count", "seed", "marker", "modality"
POSITIVES = {labels[-1] for labels in LABELS.values()}
FAMILIES = {
    "stored": "",
    "perturbation": " (many passes)",
    "gradient": " (TensorFlow)",
    "library": " (tf-keras-vis)",
}
INTRODUCTION = (
    "Measure a run's heatmaps here and now: on data sets with lesion masks that this computer has, or on "
    "phantoms drawn on the spot, whose truth is known. Choose at the left and start. The audit works beside "
    "the page: you can look at other pages meanwhile, stop it, and go on with it later in this visit. "
    "Results so far are shown and kept until you leave."
)


def show(runs: Sequence[Run], beside: DeltaGenerator) -> None:
    """The whole view."""
    plan = None
    with st.sidebar:
        with guarded():
            plan = _ask(runs)
        if plan is not None:
            _start_button(plan)
    if not trust_caches.audit_jobs().audits:
        st.write(INTRODUCTION)
        if plan is not None:
            _tell(plan)
    progress.show(beside)


def _ask(runs: Sequence[Run]) -> Plan | None:
    run = pickers.pick_run(runs)
    source = _ask_source(run)
    if source is None:
        return None
    methods = _ask_methods(run)
    faithfulness = st.toggle(
        "Faithfulness too", key=FAITHFUL, bind="query-params",
        help="Deletion, insertion, average drop and more: hundreds of passes a case. After the first case "
        "you are told how long the rest takes, and can stop it.",
    )  # fmt: skip
    limit = None
    if source.manifest is not None:
        limit = st.number_input(
            "At most so many cases", 1, None, None, 10, key=LIMIT, bind="query-params", placeholder="all",
            help="The first ones of the manifest, for a quick look.",
        )  # fmt: skip
    return Plan(run, source, tuple(methods), faithfulness, limit) if methods else None


def _ask_source(run: Run) -> Source | None:
    masked, without = with_masks()
    fitting = [each for each in masked if run.modality == "mixed" or _fits(run, each)]
    by_name = {each.name: each for each in sorted(fitting, key=lambda each: not is_own(run, each))}
    names = [*by_name, PHANTOMS]
    if run.card.synthetic:
        names = [PHANTOMS, *by_name]
    name = choices.pick_one("Cases", names, DATA)
    if not by_name:
        told = f" ({', '.join(plain(each.name) for each in without)} have none)" if without else ""
        st.caption(
            f"No data set of this modality with masks is on this computer{told}: put its folder, with its "
            f"manifest.csv, into the folder that {DATA_VARIABLE} names."
        )
    if name == PHANTOMS:
        return _ask_meanings(run, _ask_phantoms(run))
    manifest = by_name[name]
    part = ALL
    if is_own(run, manifest):
        part = st.segmented_control(
            "Part of its split", PARTS, default=PARTS[0], required=True, key=PART, bind="query-params",
            width="stretch", help="Test cases took no part in the training: the others flatter.",
        )  # fmt: skip
    return _ask_meanings(run, Source(name, manifest, part))


def _ask_meanings(run: Run, source: Source) -> Source:
    """What labels mean that the run does not know: of phantoms the positive one is its positive class."""
    meanings = []
    for label in strange_labels(run, source):
        own = run.positive if label in POSITIVES else next(c for c in run.classes if c != run.positive)
        meant = st.selectbox(
            f"What {plain(label)} means to the run", run.classes, run.classes.index(own),
            key=f"means_{label}", bind="query-params", filter_mode=None,
        )  # fmt: skip
        meanings.append((label, meant))
    return replace(source, meanings=tuple(meanings))


def _fits(run: Run, manifest) -> bool:
    return any(case.modality in (None, run.modality) for case in manifest.cases if case.mask_file is not None)


def _ask_phantoms(run: Run) -> Source:
    modality = run.modality
    if modality not in MODALITIES:
        modality = choices.pick_one("Modality", MODALITIES, DRAWN)
    count, seed = st.columns(2)
    n = count.number_input("Phantoms", 6, 600, 60, 6, key=COUNT, bind="query-params")
    series = seed.number_input(
        "Series", 0, 999_999, 101, 1, key=SEED, bind="query-params",
        help="Another number draws other phantoms. The shipped runs were trained on series 1.",
    )  # fmt: skip
    marker = st.toggle(
        "With the planted marker",
        key=MARKER,
        bind="query-params",
        help="A small mark in a corner of every positive phantom and of no other: a shortcut to be caught.",
    )
    return Source(PHANTOMS, None, ALL, modality, int(n), int(series), marker)


def _ask_methods(run: Run) -> list[str]:
    can = [key for key in METHODS if not why_not(key, run) and not same_map(key, run)]
    titles = {f"{title_of(key)}{FAMILIES[METHODS[key].family]}": key for key in can}
    first = next((title for title, key in titles.items() if key == DEFAULT_METHOD), None)
    chosen = choices.pick_many(
        "Methods", list(titles), METHODS_KEY, default=[first] if first else [], placeholder="Choose methods",
        help="The first one gives the headline. Those without a remark come from one pass of the network and "
        "cost next to nothing more.",
    )  # fmt: skip
    left_out = [
        f"{title_of(key)}: {why}" for key in METHODS if (why := same_map(key, run) or why_not(key, run))
    ]
    if left_out:
        with st.popover("Not offered, and why", type="tertiary"):
            for sentence in left_out:
                st.caption(plain(sentence))
    if not chosen:
        st.caption("Choose at least one method.")
    return [titles[title] for title in chosen]


def _start_button(plan: Plan) -> None:
    found = trust_caches.audit_jobs().find(plan.key)
    busy = found is not None and found.busy
    done = found is not None and found.state == DONE
    label = (
        "It is done" if done else "It is running" if busy else "Go on with it" if found else "Start the audit"
    )
    st.button(
        label, type="primary", width="stretch", icon=":material/play_arrow:", key="start audit",
        disabled=busy or done, on_click=_start, args=(plan,),
    )  # fmt: skip
    if sentence := st.session_state.pop(_REFUSED, None):
        st.error(sentence)


_REFUSED = "audit_refused"


def _start(plan: Plan) -> None:
    try:
        audit = trust_caches.audit_jobs().start(plan, caches.engine(plan.run))
    except BadInput as refusal:
        st.session_state[_REFUSED] = str(refusal)
        return
    progress.look_at(audit)


def _tell(plan: Plan) -> None:
    """What the start button would do."""
    st.markdown(f"**{plain(plan.title)}**")
    for method in plan.methods:
        st.caption(f"**{title_of(method)}** ({METHODS[method].paper}): {about(method)}")
    if plan.source.manifest is not None:
        cases = [case for case in plan.source.manifest.cases if case.mask_file is not None]
        st.caption(
            f"{amount(len(cases), 'case')} of {plain(plan.source.name)} have a mask, over all its parts."
        )
