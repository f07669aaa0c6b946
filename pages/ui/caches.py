"""The only place of st.cache_*: what is kept between reruns, by what key, and for how long.

Decoded images and what a run said about them belong to one person's session and go with it, and so do the
runs a person imported and whatever is computed from them (`_of_a_run`). The other runs and their engines hold
nothing of a patient and are shared by everyone. Keys are digests of content, never the objects.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from models.data.at_hand import DATA_VARIABLE, case_image
from models.engines import ENGINE_VARIABLE, Engine, default_kind, open_engine
from models.engines.shared import SharedPass, open_for_one
from models.errors import BadInput
from models.evaluation import Predictions, read_predictions
from models.evaluation.evidence import Evidence, gather, parts_with_labels, read_run_predictions
from models.evaluation.paired import shared_cases
from models.evaluation.units import units_of
from models.reports import Report
from models.runs import Listing, Run, list_runs, run_roots
from models.runs.cases import CaseTable, read_cases
from models.runs.leaderboard import Landmark
from models.runs.leaderboard import landmarks as published_figures
from models.study import Study, Window, count_frames, mask_for, read_mask, read_study
from pages.ui.comparing.numbers import PairNumbers
from pages.ui.evaluation.view import Filter, kept
from pages.ui.importing.session_runs import SessionRuns
from pages.ui.pictures import Picture, Style, original_picture, overlay_picture, thumbnail
from pages.ui.pictures import card_picture as small_picture
from pages.ui.samples import FOLDER, Sample, read_samples
from pages.ui.training.curves import Trained
from pages.ui.training.curves import trained as curves_of
from pages.ui.training.notebook_html import NOTEBOOK_FILE, notebook_page
from xai.explain import CaseExplanation, Reading, explain_reading, read_shared, read_with
from xai.heatmap import Heatmap


@dataclass(frozen=True, eq=False)
class Mask:
    """A lesion mask as uploaded or shipped: bool [H, W] of its own size, and the sha256 of its file."""

    pixels: np.ndarray
    digest: str


@dataclass(frozen=True)
class File:
    """Bytes of an image file with the name to show; `digest` stands for all in a cache's key. frame and
    window: of a DICOM, as `read_study` takes them."""

    content: bytes
    name: str
    modality: str | None = None
    synthetic: bool = False
    frame: int = 0
    window: Window | None = None

    @property
    def digest(self) -> str:
        told = repr((self.name, self.modality, self.synthetic, self.frame, self.window))
        return hashlib.sha256(hashlib.sha256(self.content).digest() + told.encode()).hexdigest()


def _digest(thing: File | Study | Run | Mask) -> str:
    return thing.digest


def _question(reading: Reading) -> tuple[str, ...]:
    return reading.study.digest, reading.study.name, reading.run.digest, reading.explained.engine


def _map_of(heatmap: Heatmap) -> tuple:
    return (
        heatmap.map.name,
        heatmap.map.label,
        heatmap.map.method,
        heatmap.scale,
        heatmap.map.values.tobytes(),
    )


_IMPORTED = "imported_runs"
_KEYS = {File: _digest, Study: _digest, Run: _digest, Mask: _digest, Reading: _question, Heatmap: _map_of}


def runs() -> Listing:
    """The runs at hand, this visitor's imported ones among them, by id.

    Run folders are read and verified again when a file of one has changed. An imported run goes before a
    later one of the same id.
    """
    shared, own = _runs(_stamp()), imported_runs()
    if not own:
        return shared
    by_id = {run.id: run for run in (*shared.runs, *own)}
    return Listing(tuple(by_id[key] for key in sorted(by_id)), shared.skipped)


def imported_runs() -> tuple[Run, ...]:
    """The runs this visitor imported, in the order in which they came; nobody else sees them."""
    return session_runs().runs if _IMPORTED in st.session_state else ()


def is_imported(run: Run) -> bool:
    """Whether this visitor imported the run: pages mark it (`session_runs.MARK`)."""
    return run in imported_runs()


@st.cache_resource(max_entries=1, scope="session", show_spinner=False, on_release=SessionRuns.close)
def session_runs() -> SessionRuns:
    """Where this visitor's imported runs are.

    The folder is deleted when the connection ends. Packed copies stay in the session's own memory, which
    outlives a connection that breaks for a moment.
    """
    return SessionRuns(st.session_state.setdefault(_IMPORTED, {}))


def _of_a_run(max_entries: int, show_spinner: bool | str = False) -> Callable:
    """Keep what a function of a run (given first) returns: for everyone, or with the run's own session."""

    def decorate(function: Callable) -> Callable:
        options = {"max_entries": max_entries, "show_spinner": show_spinner, "hash_funcs": _KEYS}
        shared = st.cache_resource(**options)(function)
        own = st.cache_resource(scope="session", **options)(function)

        @wraps(function)
        def kept(run: Run, *rest: Any) -> Any:
            return (own if is_imported(run) else shared)(run, *rest)

        return kept

    return decorate


