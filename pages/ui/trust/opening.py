"""From a mark of a figure to its case, and from a case to Inspect."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.runs import Run
from pages.ui import state
from pages.ui.gallery import INSPECT
from pages.ui.trust.audited import Audited

TABS = "tab"
CASES = "Cases"


def take_point(chart: str, audit: Audited) -> None:
    """A click on a case in a figure puts it into the address and opens the tab of cases."""
    points = st.session_state[chart]["selection"]["points"]
    if not points or (index := points[0].get("customdata")) is None:
        return
    row = int(np.ravel(index)[0])
    if row >= 0:
        open_case(row)
        st.session_state[TABS] = CASES


def open_case(row: int) -> None:
    """The case stands in the address by its row, never by its name."""
    st.query_params[state.CASE] = str(row)


def opened(audit: Audited) -> int | None:
    """The row that the address names, where it is a case of this audit."""
    row = st.query_params.get(state.CASE, "")
    if not (row.isascii() and row.isdecimal() and len(row) < 10):
        return None
    audited = {audit.row(case) for case in set(audit.table.case_ids.tolist())}
    return int(row) if int(row) in audited else None


def inspect_link(run: Run, row: int, label: str | None = None) -> None:
    """A link that opens the case in Inspect."""
    st.page_link(
        INSPECT, label=label or f"Inspect case {row}", icon=":material/center_focus_strong:",
        query_params={state.RUN: run.id, state.CASE: str(row)},
    )  # fmt: skip
