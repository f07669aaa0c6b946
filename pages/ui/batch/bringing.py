"""Results that the command line made, brought to the page: uploaded, or a folder at hand; to look at only."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import streamlit as st

from models.batch.taking import BatchTable, read_batch_table, take_folder, take_table
from models.runs import Run
from pages.ui import batch_caches, caches, state
from pages.ui.batch import keeping, shelf
from pages.ui.batch.orders import STATE
from pages.ui.batch.places import BATCH_FILE, ORDER, BatchPlace, new_id, work_root
from pages.ui.batch.spool import write_json
from pages.ui.frame import guarded
from pages.ui.plain_text import amount, plain

MOST_UPLOAD = 512
"""MB. Streamlit holds an upload in memory."""
NOT_AT_HAND = "none of these (0.5 calls the last class)"
_UPLOAD = "batch_results_file"
LISTED = 100


def ask_results() -> None:
    """Where nothing is open: an upload, and the batches that lie in the work folder."""
    with st.expander("Open results of the command line", icon=":material/folder_open:"):
        st.caption(
            "Results of `python -m models batch` or `python -m xai batch`: the output folder as a ZIP, with "
            "heatmaps, or predictions.csv or predictions.parquet alone. They are looked at only; the "
            f"upload is deleted after {keeping.HOURS} hours."
        )
        with guarded():
            _ask_upload()
        with guarded():
            _ask_folder()


def _ask_upload() -> None:
    upload = st.file_uploader(
        "Output folder (ZIP) or table (CSV, Parquet)",
        key=state.upload_key(_UPLOAD),
        max_upload_size=MOST_UPLOAD,
    )
    if upload is None:
        return
    content = upload.getvalue()
    if content[:2] == b"PK":
        if st.button("Open", key="open_results", type="primary", icon=":material/visibility:"):
            _open(lambda home: _unpack(content, upload.name, home), len(content))
        return
    table = _read(upload.file_id, content, upload.name)
    chosen, run = _ask_run(table)
    if st.button(
        "Open", key="open_results", type="primary", icon=":material/visibility:", disabled=not chosen
    ):
        _open(lambda home: take_table(table, home, run), len(content))


def _read(mark: str, content: bytes, name: str) -> BatchTable:
    """The table, read once an upload."""
    kept = st.session_state.get(f"{_UPLOAD}_read")
    if kept is None or kept[0] != mark:
        kept = st.session_state[f"{_UPLOAD}_read"] = (mark, read_batch_table(content, name))
    return kept[1]


def _ask_run(table: BatchTable) -> tuple[bool, Run | None]:
    """Whether it was said which run made the table, and that run, of those with its classes; its threshold
    and label map go with it, so that none is taken for granted."""
    st.caption(f"{amount(len(table), 'row')}, classes {', '.join(map(plain, table.classes))}.")
    fits = {run.id: run for run in caches.runs().runs if tuple(run.classes) == table.classes}
    chosen = st.selectbox(
        "Made by the run", [*fits, NOT_AT_HAND], None, key="results_made_by", filter_mode="contains",
        width=420, placeholder="Choose the run",
        help="A table does not say it. The run's operating point and its words for labels are used.",
    )  # fmt: skip
    return chosen is not None, fits.get(chosen or "")


def _unpack(content: bytes, name: str, home: Path) -> None:
    with tempfile.NamedTemporaryFile(prefix="lesionlens-", suffix=".zip") as file:
        file.write(content)
        file.flush()
        take_folder(Path(file.name), plain_name(name), home)


def _open(take, needed: int) -> None:
    """Take results into a folder of their own and open them. BadInput, and nothing left, where it cannot."""
    keeping.make_room(needed, batch_caches.batch_jobs().busy())
    batch_id = new_id()
    home = work_root() / batch_id
    try:
        home.mkdir(mode=0o700)
        # The page's own: it is deleted with the page's batches.
        write_json(home / STATE, {"state": "brought", "sentence": ""})
        with st.spinner("Taking the results in"):
            take(home)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    st.session_state.pop(f"{_UPLOAD}_read", None)
    state.clear_uploads()
    shelf.open_batch(batch_id)
    st.rerun()


def _ask_folder() -> None:
    """Batches that somebody put below the work folder by name; those of the page have secret names."""
    names = folders_at_hand()
    if not names:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "or a folder on this server", names, None, key="results_folder", placeholder="Choose a folder",
            filter_mode="contains", width=420,
        )  # fmt: skip
        if st.button("Open it", key="open_folder", disabled=chosen is None):
            shelf.open_batch(chosen)
            st.rerun()


def folders_at_hand() -> list[str]:
    """Names of the work folder's batches that the page did not make."""
    try:
        entries = [entry for entry in os.scandir(work_root()) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    found = [
        entry.name
        for entry in entries
        if os.path.isfile(os.path.join(entry.path, BATCH_FILE)) and not keeping.is_ours(Path(entry.path))
    ]
    return sorted(found)[:LISTED]


def offer_delete(place: BatchPlace) -> None:
    """A button for results that were uploaded; those of the command line belong to somebody else."""
    home = work_root() / place.id
    if (home / STATE).is_file() and not (home / ORDER).exists():
        st.button(
            "Delete", key="delete_results", icon=":material/delete:", on_click=_delete, args=(place.id,)
        )


def _delete(batch_id: str) -> None:
    shutil.rmtree(work_root() / batch_id, ignore_errors=True)
    shelf.forget(batch_id)


def plain_name(name: str) -> str:
    """An upload's name that can stand in a sentence."""
    from pages.ui.importing.session_runs import safe_file_name

    return safe_file_name(name)


__all__ = ["ask_results", "folders_at_hand", "offer_delete"]