@st.cache_resource(max_entries=1, show_spinner=False)
def _runs(stamp: str) -> Listing:
    return list_runs()


def _stamp() -> str:
    """A digest of name, size and time of every file under the run folders: cheap to take at every rerun."""
    files = (
        file
        for root in run_roots()
        if root.is_dir()
        for folder in (*root.iterdir(), root.parent / "trunks")
        if folder.is_dir()
        for file in folder.iterdir()
    )
    stamps = sorted(
        (str(file), status.st_size, status.st_mtime_ns) for file in files if (status := file.stat())
    )
    return hashlib.sha256(repr(stamps).encode()).hexdigest()


@_of_a_run(max_entries=4, show_spinner="Reading the predictions")
def predictions(run: Run) -> Predictions:
    """The run's stored predictions. BadInput where it has none."""
    return read_run_predictions(run)


@_of_a_run(max_entries=4)
def case_table(run: Run) -> CaseTable | None:
    """The run's cases.csv, where it has one."""
    return read_cases(run)


@_of_a_run(max_entries=4)
def case_columns(run: Run) -> dict[str, np.ndarray]:
    """Column of cases.csv -> str [n], in the order of the run's predictions; "" where it is not known."""
    table = case_table(run)
    return {} if table is None else table.of(predictions(run))


@_of_a_run(max_entries=8)
def parts(run: Run) -> dict[str, int]:
    """The parts of the run's split that have labelled cases, with their number."""
    return parts_with_labels(predictions(run))


@_of_a_run(max_entries=8)
def units(run: Run) -> tuple[str, ...]:
    """What the run's cases can be scored by."""
    return units_of(predictions(run), case_table(run))


@_of_a_run(max_entries=6, show_spinner="Gathering the evidence")
def evidence(run: Run, part: str = "test", unit: str = "image", filters: tuple[Filter, ...] = ()) -> Evidence:
    """All that follows from the run's predictions of that part, unit and filter; computed as it is asked for.

    BadInput where no labelled case is left.
    """
    found = predictions(run)
    keep = kept(case_columns(run), filters, len(found)) if filters else None
    return gather(run, part, unit, keep, predictions=found, cases=case_table(run))


@_of_a_run(max_entries=24)
def member_evidence(run: Run, name: str) -> Evidence:
    """What one fold or seed of the run says of its own test cases."""
    path = run.path(f"members/{name}.csv")
    if path is None:
        raise BadInput(f"The run {run.id} has no predictions of {name}: write the run again.")
    return gather(read_predictions(path, run.classes), positive=run.positive)


@_of_a_run(max_entries=8, show_spinner="Writing the model card")
def model_card(run: Run) -> Report:
    """The run's model card without its pictures, of its folder alone."""
    from models.reports.model_card import model_card as card_of

    return card_of(run, figures=False)


@_of_a_run(max_entries=24)
def trained(run: Run) -> Trained:
    """The run's learning curves, its folds' or seeds' among them. BadInput where it has none."""
    return curves_of(run)


@_of_a_run(max_entries=4, show_spinner="Rendering the notebook")
def notebook(run: Run, dark: bool) -> str:
    """The run's notebook as an HTML document that can do nothing. BadInput where it has none, or for one
    that cannot be shown."""
    path = run.path(NOTEBOOK_FILE)
    if path is None:
        raise BadInput(f"The run {run.id} came without a notebook.")
    return notebook_page(path.read_bytes(), dark)


@st.cache_resource(max_entries=1, show_spinner=False)
def _samples(folder: Path, modified: int) -> tuple[Sample, ...]:
    return read_samples(folder)


def samples() -> tuple[Sample, ...]:
    """The sample studies that ship with the program."""
    manifest = FOLDER / "manifest.csv"
    return _samples(FOLDER, manifest.stat().st_mtime_ns if manifest.is_file() else 0)


@st.cache_resource(max_entries=12, show_spinner=False)
def sample_files(sample: Sample) -> tuple[File, File | None]:
    """A sample's image and, where it has one, its mask."""
    image = File(sample.file.read_bytes(), sample.file.name, sample.modality, sample.synthetic)
    return image, File(sample.mask_file.read_bytes(), sample.mask_file.name) if sample.mask_file else None


@st.cache_resource(max_entries=24, show_spinner=False)
def sample_thumbnail(sample: Sample) -> Picture:
    """A small picture of a sample."""
    return thumbnail(read_study(sample.file, modality=sample.modality, synthetic=sample.synthetic))


@st.cache_resource(max_entries=6, show_spinner="Opening the run", hash_funcs=_KEYS)
def engine(run: Run, kind: str | None = None) -> Engine:
    """The run's engine, opened once for everyone."""
    return open_engine(run, kind)


