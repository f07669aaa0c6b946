"""What a person takes home from any page: its state as a report, its tables as CSV, the run's model card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st

from models.errors import BadInput
from models.reports import Report, Section, Table, Text, to_html
from models.reports.document import cell_text
from models.reports.model_card import model_card
from models.reports.tables import to_csv_bytes
from models.runs import Run
from pages.ui import caches
from pages.ui.plain_text import plain

Rows = Iterable[Sequence[Any]] | Callable[[], Iterable[Sequence[Any]]]


def offer_report(make: Callable[[], Report], name: str, label: str = "Report (HTML)") -> None:
    """A button that downloads the report as `<name>.html`; it is made when it is asked for."""
    st.download_button(
        label, lambda: _report_file(make), f"{name}.html", "text/html", key=f"report {name}",
        on_click="ignore", help="One file with figures and tables, for reading, printing and sending on.",
    )  # fmt: skip


def offer_table(columns: Sequence[str], rows: Rows, name: str, label: str = "Table (CSV)") -> None:
    """A button that downloads a table as `<name>.csv`; `rows` may be a function that gives them when asked.

    Text that a spreadsheet could run as a formula is made harmless (models.reports.tables).
    """
    st.download_button(
        label, lambda: to_csv_bytes(columns, rows() if callable(rows) else rows), f"{name}.csv", "text/csv",
        key=f"table {name}", on_click="ignore",
    )  # fmt: skip


def show_model_card(run: Run) -> None:
    """The run's model card, closed until a person opens it (and not made before), with its download."""
    expander = st.expander("Model card", key=f"model card of {run.id}", on_change="rerun")
    if not expander.open:
        return
    with expander:
        try:
            report = caches.model_card(run)
        except BadInput as refusal:
            st.error(str(refusal))
            return
        show_report(report)
        offer_report(lambda: model_card(run), f"{run.id}-model-card", "Model card (HTML)")


def show_report(report: Report) -> None:
    """A report's sections as a page shows them; figures stay in the file."""
    st.caption(plain(report.notice))
    for section in report.sections:
        _show_section(section)


def _show_section(section: Section) -> None:
    st.markdown(f"**{plain(section.title)}**")
    for part in section.parts:
        if isinstance(part, Text):
            _show_text(part)
        elif isinstance(part, Table):
            _show_table(part)


def _show_text(text: Text) -> None:
    if text.kind == "code":
        st.code(text.text, language=None)
        return
    blocks = [
        plain(paragraph)
        if isinstance(paragraph, str)
        else "\n".join(f"- {plain(item)}" for item in paragraph)
        for paragraph in text.paragraphs
    ]
    show = {"warning": st.warning, "small": st.caption}.get(text.kind, st.markdown)
    show("\n\n".join(blocks))


def _show_table(table: Table) -> None:
    if not table.rows:
        return
    import pandas as pd

    rows = [[plain(cell_text(cell)) for cell in row] for row in table.rows]
    names = _unlike([plain(name) for name in table.columns] or [""] * len(rows[0]))
    st.table(
        pd.DataFrame(rows, columns=names), border="horizontal", hide_index=True, hide_header=not table.columns
    )
    if table.caption:
        st.caption(plain(table.caption))


def _unlike(names: Sequence[str]) -> list[str]:
    """The names with unseen spaces behind those that come again: a data frame's columns may not be alike."""
    return [name + "\u00a0" * names[:at].count(name) for at, name in enumerate(names)]


def _report_file(make: Callable[[], Report]) -> bytes:
    """What the person gets for a click: the report, or the sentence why there is none."""
    try:
        report = make()
    except BadInput as refusal:
        report = Report("No report", "", (Section("What was in the way", (Text(str(refusal), "warning"),)),))
    return to_html(report).encode()
