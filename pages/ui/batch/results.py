"""The results of a batch, as far as they are there: counts, triage, the table and its pictures, exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.batch.results import read_batch
from pages.ui import batch_caches
from pages.ui.batch import between, cards, evaluating, exporting, refused, table, triage, words
from pages.ui.batch.columns import Results
from pages.ui.batch.opening import why_not_openable
from pages.ui.frame import guarded
from pages.ui.plain_text import plain

if TYPE_CHECKING:
    from pages.ui.batch.places import BatchPlace

TABS = "results"
CASES, LEFT_OUT, RUNS, CHECK, EXPORT = "Images", "Not scored", "Runs compared", "Evaluate", "Export"
ROWS = 50
#: The head names no more runs than this.
MOST_RUNS = 4
#: Seconds between two looks at a batch that is at work.
TICK = 3.0


def show_results(place: BatchPlace, beside: DeltaGenerator) -> None:
    """Everything the batch has found so far; it may be drawn again while the batch is at work."""
    with guarded():
        batch = read_batch(place.folder)
        # A batch at work here is drawn again by its own page.
        every = TICK if batch.state == "running" and not place.has_images else None
        st.fragment(_shown, run_every=every)(place)


def _shown(place: BatchPlace) -> None:
    """All that hangs on the results: a choice among them reruns this and nothing else."""
    with guarded():
        results = batch_caches.labelled(place)
        if not len(results):
            st.caption("No result yet.")
            return
        _head(results)
        names = [CASES]
        names += [LEFT_OUT] if not results.read.all() else []
        names += [RUNS] if len(results.runs) > 1 else []
        names += [CHECK, EXPORT]
        shows = {
            CASES: _show_images, LEFT_OUT: refused.show, RUNS: between.show, CHECK: evaluating.show,
            EXPORT: exporting.show,
        }  # fmt: skip
        for tab, name in zip(st.tabs(names, key=TABS, bind="query-params"), names, strict=True):
            if tab.open:
                with tab, guarded():
                    shows[name](place, results)


def _head(results: Results) -> None:
    """What came of it, in figures."""
    scored = int(results.read.sum())
    figures = [("Scored", f"{scored:,} of {len(results):,}", words.left_out(results.counts()))]
    for run in results.runs[:MOST_RUNS]:
        answers = results.answers(run.id)
        positive, of = int(answers.positive.sum()), int(answers.scored.sum())
        name = "Verdicts" if len(results.runs) == 1 else run.id
        figures.append(
            (name, f"{positive:,} {run.positive}", f"{words.share(positive, of)}, {words.at(run)}")
        )
    if len(results.runs) > 1:
        alike, of = words.agreement(results)
        figures.append(("Runs agree", words.share(alike, of), f"{alike:,} of {of:,} images"))
    with st.grid("auto", min_column_width=205, gap="small", key="batch_head"):
        for name, value, more in figures:
            st.markdown(
                f":small[:gray[{plain(name)}]]  \n**{plain(value)}**"
                + (f" :small[:gray[{plain(more)}]]" if more else "")
            )


def _show_images(place: BatchPlace, results: Results) -> None:
    """The rows that were scored, in the order asked for."""
    if not results.read.any():
        st.info("No image of this batch could be scored: the list of what was not scored says why.")
        return
    look = triage.ask_look(results)
    places = triage.in_order(results, look)
    click = "" if why_not_openable(place, look.run_id) else ". A click on a row opens it in Inspect"
    click = click if look.form == triage.TABLE else ""
    st.caption(triage.said(look, len(places), int(results.read.sum())) + click)
    if not len(places):
        st.info("No image is like that: take a filter away.")
        return
    pages = -(-len(places) // ROWS)
    page = 1
    below = st.container()
    if pages > 1:
        page = min(pages, st.pagination(pages, key=triage.PAGE, bind="query-params"))
    shown = places[(page - 1) * ROWS : page * ROWS]
    with below:
        (cards if look.form == triage.PICTURES else table).show(place, results, look, shown)
    if why := why_not_openable(place, look.run_id):
        st.caption(why)
