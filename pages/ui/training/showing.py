"""The parts of the Training page. Each takes runs and shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from models.errors import BadInput
from models.reports import Report, join_reports
from models.reports.training import training_report
from models.runs import Run
from pages.ui import caches
from pages.ui.frame import guarded
from pages.ui.palette import DARK, palette
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_report, offer_table
from pages.ui.training import choices, notebook_html
from pages.ui.training.costs import show_costs
from pages.ui.training.curves import Trained, sentences_of, stage_sentence
from pages.ui.training.figures import curves_figure
from pages.ui.training.recipes import show_difference, show_recipe

NOTEBOOK_HEIGHT = 860
#: Nothing to drag; a camera that saves the figure as SVG.
_CONFIG = {
    "displaylogo": False, "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg", "filename": "learning-curves"},
}  # fmt: skip


def show_view(view: str, run: Run, others: Sequence[Run]) -> None:
    """The chosen part of the page for the chosen runs."""
    with guarded():
        if view == "Curves":
            show_curves([run, *others])
        elif view == "Recipe":
            _show_recipes(run, others)
        elif view == "Cost":
            show_costs([run, *others])
        else:
            show_notebook(run)


def _show_recipes(run: Run, others: Sequence[Run]) -> None:
    """The run's recipe, or what tells it from that of the first other run. Many runs come without one."""
    try:
        if not others:
            show_recipe(run)
            return
        if len(others) > 1:
            st.caption(f"Compared with {plain(others[0].id)}, the first of the runs beside it.")
        show_difference(run, others[0])
    except BadInput as refusal:
        st.info(str(refusal))


def show_curves(runs: Sequence[Run]) -> None:
    """The learning curves of the runs that have some, and what they tell."""
    found = []
    for run in runs:
        try:
            found.append(caches.trained(run))
        except BadInput as refusal:
            st.info(str(refusal))
    if not found:
        return
    with st.sidebar:
        style = choices.pick_style(found)
    if not style.measures:
        st.info("No curve is chosen: choose one at the left.")
        return
    figure = curves_figure(
        found, style.measures, palette(), smoothing=style.smoothing, logarithmic=style.logarithmic
    )
    alt = f"Learning curves of {', '.join(one.run.id for one in found)}"
    st.plotly_chart(figure, theme=None, key="learning_curves", config=_CONFIG, alt=alt)
    _tell(found)
    _offer(found)


def _tell(found: Sequence[Trained]) -> None:
    """What the curves say, a run a paragraph, and how to read them."""
    for one in found:
        told = " ".join(part for part in (*sentences_of(one), stage_sentence(one.history)) if part)
        st.markdown(f"**{plain(one.run.id)}:** {plain(told)}" if len(found) > 1 else plain(told))
    reading = (
        "Solid: validation; dashed: training. Training figures are taken during the epoch, with augmentation "
        "and dropout, and the training loss holds whatever the recipe adds (weights of classes, a teacher, "
        "guidance): compare their shape, not their height."
    )
    if len(found) > 1:
        reading += " The runs' losses compare only where data and classes are the same."
    st.caption(reading)


def _offer(found: Sequence[Trained]) -> None:
    """The figures of the first run as a table, and all of them as a report."""
    first = found[0]
    history = first.history
    rows = zip(
        map(int, history.epochs), history.stages, *(v.tolist() for v in history.columns.values()), strict=True
    )
    with st.container(horizontal=True):
        offer_table(["epoch", "stage", *history.columns], list(rows), f"{first.run.id}-history")
        offer_report(lambda: _report([one.run for one in found]), f"{first.run.id}-training")


def _report(runs: Sequence[Run]) -> Report:
    """One run's training, or a chapter a run."""
    reports = [training_report(run) for run in runs]
    if len(reports) == 1:
        return reports[0]
    chapters = [replace(report, title=run.id) for report, run in zip(reports, runs, strict=True)]
    return join_reports("Training", ", ".join(run.id for run in runs), chapters)


def show_notebook(run: Run) -> None:
    """The run's notebook, rendered so that nothing in it can act, with the file itself to download."""
    path = run.path(notebook_html.NOTEBOOK_FILE)
    if path is None:
        st.info(
            f"The run {run.id} came without a notebook. The synthetic runs (phantom-...) have one each: from "
            "manifest to run to heatmap."
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(
            "Shown as it was executed. Scripts, and what would be fetched from elsewhere, are left out.",
            width="content",
        )
        st.download_button(
            "Notebook (.ipynb)", path.read_bytes, f"{run.id}.ipynb", "application/x-ipynb+json",
            key="download_notebook", on_click="ignore",
            help="The file as it came with the run: open only notebooks whose source you trust.",
        )  # fmt: skip
    page = caches.notebook(run, palette() is DARK)
    st.iframe(
        notebook_html.framed(page, NOTEBOOK_HEIGHT), height=NOTEBOOK_HEIGHT, alt=f"Notebook of {run.id}"
    )
