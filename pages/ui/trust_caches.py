"""What Inspect keeps of its trust cards and slow maps between reruns; the other place of st.cache_* is
`pages/ui/caches.py`.

All of it follows from one person's image and goes with the session, but for a run's stored audit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from models.errors import BadInput
from models.runs import Run
from models.study import Study, mask_for, read_mask, read_study
from pages.ui import caches
from pages.ui.pictures import Picture, Style, card_picture
from pages.ui.trust.jobs import AuditJobs, PageAudit
from pages.ui.trust.laboratory import Said, Twin, draw_twin, numbers
from pages.ui.trust.laboratory import ask as ask_twins
from pages.ui.trust.pictures import outlined_picture
from pages.ui.trusting.jobs import MapJobs
from xai.explain import CaseExplanation, Reading, explain_reading, read_with
from xai.guards import Familiar, judge_image
from xai.measures.agreement import Agreement, agreement
from xai.trust import TrustCard
from xai.trust import trust_card as card_of
from xai.trust.passes import chosen

if TYPE_CHECKING:
    from pages.ui.trust.audited import Audited

CARDS = 32


def _question(reading: Reading) -> tuple[Hashable, ...]:
    return reading.study.digest, reading.run.digest, reading.explained.engine


_KEYS = {Reading: _question, Run: lambda run: run.digest, Twin: lambda twin: twin.number}


def known_card(result: CaseExplanation, name: str) -> TrustCard | None:
    """The checks of one of the result's maps where they were done in this session."""
    return _cards().get(_card_key(result, name))


def trust_card(result: CaseExplanation, name: str) -> TrustCard:
    """The checks of one of the result's maps: a few seconds the first time."""
    card = known_card(result, name)
    if card is None:
        card = card_of(result, caches.engine(result.run), name=name, record=audit_record(result.run))
        cards = _cards()
        cards[_card_key(result, name)] = card
        while len(cards) > CARDS:
            cards.pop(next(iter(cards)))
    return card


@st.cache_resource(max_entries=1, scope="session", show_spinner=False)
def _cards() -> dict[tuple[Hashable, ...], TrustCard]:
    return {}


def _card_key(result: CaseExplanation, name: str) -> tuple[Hashable, ...]:
    """The same for two results that are the same map of the same image, against the same mask."""
    mask = None if result.mask is None else hashlib.sha256(result.mask.tobytes()).hexdigest()
    values = hashlib.sha256(chosen(result, name).map.values.tobytes()).hexdigest()
    target = result.label, result.against, result.method, result.layer
    return *_question(result.reading), *target, name, values, mask


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=_KEYS)
def _shared_record(run: Run) -> dict[str, Any] | None:
    return _read(run)


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def _own_record(run: Run) -> dict[str, Any] | None:
    return _read(run)


def audit_record(run: Run) -> dict[str, Any] | None:
    """The run's stored audit, where it has one."""
    return (_own_record if caches.is_imported(run) else _shared_record)(run)


def _read(run: Run) -> dict[str, Any] | None:
    from xai.audit import read_audit

    return read_audit(run)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False, hash_funcs=_KEYS)
def familiar(reading: Reading) -> Familiar:
    """Whether the image is like the run's training images; no pass of the network."""
    return judge_image(reading)


@st.cache_resource(max_entries=1, scope="session", show_spinner=False, on_release=MapJobs.close)
def map_jobs() -> MapJobs:
    """The slow maps of this session; they stop when it ends."""
    return MapJobs()


@caches._of_a_run(max_entries=8, show_spinner="Reading the audit")
def audited(run: Run) -> Audited | None:
    """The audit stored with the run, ready to look at; None where it has none. BadInput for one that cannot
    be read."""
    from pages.ui.trust.audited import audited as audited_of
    from xai.audit import read_audit, read_table

    table = read_table(run)
    if table is None:
        return None
    return audited_of(run, table, read_audit(run), case_ids(run))


