"""What runs cost to train and to use, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from models.runs import Run
from pages.ui import sentences
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_table

#: Column -> (heading, plotted how, meaning). The order of the table.
_COLUMNS = {
    "run": ("Run", None, ""),
    "strategy": ("Training", None, "How the weights came about."),
    "images": ("Images", "%d", "Training images."),
    "epochs": ("Epochs", "%d", ""),
    "minutes": ("Minutes", "%.1f", "Wall-clock time of the training, on the device named below."),
    "parameters": ("Parameters", "localized", ""),
    "layers": ("Layers", "%d", ""),
    "megabytes": ("Weights, MB", "%.2f", "Size of the shipped weights, in half precision."),
    "milliseconds": ("An image, ms", "%.1f", "One pass with heatmap, median, one image at a time."),
    "memory": ("Memory, MB", "%d", "Highest memory of the program while it explained images."),
    "auc": ("AUC (95 % interval)", None, "On the run's own test cases: other data, other AUC."),
    "seed": ("Seed", "%d", ""),
}


def show_costs(runs: Sequence[Run]) -> None:
    """The cost table of these runs, with its download."""
    table = cost_table(runs)
    settings = {
        heading: st.column_config.NumberColumn(help=meaning or None, format=form)
        if form
        else st.column_config.TextColumn(help=meaning or None)
        for heading, form, meaning in _COLUMNS.values()
        if heading in table
    }
    st.dataframe(table, hide_index=True, column_config=settings, placeholder="", alt="What these runs cost")
    told = [_distinct("Trained on", runs, "device"), _distinct("One image measured with", runs, "engine")]
    told.append(
        "Measured on the machine that made the run: compare runs with each other, not with those of another "
        "machine. What a run does not tell is left empty."
    )
    st.caption(" ".join(filter(None, told)))
    cells = table.astype(object).where(table.notna(), None)
    offer_table(list(table.columns), cells.to_numpy().tolist(), "cost")


def cost_table(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a run; columns that no run fills are left out. Numbers are numbers, so that they sort."""
    table = pd.DataFrame([_row(run) for run in runs], columns=list(_COLUMNS))
    table = table.dropna(axis="columns", how="all")
    return table.rename(columns={key: heading for key, (heading, *_) in _COLUMNS.items()})


def _row(run: Run) -> dict[str, Any]:
    training, cost = run.card.training, run.card.cost
    seconds = _number(training.get("seconds"))
    return {
        "run": run.id,
        "strategy": training.get("strategy"),
        "images": run.card.data.n_train,
        "epochs": _number(training.get("epochs")),
        "minutes": None if seconds is None else seconds / 60,
        "parameters": _number(cost.get("parameters")),
        "layers": _number(cost.get("layers")),
        "megabytes": _number(cost.get("weight_megabytes")),
        "milliseconds": _number(cost.get("inference_ms")),
        "memory": _number(cost.get("memory_megabytes")),
        "auc": sentences.figure(sentences.test_metric(run, "auc")),
        "seed": _number(training.get("seed")),
    }


def _distinct(words: str, runs: Sequence[Run], fact: str) -> str:
    """What the cards say of a fact, each answer once: "Trained on tensorflow, x86_64."; for Markdown."""
    facts = (run.card.training.get(fact) or run.card.cost.get(fact) for run in runs)
    answers = dict.fromkeys(str(answer) for answer in facts if answer)
    return f"{words} {plain(' or '.join(answers))}." if answers else ""


def _number(value: object) -> float | None:
    """A number of a card, whose facts are free: words are no number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
