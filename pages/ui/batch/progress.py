"""One batch: how far it is, what can be done to it, what became of it, and below all of it its results."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.runs import Run
from pages.ui import batch_caches
from pages.ui.batch import jobs, keeping, shelf
from pages.ui.batch.jobs import PageBatch
from pages.ui.batch.places import BATCH_FILE
from pages.ui.frame import guarded
from pages.ui.plain_text import amount, plain

#: Seconds between two looks at a batch at work, and between two drawings of its results.
TICK, DRAWN_EVERY = 1.0, 4.0
_FEW = 2


def show(batch: PageBatch, runs: Sequence[Run], beside: DeltaGenerator) -> None:
    """The whole of it."""
    if batch.order.source.kind == "phantoms":
        beside.badge("Synthetic phantoms", color="violet")
    if batch.busy:
        _watched(batch)
        _growing(batch, beside)
    else:
        _ended(batch, runs)
        _results(batch, beside)
    _where(batch)


@st.fragment(run_every=TICK)
def _watched(batch: PageBatch) -> None:
    """How far it is; the page is drawn anew when it ends."""
    if not batch.busy:
        st.rerun()
    st.subheader(plain(batch.title), anchor=False)
    found = batch.progress
    line, buttons = st.columns([7, 3], vertical_alignment="center")
    with line:
        done, total = (
            (batch.taken[0], batch.taken[1]) if batch.state == jobs.TAKING else (found.done, found.total)
        )
        st.progress(min(1.0, done / total) if total else 0.0, text=said(batch))
    with buttons.container(horizontal=True, horizontal_alignment="right"):
        _buttons(batch)
    if batch.state != jobs.TAKING:
        counts(found)


def _buttons(batch: PageBatch) -> None:
    if batch.state == jobs.PAUSED:
        st.button(
            "Go on", key="batch_go_on", type="primary", icon=":material/play_arrow:", on_click=batch.go_on
        )
    else:
        st.button(
            "Pause", key="batch_pause", icon=":material/pause:", on_click=batch.pause,
            disabled=batch.state != jobs.WORKING or batch.preparing or batch.stopping,
            help="What is under way is finished first. Another batch that waits goes on meanwhile.",
        )  # fmt: skip
    st.button(
        "Stopping" if batch.stopping else "Cancel", key="batch_cancel", icon=":material/stop:",
        on_click=batch.cancel, disabled=batch.stopping,
        help="It stops after what is under way. What is done is kept, and can be gone on with.",
    )  # fmt: skip


def said(batch: PageBatch) -> str:
    """How far a batch at work is, in a line."""
    found, total = batch.progress, batch.progress.total
    if batch.state == jobs.TAKING:
        return _taking(batch)
    if batch.state == jobs.WAITING:
        before = batch_caches.batch_jobs().turn.before(batch)
        return f"Taken in. {amount(before, 'batch').replace('batchs', 'batches')} of this server before it"
    if batch.preparing or (found.state == "opening" and not found.done):
        return f"{amount(total, 'image')} taken in; opening the runs" if total else "Opening the runs"
    of = f"{found.done:,} of {amount(total, 'image')}" if total else amount(found.done, "image")
    if found.state == "writing":
        return f"{of}; writing the table"
    if batch.state == jobs.PAUSED:
        return f"{of}, paused" if found.state != "working" else f"{of}, pausing after what is under way"
    rate = f", {found.rate:.1f} a second" if found.rate else ""
    left = found.seconds_left
    return f"{of}{rate}" + (f", {spoken(left)} left" if left is not None else "")


def _taking(batch: PageBatch) -> str:
    done, total = batch.taken
    drawn = batch.order.source.kind == "phantoms" and total is not None
    what = "Drawing the phantoms" if drawn else "Taking in the images"
    if not done:
        return what
    return f"{what}: {done:,} of {total:,}" if total else f"{what}: {done:,}"


def spoken(seconds: float) -> str:
    """ "40 s", "12 min", "3 h 5 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def counts(found) -> None:
    """How many came to what, as badges."""
    named = (
        (found.ok, "scored", "green"), (found.unreadable, "unreadable", "orange"),
        (found.refused, "refused", "orange"), (found.failed, "failed", "red"),
    )  # fmt: skip
    with st.container(horizontal=True, gap="small"):
        for count, name, colour in named:
            if count or name == "scored":
                st.badge(f"{count:,} {name}", color=colour)


@st.fragment(run_every=DRAWN_EVERY)
def _growing(batch: PageBatch, beside: DeltaGenerator) -> None:
    """The results so far."""
    _results(batch, beside)


def _results(batch: PageBatch, beside: DeltaGenerator) -> None:
    if not (batch.place.folder / BATCH_FILE).is_file() or not batch.progress.done:
        return
    from pages.ui.batch.results import show_results

    with guarded():
        show_results(batch.place, beside)


def _ended(batch: PageBatch, runs: Sequence[Run]) -> None:
    """What became of it, and what can be done."""
    st.subheader(plain(batch.title), anchor=False)
    found = batch.progress
    done = f"{found.done:,} of {amount(found.total, 'image')} are done and kept" if found.total else ""
    if batch.state == jobs.REFUSED:
        st.error(batch.sentence)
        if found.done:
            st.caption(f"{done}.")
    elif batch.state == jobs.CANCELLED:
        st.warning(f"Cancelled. {done or 'Nothing was scored yet'}.")
    elif batch.state == jobs.INTERRUPTED:
        st.warning(
            "The server stopped while this batch was at work. "
            f"{f'{done}: Resume does the others and none twice' if done else 'Nothing was scored yet'}."
        )
    for sentence in () if batch.state == jobs.INTERRUPTED else _notices(batch):
        st.caption(f":material/info: {plain(sentence)}")
    with st.container(horizontal=True, vertical_alignment="center"):
        if batch.state in jobs.UNFINISHED and jobs.can_go_on(batch):
            st.button(
                "Resume" if found.done else "Try again", key="batch_resume", type="primary",
                icon=":material/play_arrow:", on_click=resume, args=(batch, runs),
            )  # fmt: skip
        st.button("New batch", key="batch_new", icon=":material/add:", on_click=shelf.leave)
        _delete(batch)


def _notices(batch: PageBatch) -> list[str]:
    found = batch.notices
    more = [f"And {amount(len(found) - _FEW, 'notice')} more."] if len(found) > _FEW + 1 else []
    return found[: _FEW if more else _FEW + 1] + more


def resume(batch: PageBatch, runs: Sequence[Run]) -> None:
    """Do what is left of a batch."""
    batch_caches.batch_jobs().start(batch, runs)


def _delete(batch: PageBatch) -> None:
    with st.popover("Delete", icon=":material/delete:"):
        st.write(
            "Images, heatmaps and results of this batch are deleted from the server, at once and for good."
        )
        st.button(
            "Delete all of it",
            key="batch_delete",
            type="primary",
            on_click=shelf.delete,
            args=(batch.place.id,),
        )


def _where(batch: PageBatch) -> None:
    """Where it is kept, for how long, and what was not done to it."""
    kept = "Only its address opens this batch: keep the link to come back to it, from any tab or computer. "
    if batch.order.source.kind == "uploads":
        st.caption(
            f"{kept}Its images lie on this server, DICOM files without the tags that identify a person, and "
            f"are deleted with the results on {keeping.ends_at(batch.home)}. Text that is burned into the "
            "pixels is not removed."
        )
    else:
        st.caption(f"{kept}Its results are deleted on {keeping.ends_at(batch.home)}.")
