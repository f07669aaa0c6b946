"""Predictions and a history, as uploaded, on their way to a run."""

from __future__ import annotations

import streamlit as st

from models.errors import BadInput
from models.runs.importing import Log, Mapping, free_id, write_imported
from pages.ui import caches
from pages.ui.frame import fault_sentence, guarded
from pages.ui.importing import check, shelf
from pages.ui.importing.about import About, ask_about
from pages.ui.importing.mapping import ask_mapping
from pages.ui.importing.upload import Cases, Upload
from pages.ui.importing.uploads import forget_files
from pages.ui.plain_text import plain


def ask_for_run(scores: Upload | None, history: Upload | None) -> None:
    """Ask what the files mean, show what they are read as, and import them when the visitor says so.

    Whatever does not fit is one sentence in its place; the files stay.
    """
    mapping = cases = log = None
    if scores:
        st.subheader("What the columns mean", anchor=False)
        mapping, cases = _read_scores(scores)
    if history:
        st.subheader("Training history", anchor=False)
        log = _read_history(history)
    st.subheader("The run", anchor=False)
    first = scores or history
    stem = (log.name if log and not scores else "") or first.name.rpartition(".")[0] or first.name
    about = ask_about(stem, first.mark, scored=scores is not None)
    whole = (cases is not None or not scores) and (log is not None or not history)
    lacking = about.lacking if whole else "a file that can be read"
    st.button(
        "Import", type="primary", key="import", disabled=bool(lacking), icon=":material/input:",
        help=f"Still to be given: {lacking}." if lacking else None,
        on_click=_import, args=(about, scores, mapping, log),
    )  # fmt: skip
    if lacking:
        st.caption(f"Still to be given: {lacking}.")


def _read_scores(upload: Upload) -> tuple[Mapping | None, Cases | None]:
    mapping = cases = None
    with guarded():
        if upload.kind != "predictions":
            _say_other_place(upload)
        asked, shown = st.columns([1, 1], gap="large")
        with asked:
            mapping = ask_mapping(upload)
        with shown:
            check.show_file(upload.table)
            with guarded(), st.spinner("Checking every row", show_time=False):
                cases = upload.cases(mapping)
            if cases is not None:
                check.show_reading(cases)
    return mapping, cases


def _read_history(upload: Upload) -> Log | None:
    with guarded():
        if upload.kind == "run":
            raise BadInput(f"{upload.name} is a packed run: put it into the field at the right.")
        if upload.is_scores:
            raise BadInput(f"{upload.name} holds labels and scores: put it into the field at the left.")
        check.show_history(upload.log, upload.name)
        return upload.log
    return None


def _say_other_place(upload: Upload) -> None:
    if upload.kind == "run":
        raise BadInput(f"{upload.name} is a packed run: put it into the field at the right.")
    st.warning(f"{plain(upload.name)} looks like a training history: put that into the field in the middle.")


def _import(about: About, scores: Upload | None, mapping: Mapping | None, log: Log | None) -> None:
    """Make the run. A refusal stays on the page with everything that was given."""
    store = caches.session_runs()
    try:
        store.check_room()
        cases = scores.cases(mapping) if scores else None
        run = write_imported(
            store.folder,
            id=free_id(about.title, [run.id for run in caches.runs()]),
            title=about.title,
            modality=about.modality,
            predictions=cases.predictions if cases else None,
            cases=cases.facts if cases else None,
            history=log.history if log else None,
            classes=mapping.classes if mapping else None,
            positive=mapping.positive if mapping else None,
            data=about.data,
            threshold=about.threshold,
            parameters=log.parameters if log else None,
        )
        store.add(run)
    except BadInput as refusal:
        shelf.say(str(refusal), refused=True)
        return
    except Exception:
        shelf.say(fault_sentence(), refused=True)
        return
    forget_files()
    shelf.say(f"{run.title} is imported: it is listed as {run.id} on the other pages.")
