"""A whole slide: its tissue, its tiles, the probability of each, and the heatmap of any one of them."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import batch_caches, caches
from pages.ui.frame import guarded
from pages.ui.palette import palette
from pages.ui.slides import asking, showing
from pages.ui.slides.asking import Asked
from pages.ui.slides.figures import slide_figure
from pages.ui.slides.jobs import CANCELLED, DONE, REFUSED, PageSlide, Plan
from pages.ui.slides.shelf import HOURS

INTRODUCTION = (
    "Give a whole-slide image at the left, or let one be drawn. Its tissue is found and cut into tiles of "
    "the size and scale the run was trained on; each gets a probability, and any of them its heatmap. The "
    "result is a map of single tiles: no run here was validated for a verdict on a slide."
)
#: Seconds between two looks at a running slide.
TICK = 1.5


def show_slides(beside: DeltaGenerator) -> None:
    """The whole view. beside: the place beside the page's title."""
    asked = None
    with st.sidebar, guarded():
        asked = asking.ask(caches.runs().runs)
    if asked is None:
        st.write(INTRODUCTION)
        return
    if asked.place.synthetic:
        beside.badge("Synthetic slide", color="violet")
    _head(asked)
    if asked.plan is None:
        st.info(asked.missing)
        return
    job = batch_caches.slide_jobs().find(asked.plan)
    if job is None and asked.plan.finished:
        job = _start(asked.plan)  # all its tiles are on disk: only read again
        job.wait(5)
    if job is not None and job.busy:
        _watched(job)
    elif job is not None and job.state == DONE:
        showing.show(job.plan, job.scores)
    else:
        _not_at_work(asked.plan, job)


def _head(asked: Asked) -> None:
    told, drop = st.columns([8, 2], vertical_alignment="center")
    told.markdown(f"**{asked.slide.title}**")
    told.caption(
        f"Kept on this server under a name of ours for {HOURS} hours at most, with what was found on it. Its "
        "label and its name are never read or kept; writing on the glass within the scan is not removed."
    )
    drop.button(
        "Delete", key="delete slide", icon=":material/delete:", width="stretch", on_click=_delete,
        args=(asked,),
    )  # fmt: skip


def _not_at_work(plan: Plan, job: PageSlide | None) -> None:
    """Before it is begun, or where it was stopped, refused or cut off by a restart of the server."""
    if job is not None and job.state == REFUSED:
        st.error(job.sentence)
    label, told = "Score the slide", ""
    if job is not None and job.state == CANCELLED:
        label, told = "Go on", f"Cancelled: {job.job.done:,} of {job.job.total:,} tiles are done and kept."
    elif plan.begun:
        label, told = "Go on", "The server was restarted while this slide was scored: what was done is kept."
    if told:
        st.warning(told)
    st.button(
        label, type="primary", key="start slide", icon=":material/play_arrow:", on_click=_start, args=(plan,)
    )
    if job is not None and job.state == CANCELLED and job.scores is not None and job.scores.scored:
        showing.show(plan, job.scores)
        return
    found = batch_caches.slide_survey(plan.place.file, plan.mpp, plan.spec)
    st.caption(
        f"{found.tissue_mm2:.1f} mm² of tissue in {int(found.chosen.sum()):,} tiles "
        f"(of {found.grid.rows * found.grid.columns:,} in all); its outline is drawn."
    )
    for notice in found.notices:
        st.caption(notice)
    picture = showing.tissue_picture(found)
    st.plotly_chart(
        slide_figure(found, picture, palette()), theme=None, key="slide_tissue", config=showing.CONFIG
    )


@st.fragment(run_every=TICK)
def _watched(job: PageSlide) -> None:
    """The progress and the map so far; the page is drawn anew when it ends."""
    if not job.busy:
        st.rerun()
    bar, button = st.columns([8, 2], vertical_alignment="center")
    scores, work = job.scores, job.job
    with bar:
        if work is None or work.total == 0:
            st.progress(0.0, text="Looking for tissue")
        else:
            st.progress(work.done / work.total, text=_line(work))
    button.button(
        "Cancel", key="cancel slide", icon=":material/stop:", width="stretch", on_click=job.cancel,
        help="It stops after the tiles that are being computed; what is done is kept.",
    )  # fmt: skip
    if scores is not None and scores.scored:
        figure = slide_figure(scores.survey, showing.map_of(scores), palette(), scores)
        left, right = st.columns([7, 5], gap="medium")  # as the results will stand
        left.plotly_chart(figure, theme=None, key="slide_so_far", config=showing.CONFIG)
        right.caption(
            "Every fourth tile of every fourth row comes first, then those between: the map of the whole "
            "slide is there early. You can leave the page, its address finds the slide again."
        )


def _line(work) -> str:
    from xai.audit.job import spoken

    left = work.seconds_left
    return f"{work.done:,} of {work.total:,} tiles" + (
        f", {work.rate:.0f} a second, about {spoken(left)} left" if left is not None else ""
    )


def _start(plan: Plan) -> PageSlide:
    return batch_caches.slide_jobs().start(plan, caches.engine(plan.run))


def _delete(asked: Asked) -> None:
    batch_caches.slide_jobs().forget(asked.place)
    st.query_params.pop(asking.SLIDE, None)
    st.query_params.pop("tile", None)
