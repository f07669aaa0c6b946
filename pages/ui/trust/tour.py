"""The tour: two networks with the same score, one of which looks at the lesion and one at a planted mark."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.errors import BadInput
from models.runs import Run
from pages.ui import sentences, state, trust_caches
from pages.ui.evaluation.figures import chart_config
from pages.ui.frame import guarded
from pages.ui.palette import palette
from pages.ui.plain_text import plain
from pages.ui.trust import figures, words
from pages.ui.trust.audited import Look
from pages.ui.trust.laboratory import LESION, SHORTCUT, Said, Twin, numbers
from pages.ui.trusting.card import ICONS, TITLES, ordered
from xai.audit.table import GRAD_CAM, JOINT
from xai.trust import WORDS, TrustCard

STEP, PHANTOM = "step", "phantom"
STEPS = ("1 The same score", "2 Where they look", "3 Without the mark")
ROLES = {
    LESION: "learnt from plain phantoms: only the lesion tells the label",
    SHORTCUT: "learnt from phantoms with a small mark in a corner of every malignant one and of no other; "
    "how their masses look was dealt by chance",
}


def show(runs: Sequence[Run], beside: DeltaGenerator) -> None:
    """The whole view."""
    beside.badge("Synthetic phantoms", color="violet")
    by_id = {run.id: run for run in runs}
    missing = [name for name in (LESION, SHORTCUT) if name not in by_id or not by_id[name].has_weights]
    if missing:
        raise BadInput(
            f"The tour needs the laboratory's runs, and {' and '.join(missing)} is not here: take them from "
            "the program's assets, or train them with the recipes of the same name."
        )
    pair = by_id[LESION], by_id[SHORTCUT]
    step = st.segmented_control(
        "Step", STEPS, default=STEPS[0], required=True, key=STEP, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    {STEPS[0]: _scores, STEPS[1]: _places, STEPS[2]: _without}[step](*pair)
    _go_on(step)


def _go_on(step: str) -> None:
    at = STEPS.index(step)
    with st.container(horizontal=True):
        for label, to in (("Back", at - 1), ("Next", at + 1)):
            if 0 <= to < len(STEPS):
                st.button(
                    f"{label}: {STEPS[to][2:].lower()}", key=label.lower(), on_click=_go, args=(STEPS[to],),
                    type="primary" if label == "Next" else "secondary",
                )  # fmt: skip


def _go(step: str) -> None:
    st.session_state[STEP] = step


def _scores(lesion: Run, shortcut: Run) -> None:
    """Both are tested on held-out images of their own kind, as it is usually done."""
    st.markdown(
        "Two networks of one kind learnt to tell malignant from other masses in **synthetic ultrasound "
        "images**, by the same recipe. Each was tested on images it had never seen, of the kind it learnt "
        "from. Their scores:"
    )
    for column, run in zip(st.columns(2, gap="large", border=True), (lesion, shortcut), strict=True):
        with column:
            st.subheader(run.id, anchor=False)
            st.caption(f"It {ROLES[run.id]}.")
            auc = sentences.test_metric(run, "auc")
            st.metric("AUC on its own test images", sentences.figure(auc))
    twin = trust_caches.twin(numbers()[0])
    st.markdown(
        "The same phantom, as each network's training would have shown it (the green line is the truth):"
    )
    for column, marked in zip(st.columns(2, gap="large"), (False, True), strict=True):
        picture = trust_caches.twin_card(None, twin, marked)
        column.image(
            picture.png, width=340, alt=f"A malignant phantom, {'with' if marked else 'without'} marker"
        )
        column.caption(
            "With the mark in a corner." if marked else "Plain: nothing but the lesion tells the label."
        )
    st.markdown(
        "**A score cannot tell them apart.** It asks whether the answer is right, not for which reason. The "
        "second network could be useless in a clinic that does not draw the mark, and nobody would know."
    )


def _places(lesion: Run, shortcut: Run) -> None:
    """One marked phantom through both, with the trust card of each map."""
    st.markdown(
        "So ask **where** they look. One phantom with the mark, through both networks; the colour is the "
        "evidence for malignant, the green line the lesion. Below it what the trust card of Inspect measured."
    )
    twin = trust_caches.twin(_pick(numbers()))
    for column, run in zip(st.columns(2, gap="large", border=True), (lesion, shortcut), strict=True):
        with column, guarded():
            _place(run, twin)
    st.markdown("**Over many phantoms**, in the audits stored with the two runs:")
    for column, run in zip(st.columns(2, gap="large"), (lesion, shortcut), strict=True):
        with column:
            _audit_lines(run)


def _pick(which: Sequence[int]) -> int:
    names = [str(i + 1) for i in range(len(which))]
    chosen = st.segmented_control(
        "Phantom", names, default=names[0], required=True, key=PHANTOM, bind="query-params"
    )
    return which[names.index(chosen)]


def _place(run: Run, twin: Twin) -> None:
    result = trust_caches.twin_explanation(run, twin, True)
    picture = trust_caches.twin_card(run, twin, True)
    p, found = result.reading.probabilities[run.positive], result.measures
    st.markdown(f"**{plain(run.id)}** says {plain(run.positive)} with **{p:.2f}**")
    st.image(picture.png, width="stretch", alt=f"Evidence for {run.positive} by {run.id}")
    st.markdown(
        f"Peak {':green[on]' if found.pointing else ':red[off]'} the lesion, IoU **{found.iou:.2f}**, "
        f"{found.energy:.0%} of the evidence inside"
    )
    with st.spinner("Checking the map"):
        card = trust_caches.trust_card(result, JOINT)
    _card(card)


def _card(card: TrustCard) -> None:
    st.markdown(f"{ICONS[card.level]} **{TITLES[card.level]}**")
    if told := card.sentence.removeprefix(f"{TITLES[card.level]}.").strip():
        st.caption(plain(told))
    st.markdown(
        "  \n".join(
            f"{ICONS[light.level]} {plain(light.name)} "
            f":small[:gray[{WORDS[light.level]}: {plain(light.figure)}]]"
            for light in ordered(card)
        )
    )


def _audit_lines(run: Run) -> None:
    audit = trust_caches.audited(run)
    if audit is None:
        st.caption(f"{plain(run.id)}: no audit is stored.")
        return
    look = Look(GRAD_CAM, JOINT, run.positive, "iou")
    found, n = audit.figures(look), len(audit.cases(look))
    lines = [
        f"{words.name_of(name)} {words.bold_value(words.metric(found[name]))}"
        for name in ("pointing", "iou", "energy")
    ]
    st.markdown(f"{plain(run.id)}, {n} malignant phantoms of its own kind  \n" + "  \n".join(lines))
    findings = (audit.document or {}).get("findings", [])
    for finding in findings:
        st.error(plain(finding["sentence"]), icon=":material/cancel:")
    if audit.document is not None and not findings:
        st.success("The audit found nothing against its maps.", icon=":material/check_circle:")
    st.page_link(
        "pages/6_Trust.py", label=f"The whole audit of {run.id}", icon=":material/fact_check:",
        query_params={state.RUN: run.id},
    )  # fmt: skip


def _without(lesion: Run, shortcut: Run) -> None:
    """The same phantoms with and without the mark."""
    st.markdown(
        "Now the proof. The same malignant phantoms **with and without the mark**; nothing else differs, not "
        "one pixel. A network that looks at the lesion should not care."
    )
    said = [trust_caches.laboratory(run) for run in (lesion, shortcut)]
    for column, each in zip(st.columns(2, gap="large", border=True), said, strict=True):
        with column:
            _twins(each)
    st.markdown(
        "**What to take from it.** A high score is no evidence that a model looks at the finding. A heatmap "
        "can show where it looks, if the map itself passes its checks; an audit over many cases shows "
        "whether it does so as a rule; and the prediction again with a suspicious place painted over shows "
        "whether it matters. Inspect does the first and the last for every image, this page does the audit."
    )


def _twins(said: Said) -> None:
    run, n = said.run, len(said.plain)
    st.subheader(run.id, anchor=False)
    rows = [
        (f"phantom {i + 1}", *values) for i, values in enumerate(zip(said.marked, said.plain, strict=True))
    ]
    st.plotly_chart(
        figures.twins_figure(
            rows, run.operating_point.threshold, f"probability of {run.positive}", palette()
        ),
        theme=None, key=f"twins {run.id}", config=chart_config(f"{run.id}-twins"),
        alt="; ".join(f"{name}: {a:.2f} with, {b:.2f} without the mark" for name, a, b in rows),
    )  # fmt: skip
    st.markdown(
        f"Calls **{said.called(True)} of {n}** malignant with the mark and **{said.called(False)} of {n}** "
        "without it. All of them are malignant."
    )
    told = f"The mark moves the probability by {abs(said.marked - said.plain).mean():.2f} in the mean."
    if said.called(True) > said.called(False):
        st.error(f"It reads the mark, not the lesion. {told}", icon=":material/cancel:")
    else:
        st.success(f"It does not need the mark. {told}", icon=":material/check_circle:")
