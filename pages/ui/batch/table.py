"""One page of a batch's rows as a table: small pictures, probabilities, verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from models.reports.tables import safe_cell
from pages.ui import batch_caches
from pages.ui.batch import words
from pages.ui.batch.columns import Results
from pages.ui.batch.opening import open_row
from pages.ui.batch.triage import Look
from pages.ui.palette import palette

if TYPE_CHECKING:
    import pandas as pd

    from pages.ui.batch.places import BatchPlace

ROW_HEIGHT, HEAD_HEIGHT, MOST_HEIGHT = 58, 37, 660
NAME_LENGTH = 60
CLICKS = "batch_clicks"
_SHOWN: dict[str, Any] = {
    "Image": st.column_config.ImageColumn(width=78, help="The image alone."),
    "Map": st.column_config.ImageColumn(
        width=78, help="Where the evidence lies. A map that a check refuses is not drawn."
    ),
    "Name": st.column_config.TextColumn(width=156),
    "Verdict": st.column_config.TextColumn(width=92),
    "Runs": st.column_config.TextColumn(width=120, help="Whether the runs call the image alike."),
    "Label": st.column_config.TextColumn(width=84, help="As given with the images, not by a run."),
    "Familiar": st.column_config.TextColumn(
        width=84, help="How like the run's training images it is. Unlike: the probability means nothing."
    ),
    "On the lesion": st.column_config.TextColumn(
        width=112,
        help="Whether the map's highest point lies on the outlined lesion, and how far both overlap.",
    ),
    "Side, view": st.column_config.TextColumn(width=84),
    "Modality": st.column_config.TextColumn(width=104),
    "Map warned of": st.column_config.TextColumn(width=140),
    "Patient": st.column_config.TextColumn(width=84),
    "Remark": st.column_config.TextColumn(width="large"),
}


def show(
    place: BatchPlace,
    results: Results,
    look: Look,
    places: np.ndarray,
    *,
    runs: Sequence[str] = (),
    height: int = MOST_HEIGHT,
    name: str = "table",
) -> None:
    """The rows at these positions; a click on one opens it. runs: a brief table of these runs' probabilities
    alone. name: tells this table from others of the page."""
    frame, config = table(place, results, look, places, runs)
    pictured = "Image" in frame.columns or "Map" in frame.columns
    row_height = ROW_HEIGHT if pictured else None
    # A key of its own after every click: coming back, nothing is still chosen.
    chosen = st.dataframe(
        _coloured(frame, results, look), column_config=config, hide_index=True, row_height=row_height,
        height=min(height, HEAD_HEIGHT + (row_height or 35) * len(frame) + 3),
        key=f"batch_{name}_{st.session_state.get(CLICKS, 0)}", on_select="rerun",
        selection_mode="single-cell", placeholder="", alt="The rows of the batch",
    )  # fmt: skip
    rows = [cell[0] for cell in chosen["selection"]["cells"]]
    if rows and rows[0] < len(places):
        clicked()
        open_row(place, results, look.run_id, int(places[rows[0]]))


def clicked() -> None:
    """Tables and figures forget what was chosen in them."""
    st.session_state[CLICKS] = st.session_state.get(CLICKS, 0) + 1


def table(
    place: BatchPlace, results: Results, look: Look, places: np.ndarray, runs: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows as a data frame, only columns that say anything, and how each is shown."""
    import pandas as pd

    columns = _pictures(place, results, look.run_id, places)
    columns["Name"] = [safe_cell(short_name(key)) for key in results.text("key")[places]]
    if not runs:
        columns["Verdict"] = _verdicts(results, look.run_id, places)
    config = dict(_SHOWN)
    for run in _look_first(results, look.run_id):
        if runs and run.id not in runs:
            continue
        name = f"p({run.positive})" if len(results.runs) == 1 else run.id
        columns[name] = results.answers(run.id).chance[places]
        config[name] = st.column_config.ProgressColumn(
            min_value=0.0, max_value=1.0, format="%.3f", width=116,
            help=f"Calibrated probability of {run.positive} by {run.id}. "
            + (f"Called so {words.rule(run)}." if len(run.classes) == 2 else ""),
        )  # fmt: skip
    if runs:
        columns.pop("Image", None)
        return pd.DataFrame(columns), config
    if len(results.runs) > 1:
        columns["Runs"] = _together(results, places)
    columns |= _facts(results, look.run_id, places)
    return pd.DataFrame(columns), config


