"""What the sidebar of Inspect asks: which image, which mask, which run, and how to draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from models.errors import BadInput
from models.runs import Run
from models.study import Study
from pages.ui import batch_caches, caches, state
from pages.ui.caches import Mask
from pages.ui.frame import guarded
from pages.ui.pictures import Style
from pages.ui.samples import Sample, by_use, fitting_run
from pages.ui.viewing.controls import pick_frame, pick_window
from xai.drawing import DRAWINGS
from xai.overlay import COLOUR_MAPS, DEFAULT_COLOURS, DEFAULT_OPACITY

BATCH = "pages/3_Batch.py"
#: Short, since a sidebar is narrow: DICOM's codes, and for histology the stain.
CODES = {"ultrasound": "US", "mammography": "MG", "histopathology": "HE", "mixed": "all"}
#: jet's own words: the choice must not look like the others.
COLOUR_LABELS = {name: name.capitalize() for name in COLOUR_MAPS} | {
    "jet": "Jet (misleading: not perceptually uniform)"
}


@dataclass(frozen=True)
class Chosen:
    """The case to inspect: a study, its lesion mask if there is one, and the sample it is if it is one."""

    study: Study
    mask: Mask | None
    sample: Sample | None


def pick_case(samples: Sequence[Sample], runs: Sequence[Run], *, blind: bool = False) -> Chosen | None:
    """Ask for an upload or a sample, and for a mask; or take the case of a run's data that a link opened.

    blind: samples are numbered, since their names say what they show. None while nothing is chosen; BadInput
    for bad files.
    """
    by_id = {sample.id: sample for sample in samples}
    known = {run.id: run for run in runs}
    with guarded():
        state.follow_address(state.SAMPLE, by_id)
    with guarded():
        state.follow_case(known)
    upload = st.file_uploader(
        "Image (DICOM, PNG, JPEG, BMP, TIFF)", key=state.upload_key("image"), on_change=_take_upload,
        help="Told by its content, whatever its name. It stays in memory and is never written to disk.",
    )  # fmt: skip
    st.selectbox(
        "or a sample (synthetic phantoms)", list(by_id), None,
        _blind_name(by_id) if blind else lambda id: _sample_name(by_id[id]),
        key=state.SAMPLE, persist_state="session", placeholder="Choose a sample", filter_mode=None,
        on_change=_take_sample, args=(by_id, tuple(runs)),
    )  # fmt: skip
    case = _opened(known)
    mask = st.file_uploader(
        "Lesion mask (optional)", key=state.upload_key("mask"),
        help="An image of the same size, black outside the lesion. The heatmap is measured against it.",
    )  # fmt: skip
    sample = None if upload else by_id.get(st.session_state.get(state.SAMPLE) or "")
    state.write_address(state.SAMPLE, sample.id if sample else None)
    image, shipped = _files(upload, sample, case, known)
    if image is None:
        return None
    outline = caches.File(mask.getvalue(), mask.name) if mask else shipped
    image = pick_frame(image)
    study = caches.study(image)
    pick_window(image, study)
    return Chosen(study, caches.mask(outline) if outline else None, sample)


def pick_run(runs: Sequence[Run], *, weights: bool = True) -> Run:
    """Ask for a run: one with weights, or any. BadInput where there is none."""
    by_id = {run.id: run for run in by_use(runs) if run.has_weights or not weights}
    if not by_id:
        what = "run with weights to ask" if weights else "run"
        raise BadInput(f"There is no {what}: train one or import one (python -m models --help).")
    with guarded():
        state.follow_address(state.RUN, by_id)
    known = st.session_state.get(state.RUN)
    # Said again even where it is known: a choice that came from the address alone and never from a click is
    # forgotten by the widget of the next page.
    st.session_state[state.RUN] = known if known in by_id else next(iter(by_id))
    chosen = st.selectbox(
        "Run", list(by_id), format_func=lambda id: run_name(by_id[id]), key=state.RUN,
        persist_state="session", filter_mode="contains",
        help="A trained classifier with its threshold. US ultrasound, MG mammography, HE histopathology; "
        "synthetic: trained on phantoms.",
    )  # fmt: skip
    st.caption(by_id[chosen].title)
    state.write_address(state.RUN, chosen)
    return by_id[chosen]


def pick_style() -> Style:
    """Ask how the heatmap is drawn."""
    drawing = st.segmented_control(
        "Heatmap", DRAWINGS, format_func=str.capitalize, default=DRAWINGS[0], required=True, key="drawing",
        persist_state="session", width="stretch",
    )  # fmt: skip
    opacity = st.slider(
        "Opacity at full colour", 0.0, 1.0, DEFAULT_OPACITY, 0.05, key="opacity", persist_state="session"
    )
    colours = st.selectbox(
        "Colour map", list(COLOUR_MAPS), list(COLOUR_MAPS).index(DEFAULT_COLOURS), COLOUR_LABELS.get,
        key="colours", persist_state="session", filter_mode=None,
    )  # fmt: skip
    return Style(opacity, colours, drawing)


def run_name(run: Run) -> str:
    """A run's name in a picker; the modality comes first, which groups them."""
    mark = ", synthetic" if run.card.synthetic else ""
    mark += ", imported" if caches.is_imported(run) else ""
    return f"{CODES[run.modality]} {run.id}{mark}"


def _opened(runs: dict[str, Run]) -> state.DataCase | None:
    """The open case of a run's data, with the button that closes it."""
    case = state.opened_case()
    if case is not None and not case.batch and case.of not in runs:
        state.close_case()  # the run has gone since
        case = None
    state.write_case(case)
    if case is not None:
        what = f"case {case.row} of the data of {case.of}"
        what = f"image {case.row + 1:,} of a batch" if case.batch else what
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f"or {what}", width="content")
            st.button(
                "Close", key="close_case", type="tertiary", icon=":material/close:", on_click=state.close_case
            )
        if case.batch:
            st.page_link(
                BATCH, label="Back to the batch", icon=":material/arrow_back:",
                query_params={state.BATCH: case.batch},
            )  # fmt: skip
    return case


def _files(
    upload, sample: Sample | None, case: state.DataCase | None, runs: dict[str, Run]
) -> tuple[caches.File | None, caches.File | None]:
    if upload:
        return caches.File(upload.getvalue(), upload.name), None
    if sample:
        return caches.sample_files(sample)
    if case and case.batch:
        return batch_caches.row_files(case.batch, case.row)
    return caches.case_files(runs[case.of], case.row) if case else (None, None)


def _blind_name(samples: dict[str, Sample]) -> Callable[[str], str]:
    numbers = {id: number for number, id in enumerate(samples, 1)}
    return lambda id: f"{samples[id].modality.capitalize()}: sample {numbers[id]}"


def _sample_name(sample: Sample) -> str:
    return f"{sample.modality.capitalize()}: {sample.title}"


def _take_upload() -> None:
    """An upload takes the place of a sample and of a case."""
    st.session_state[state.SAMPLE] = None
    state.close_case()


def _take_sample(samples: dict[str, Sample], runs: tuple[Run, ...]) -> None:
    """A sample takes the place of an upload or a case and opens with the run that fits it."""
    state.clear_uploads()
    state.close_case()
    sample = samples.get(st.session_state[state.SAMPLE] or "")
    run = fitting_run(sample, runs) if sample else None
    if run:
        st.session_state[state.RUN] = run.id
