"""The same rows as pictures: each image with its map, the verdict, and the way to Inspect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from pages.ui import batch_caches
from pages.ui.batch import words
from pages.ui.batch.columns import Results
from pages.ui.batch.opening import inspect_link, openable
from pages.ui.batch.table import short_name
from pages.ui.batch.triage import Look
from pages.ui.plain_text import plain

if TYPE_CHECKING:
    from pages.ui.batch.places import BatchPlace

NARROWEST = 170
NAME_LENGTH = 30


def show(place: BatchPlace, results: Results, look: Look, places: np.ndarray) -> None:
    """Cards of the rows at these positions."""
    links = openable(place, look.run_id)
    with st.grid("auto", min_column_width=NARROWEST, gap="small"):
        for at in places.tolist():
            with st.container(gap="xsmall"):
                _card(place, results, look, at)
                if links:
                    inspect_link(place, int(results.indices[at]), look.run_id)


def _card(place: BatchPlace, results: Results, look: Look, at: int) -> None:
    answers = results.answers(look.run_id)
    heatmap, thumbnail = results.heatmaps(look.run_id)[at], results.thumbnails(look.run_id)[at]
    picture = batch_caches.picture(place.folder, heatmap or thumbnail, batch_caches.CARD, square=True)
    verdict = str(answers.verdicts()[at]) or words.REFUSED_BY_RUN
    if picture is not None:
        what = "with its map" if heatmap else "without a map"
        st.image(picture, width="stretch", alt=f"Row {results.indices[at]}, {verdict}, {what}")
    told = [f":small[:gray[{plain(short_name(results.text('key')[at], NAME_LENGTH))}]]"]
    label = str(results.text("label")[at])
    notes = [f"labelled {plain(label)}"] if label else []
    notes += [plain(f"{run.id} {share:.3f}") for run, share in _others(results, look.run_id, at)]
    level = str(results.familiar(look.run_id)[at])
    notes += [words.DOUBTED[level]] if level in ("doubt", "bad") else []
    warned = str(results.cautions(look.run_id)[at])
    notes += [f"map warned of: {plain(warned.replace(' ', ', '))}"] if warned else []
    told += [f":small[{', '.join(notes)}]"] if notes else []
    st.markdown("  \n".join([_verdict(answers, verdict, at), *told]))


def _verdict(answers: object, verdict: str, at: int) -> str:
    chance = answers.chance[at]
    said = f"**{plain(verdict)}**"
    if verdict == answers.run.positive:
        said = f":orange[{said}]"
    return said if np.isnan(chance) else f"{said} {chance:.3f}"


def _others(results: Results, run_id: str, at: int) -> list:
    """The other runs with their probability, where they gave one."""
    found = []
    for run in results.runs:
        share = results.answers(run.id).chance[at]
        if run.id != run_id and not np.isnan(share):
            found.append((run, share))
    return found
