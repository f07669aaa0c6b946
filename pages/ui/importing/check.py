"""An uploaded table beside what it is read as, and whether it can be read at all."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.evaluation import Predictions
from models.runs.importing import Log, Table
from pages.ui.importing.upload import Cases
from pages.ui.plain_text import amount, plain

ROWS = 5


def show_file(table: Table) -> None:
    """The first rows as they came."""
    size = f"{amount(len(table), 'row')}, {amount(len(table.columns), 'column')}"
    st.caption(f"The file {plain(table.name)}: {size}")
    st.dataframe(table.head(ROWS), hide_index=True, alt="First rows of the file", key="import_file")


def show_reading(cases: Cases) -> None:
    """The same rows as cases, how many of what there are, and the columns to look at subgroups by."""
    st.caption("Read as")
    st.dataframe(
        first_cases(cases.predictions), hide_index=True, alt="First cases as read", key="import_read"
    )
    st.success(cases.summary, icon=":material/check:")


def first_cases(predictions: Predictions, rows: int = ROWS) -> list[dict[str, str]]:
    """A row a case, for people."""
    few = predictions.take(np.arange(min(rows, len(predictions))))
    return [
        {
            "Case": case,
            "Patient": patient,
            "Part": part,
            "Label": few.classes[label] if label >= 0 else "",
            **{f"p({name})": f"{p:.3f}" for name, p in zip(few.classes, row, strict=True)},
        }
        for case, patient, part, label, row in zip(
            few.case_ids, few.patient_ids, few.splits, few.labels, few.probabilities, strict=True
        )
    ]


def show_history(log: Log, name: str) -> None:
    """What a log holds, and what it tells at a glance."""
    history = log.history
    figures = ", ".join(plain(column) for column in history.columns)
    sentence = f"{plain(name)}, read as {plain(log.tool)}: {amount(len(history), 'epoch')} of {figures}."
    st.success(sentence, icon=":material/check:")