def short_name(key: str, most: int = NAME_LENGTH) -> str:
    """A row's name: its end, which tells it from the others of its folder."""
    return key if len(key) <= most else f"\N{HORIZONTAL ELLIPSIS}{key[1 - most :]}"


def _look_first(results: Results, run_id: str) -> list:
    """The runs, the one looked at first."""
    return sorted(results.runs, key=lambda run: run.id != run_id)


def _pictures(
    place: BatchPlace, results: Results, run_id: str, places: np.ndarray
) -> dict[str, Sequence[str | None]]:
    found = {}
    for name, files in (("Image", results.thumbnails(run_id)), ("Map", results.heatmaps(run_id))):
        if any(files[places]):
            found[name] = [batch_caches.picture_uri(place.folder, file) for file in files[places].tolist()]
    return found


def _verdicts(results: Results, run_id: str, places: np.ndarray) -> list[str]:
    """In words; where this run alone refused the image, that."""
    said = results.answers(run_id).verdicts()[places]
    return [verdict or words.REFUSED_BY_RUN for verdict in said.tolist()]


def _together(results: Results, places: np.ndarray) -> list[str]:
    """Whether the runs agree, and if not how many call the positive class."""
    found = results.disagreement()
    positive = np.stack([results.answers(run.id).positive[places] for run in results.runs]).sum(axis=0)
    name = results.runs[0].positive if len({run.positive for run in results.runs}) == 1 else "positive"
    return [
        f"{yes} of {of} {name}" if split else "agree" if of > 1 else "one run alone"
        for yes, of, split in zip(
            positive.tolist(), found.answers[places].tolist(), found.differ[places].tolist(), strict=True
        )
    ]


def _facts(results: Results, run_id: str, places: np.ndarray) -> dict[str, Sequence[str]]:
    """Label, familiarity, side and view, warnings: each only where one of these rows has any."""
    sides = zip(results.fact("laterality")[places], results.fact("view")[places], strict=True)
    several = len(set(results.fact("modality").tolist()) - {""}) > 1
    remarks = zip(results.refusals(run_id)[places], results.notices(run_id)[places], strict=True)
    measured = zip(*(results.extra_number(run_id, name)[places] for name in ("pointing", "iou")), strict=True)
    columns = {
        "Label": results.text("label")[places],
        "Familiar": [words.UNLIKE.get(level, "") for level in results.familiar(run_id)[places]],
        "On the lesion": [words.on_lesion(*one) for one in measured],
        "Side, view": [words.side(*one) for one in sides],
        "Modality": results.fact("modality")[places] if several else (),
        "Map warned of": [text.replace(" ", ", ") for text in results.cautions(run_id)[places]],
        "Patient": results.text("patient_id")[places],
        "Remark": [" ".join(filter(None, one)) for one in remarks],
    }
    # A browser offers the table as a file: no spreadsheet must run a stranger's text.
    return {name: list(map(safe_cell, values)) for name, values in columns.items() if any(values)}


def _coloured(frame: pd.DataFrame, results: Results, look: Look) -> Any:
    """Verdicts of the class that must not be missed stand out."""
    positive, colours = results.answers(look.run_id).run.positive, palette()

    def verdict(text: str) -> str:
        return f"color: {colours.above}; font-weight: 600" if text == positive else ""

    def together(text: str) -> str:
        return f"color: {colours.above}" if " of " in text else f"color: {colours.muted}"

    def unlike(text: str) -> str:
        return (
            f"color: {colours.above}" if text.startswith((words.UNLIKE["bad"], words.UNLIKE["doubt"])) else ""
        )

    styled = frame.style
    for name, rule in (("Verdict", verdict), ("Runs", together), ("Familiar", unlike)):
        if name in frame.columns:
            styled = styled.map(rule, subset=[name])
    return styled