def case_ids(run: Run) -> Iterable[str]:
    """The cases of the run's predictions, in their order; none where it has none."""
    return () if run.path("predictions.csv") is None else caches.predictions(run).case_ids.tolist()


@st.cache_resource(max_entries=96, scope="session", show_spinner=False, hash_funcs=_KEYS)
def case_card(run: Run, row: int, label: str, method: str, map: str) -> Picture | None:
    """A case of the run's data, small, with the map of that class, method and branch (or "joint") and the
    lesion's outline. None where this computer has no image of it, or the run cannot make that map."""
    try:
        image, mask = caches.case_files(run, row)
        study = caches.study(image)
        return _card(run, study, None if mask is None else caches.mask(mask).pixels, label, method, map)
    except BadInput:
        return None


@st.cache_resource(max_entries=96, scope="session", show_spinner=False, hash_funcs=_KEYS)
def file_card(run: Run, file: Path, mask: Path, label: str, method: str, map: str) -> Picture | None:
    """As `case_card`, of files on this computer."""
    try:
        return _card(run, read_study(file), read_mask(mask), label, method, map)
    except BadInput:
        return None


def _card(run: Run, study: Study, mask: np.ndarray | None, label: str, method: str, map: str) -> Picture:
    outline = None if mask is None else mask_for(study, mask)
    result = explain_reading(read_with(study, run, caches.engine(run)), label, method)
    heatmap = next((each for each in result.heatmaps if each.map.name == map), result.joint)
    return card_picture(study, heatmap, Style(), outline)


@st.cache_resource(max_entries=1, scope="session", show_spinner=False, on_release=AuditJobs.close)
def audit_jobs() -> AuditJobs:
    """The audits this visitor asked for; the one that runs stops when the session ends."""
    return AuditJobs()


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def map_agreement(
    first: Run, second: Run, label: str, method: str, rows: tuple[int, ...]
) -> tuple[Agreement, ...]:
    """How far two runs' maps of one class agree on cases of the first, by their rows; cases that cannot be
    read, or have no map to compare, are passed over."""
    found = []
    for row in rows:
        try:
            study = caches.study(caches.case_files(first, row)[0])
            maps = [
                explain_reading(read_with(study, run, caches.engine(run)), label, method).joint
                for run in (first, second)
            ]
        except BadInput:
            continue
        found.append(agreement(*maps))
    return tuple(one for one in found if one.rank is not None)


@st.cache_resource(
    max_entries=4, scope="session", show_spinner="Counting",
    hash_funcs={PageAudit: lambda audit: (id(audit), audit.state, audit.done)},
)  # fmt: skip
def audit_results(audit: PageAudit) -> Audited | None:
    """What an audit of this visit has found, ready to look at; None before its first case."""
    from pages.ui.trust.progress import results

    return results(audit)


@st.cache_resource(max_entries=8, show_spinner="Drawing the phantom")
def twin(number: int) -> Twin:
    """A phantom of the tour; no patient is in it, so it is everyone's."""
    return draw_twin(number)


@st.cache_resource(max_entries=4, show_spinner="Asking both networks", hash_funcs=_KEYS)
def laboratory(run: Run) -> Said:
    """What a run says of the tour's phantoms."""
    return ask_twins(run, caches.engine(run), [twin(number) for number in numbers()])


@st.cache_resource(max_entries=24, show_spinner="Making the maps", hash_funcs=_KEYS)
def twin_explanation(run: Run, twin: Twin, marked: bool) -> CaseExplanation:
    """The map of a phantom of the tour, measured against its lesion."""
    return explain_reading(read_with(twin.image(marked), run, caches.engine(run)), mask=twin.mask)


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs=_KEYS)
def twin_card(run: Run | None, twin: Twin, marked: bool) -> Picture:
    """A phantom of the tour with its lesion's outline and, where a run is given, that run's map."""
    if run is None:
        return outlined_picture(twin.image(marked), twin.mask)
    result = twin_explanation(run, twin, marked)
    return card_picture(result.study, result.joint, Style(), twin.mask)
