"""From a map's question to the map on its image, with its trust card beside it.

The order is the point: the image first, then the checks, and the map last. One that fails a decisive check
is held back until the reader asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.study import mask_for
from pages.ui import caches, state, trust_caches
from pages.ui.caches import Mask
from pages.ui.trusting.card import CHECKING, SHOW_ANYWAY, show_card
from pages.ui.trusting.methods import Asked, is_slow
from xai.explain import CaseExplanation, Reading, explain_reading
from xai.methods import METHODS, Watch, why_not
from xai.trust import TrustCard
from xai.trust.passes import chosen as chosen_map

_FORMER = "former_map"
_ANYWAY = "maps_shown_anyway"


@dataclass(frozen=True, eq=False)
class Found:
    """The map that can be shown now; `instead` says why it is not the one that was asked for."""

    result: CaseExplanation
    instead: str = ""

    def has(self, name: str) -> bool:
        """Whether one of its maps is called so: methods of the whole network have no branches."""
        return any(heatmap.map.name == name for heatmap in self.result.heatmaps)


def find_map(reading: Reading, asked: Asked, mask: Mask | None) -> Found:
    """The map that was asked for; while it is being made, or cannot be, the former one."""
    if reason := why_not(asked.method, reading.run):
        st.info(reason)
        return Found(_former(reading, asked, mask), reason)
    if not is_slow(asked.request):
        result = _quick(reading, asked, mask)
        trust_caches.map_jobs().cancel_others()
    else:
        result = _slow(reading, asked, mask)
    if result is None:
        former = _former(reading, asked, mask)
        title, shown = METHODS[asked.method].title, METHODS[former.method].title
        return Found(
            former, f"{title} is not there yet. Below stays the former map, {shown}, with its own checks."
        )
    st.session_state[_FORMER] = (*_place(reading), mask and mask.digest), asked, result
    return Found(result)


def _quick(reading: Reading, asked: Asked, mask: Mask | None) -> CaseExplanation:
    target = asked.request.target
    return caches.explanation(reading, target.label, mask, asked.method, target.against)


def _former(reading: Reading, asked: Asked, mask: Mask | None) -> CaseExplanation:
    """What this image and run showed last; Grad-CAM of the same target where that is nothing."""
    place, former, result = st.session_state.get(_FORMER) or (None, None, None)
    if place == (*_place(reading), mask and mask.digest) and former.request.target == asked.request.target:
        return result
    target = asked.request.target
    return caches.explanation(reading, target.label, mask, "grad-cam", target.against)


def _slow(reading: Reading, asked: Asked, mask: Mask | None) -> CaseExplanation | None:
    """A map of many passes: the result, or None while it is made, with its progress and a button to stop."""
    jobs = trust_caches.map_jobs()
    question = (*_place(reading), asked.request, mask and mask.digest)
    job = jobs.get(question) or jobs.start(question, _making(reading, asked, mask))
    if job.result is not None:
        return job.result
    title = METHODS[asked.method].title
    if job.refused or job.cancelled:
        with st.container(horizontal=True, vertical_alignment="center"):
            if job.refused:
                st.error(job.refused)
            else:
                st.info(f"{title} was stopped after {job.done} of {job.total} passes.")
            st.button("Make it again", key="map_again", on_click=jobs.forget, args=(question,))
        return None
    _progress(question, title)
    return None


@st.fragment(run_every=0.5)
def _progress(question: Hashable, title: str) -> None:
    """A fragment of its own: the rest of the page can be used meanwhile."""
    job = trust_caches.map_jobs().get(question)
    if job is None or job.finished:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        share = min(1.0, job.done / job.total) if job.total else 0.0
        passes = f"{job.done:,} of {job.total:,} passes" if job.total else "beginning"
        st.progress(share, f"{title}: stopping after this batch" if job.stopping else f"{title}: {passes}")
        st.button(
            "Cancel", key="cancel_map", on_click=job.cancel, icon=":material/close:", disabled=job.stopping
        )


def _making(reading: Reading, asked: Asked, mask: Mask | None) -> Callable[[Watch], CaseExplanation]:
    request, engine = asked.request, caches.engine(reading.run)
    pixels = None if mask is None else mask_for(reading.study, mask.pixels)

    def make(watch: Watch) -> CaseExplanation:
        return explain_reading(
            reading, request.target.label, request.method, pixels, against=request.target.against,
            layer=request.layer, masks=request.masks, seed=request.seed, engine=engine, watch=watch,
        )  # fmt: skip

    return make


def check_map(
    result: CaseExplanation, name: str, waiting: Callable[[], None], beside: DeltaGenerator
) -> TrustCard:
    """The map's card. Where the checks are still to be done, `waiting` draws the image alone first."""
    card = trust_caches.known_card(result, name)
    if card is None:
        waiting()
        with beside, st.spinner(CHECKING):
            card = trust_caches.trust_card(result, name)
    return card


def show_beside(card: TrustCard, result: CaseExplanation, name: str, beside: DeltaGenerator) -> None:
    """The card, with the button that shows a map that failed, or holds it back again."""
    offered = card.failed and not chosen_map(result, name).blank
    with beside:
        show_card(card, (lambda: _offer(card, result, name)) if offered else None)


def _offer(card: TrustCard, result: CaseExplanation, name: str) -> None:
    key = _shown_key(result, name)
    if held_back(card, result, name):
        st.button(SHOW_ANYWAY, key="show_anyway", on_click=_allow, args=(key,), icon=":material/visibility:")
    else:
        st.button(
            "Hold it back again", key="hold_back", on_click=_disallow, args=(key,),
            icon=":material/visibility_off:",
        )  # fmt: skip


def held_back(card: TrustCard, result: CaseExplanation, name: str) -> bool:
    """Whether the map failed and the reader has not asked to see it anyway."""
    return card.failed and _shown_key(result, name) not in st.session_state.get(_ANYWAY, ())


def _shown_key(result: CaseExplanation, name: str) -> tuple[Hashable, ...]:
    return *_place(result.reading), result.label, result.against, result.method, result.layer, name


def _allow(key: tuple[Hashable, ...]) -> None:
    st.session_state[_ANYWAY] = {*st.session_state.get(_ANYWAY, ()), key}
    if not state.heatmap_shown():
        state.flip_heatmap()


def _disallow(key: tuple[Hashable, ...]) -> None:
    st.session_state[_ANYWAY] = set(st.session_state.get(_ANYWAY, ())) - {key}


def _place(reading: Reading) -> tuple[Hashable, ...]:
    return reading.study.digest, reading.run.digest, reading.explained.engine
