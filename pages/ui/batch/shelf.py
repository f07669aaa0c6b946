"""The batches of a visit: which one is open, by its address, and the others beside it."""

from __future__ import annotations

import streamlit as st

from models.errors import BadInput
from pages.ui import batch_caches, state
from pages.ui.batch import jobs, keeping
from pages.ui.batch.jobs import PageBatch
from pages.ui.batch.places import BatchPlace, find_place
from pages.ui.plain_text import plain

_OPENED, _ALL, _SAID = "batch_opened", "batches_of_visit", "batch_said"
_ICONS = {
    jobs.DONE: ":material/check_circle:",
    jobs.CANCELLED: ":material/stop_circle:",
    jobs.INTERRUPTED: ":material/power_off:",
    jobs.REFUSED: ":material/error:",
    jobs.PAUSED: ":material/pause_circle:",
}


def opened() -> BatchPlace | None:
    """The batch that the address names, else the one this visit looked at last. BadInput for one that is not
    here, or not any more."""
    asked = st.query_params.get(state.BATCH)
    batch_id = asked or st.session_state.get(_OPENED)
    if not batch_id:
        return None
    place = find_place(batch_id)
    if place is None:
        forget(batch_id)
        if asked is None:
            return None
        raise BadInput(
            "The batch of this address is not here: it was deleted, by somebody or after "
            f"{keeping.HOURS} hours, or it lies on another server. Begin a new one below."
        )
    open_batch(place.id)
    return place


def open_batch(batch_id: str) -> None:
    """Show that batch, and put it into the address."""
    st.session_state[_OPENED] = batch_id
    known = st.session_state.setdefault(_ALL, [])
    if batch_id not in known:
        known.insert(0, batch_id)
    if st.query_params.get(state.BATCH) != batch_id:
        st.query_params[state.BATCH] = batch_id


def leave() -> None:
    """Show none, to begin a new one."""
    st.session_state.pop(_OPENED, None)
    st.query_params.pop(state.BATCH, None)


def forget(batch_id: str) -> None:
    """It is no batch of this visit any more."""
    known = st.session_state.get(_ALL, [])
    if batch_id in known:
        known.remove(batch_id)
    leave()


def delete(batch_id: str) -> None:
    """Delete a batch with everything of it."""
    batch_caches.batch_jobs().delete(batch_id)
    forget(batch_id)
    st.session_state[_SAID] = "The batch was deleted, with its images and results."


def show_said() -> None:
    """What the last click led to, once."""
    if sentence := st.session_state.pop(_SAID, None):
        st.success(sentence)


def show_others(shown: str | None) -> None:
    """The batches of this visit at the side; nothing where there is none but the one that is shown."""
    found = [batch for id in st.session_state.get(_ALL, []) if (batch := batch_caches.batch_jobs().find(id))]
    if not found or (len(found) == 1 and shown == found[0].place.id):
        return
    with st.sidebar:
        st.caption("Batches of this visit")
        for batch in found:
            st.button(
                plain(batch.title), key=f"open_{batch.place.id}", icon=_icon(batch), width="stretch",
                disabled=batch.place.id == shown, on_click=open_batch, args=(batch.place.id,),
            )  # fmt: skip


def _icon(batch: PageBatch) -> str:
    return _ICONS.get(batch.state, ":material/hourglass_top:")