@st.cache_resource(max_entries=4, scope="session", show_spinner="Comparing the runs", hash_funcs=_KEYS)
def paired(first: Run, second: Run, part: str) -> PairNumbers:
    """Two runs on the cases they share. BadInput where there are none, or they cannot be compared."""
    shared = shared_cases(first, second, part, read=predictions)
    return PairNumbers(shared, first.operating_point.threshold, second.operating_point.threshold)


@st.cache_resource(max_entries=1, show_spinner=False)
def landmarks() -> tuple[Landmark, ...]:
    """What publications printed for the systems that shipped recipes follow."""
    return published_figures()


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def study(file: File) -> Study:
    """The decoded image. BadInput for whatever is not a whole image."""
    return read_study(
        file.content, file.name, modality=file.modality, synthetic=file.synthetic, frame=file.frame,
        window=file.window,
    )  # fmt: skip


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def frames(file: File) -> int:
    """How many frames the file has to choose from."""
    return count_frames(file.content, file.name)


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def mask(file: File) -> Mask:
    """The decoded mask. BadInput for whatever is not a whole image, or marks nothing."""
    return Mask(read_mask(file.content, file.name), file.digest)


@st.cache_resource(max_entries=16, scope="session", show_spinner="Reading the image", hash_funcs=_KEYS)
def reading(study: Study, run: Run, kind: str | None = None) -> Reading:
    """What the run says: one pass of the network for this image, run and engine, whatever is drawn after."""
    return read_with(study, run, engine(run, kind))


@st.cache_resource(max_entries=2, scope="session", show_spinner=False, hash_funcs=_KEYS)
def shared_pass(study: Study) -> SharedPass:
    """What the runs that look at one study have in common."""
    return SharedPass(study, _engine_for_one)


@st.cache_resource(max_entries=32, scope="session", show_spinner="Asking the runs", hash_funcs=_KEYS)
def shared_reading(study: Study, run: Run) -> Reading:
    """What one of many runs says of a study. A trunk that another of them has computed is not computed
    again, and no engine is kept for it: a study through twenty runs must not fill the memory."""
    return read_shared(shared_pass(study), run)


def _engine_for_one(run: Run) -> Engine:
    kind = os.environ.get(ENGINE_VARIABLE) or default_kind()
    return engine(run) if kind == "tensorflow" else open_for_one(run)


@st.cache_resource(max_entries=32, scope="session", show_spinner=False, hash_funcs=_KEYS)
def explanation(
    reading: Reading, label: str, mask: Mask | None, method: str = "grad-cam", against: str | None = None
) -> CaseExplanation:
    """One class of a reading by a method of the stored pass, with its measures where there is a mask of the
    image's size (else BadInput)."""
    pixels = None if mask is None else mask_for(reading.study, mask.pixels)
    return explain_reading(reading, label, method, pixels, against=against)


@st.cache_resource(max_entries=4, scope="session", show_spinner=False, hash_funcs=_KEYS)
def original(study: Study) -> Picture:
    """The image as shown."""
    return original_picture(study)


@st.cache_resource(max_entries=64, scope="session", show_spinner=False, hash_funcs=_KEYS)
def card_picture(study: Study, heatmap: Heatmap, style: Style, mask: np.ndarray | None) -> Picture:
    """A heatmap on its image, small, for one of many cards."""
    return small_picture(study, heatmap, style, mask)


@st.cache_resource(max_entries=32, scope="session", show_spinner=False, hash_funcs=_KEYS)
def overlay(study: Study, heatmap: Heatmap, style: Style) -> Picture:
    """A heatmap on its image as shown."""
    return overlay_picture(study, heatmap, style)


@st.cache_resource(max_entries=4, scope="session", show_spinner="Fetching the case", hash_funcs=_KEYS)
def case_files(run: Run, row: int) -> tuple[File, File | None]:
    """The image of a case of the run's data and, where a lesion is drawn on it, its mask.

    BadInput where this computer has no image of it.
    """
    found = case_image(run, row)
    if found is None:
        raise BadInput(
            f"The image of case {row} of {run.id} is not on this computer: put the folder of its data "
            f"({run.card.data.name}, with its manifest.csv) into the folder that {DATA_VARIABLE} names."
        )
    image = File(found.content, found.name, found.modality, found.synthetic)
    return image, File(found.mask, f"mask of {found.name}") if found.mask and _drawn(found.mask) else None


@st.cache_resource(max_entries=64, scope="session", show_spinner=False, hash_funcs=_KEYS)
def case_thumbnail(run: Run, row: int) -> Picture | None:
    """A small picture of a case of the run's data; None where there is none or it cannot be read."""
    try:
        found = case_image(run, row)
        if found is None:
            return None
        return thumbnail(read_study(found.content, found.name, modality=found.modality))
    except BadInput:
        return None


def _drawn(mask: bytes) -> bool:
    """Whether a mask marks anything: data sets keep an all black one for an image without a lesion."""
    try:
        return bool(read_mask(mask).any())
    except BadInput:
        return False
