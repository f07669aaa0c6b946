"""What could not be scored, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from models.batch import OK
from models.reports.tables import safe_cell
from pages.ui.batch import words
from pages.ui.batch.columns import Results
from pages.ui.plain_text import amount, plain

if TYPE_CHECKING:
    from pages.ui.batch.places import BatchPlace

KIND, PAGE = "kind", "refused_page"
EVERY = "all"
ROWS, MOST_REASONS = 50, 4
#: A longer reason takes two lines.
ONE_LINE = 64


def show(place: BatchPlace, results: Results) -> None:
    """The list, by what became of the file."""
    statuses = results.text("status")
    kinds = [status for status in results.counts() if status != OK]
    asked = EVERY
    if len(kinds) > 1:
        if st.session_state.get(KIND, EVERY) not in (EVERY, *kinds):
            del st.session_state[KIND]
        asked = st.segmented_control(
            "What became of it", (EVERY, *kinds), default=EVERY, required=True, key=KIND, bind="query-params",
            format_func=lambda kind: words.STATUSES.get(kind, kind),
        )  # fmt: skip
    places = np.flatnonzero(statuses != OK if asked == EVERY else statuses == asked)
    st.caption(
        f"{amount(len(places), 'file')} without a score; the batch went on with the others. "
        "Each stands in the exported table with its reason."
    )
    _reasons(results, places)
    pages = -(-len(places) // ROWS)
    page = min(pages, st.pagination(pages, key=PAGE)) if pages > 1 else 1
    shown = places[(page - 1) * ROWS : page * ROWS]
    st.dataframe(
        {
            "No.": results.indices[shown] + 1,
            "Name": list(map(safe_cell, results.text("key")[shown])),
            "What": [words.STATUSES.get(one, one) for one in statuses[shown]],
            "Why": list(map(safe_cell, results.text("why")[shown])),
        },
        column_config={
            "No.": st.column_config.NumberColumn(width=60),
            "Name": st.column_config.TextColumn(width=230),
            "What": st.column_config.TextColumn(width=96),
            "Why": st.column_config.TextColumn(width=520),
        },
        row_height=54 if any(len(why) > ONE_LINE for why in results.text("why")[shown]) else None,
        hide_index=True, height="content" if len(shown) < 16 else 600, alt="Files without a score",
    )  # fmt: skip


def _reasons(results: Results, places: np.ndarray) -> None:
    """The commonest reasons first, where several files share them."""
    reasons, sizes = np.unique(results.text("why")[places].astype(str), return_counts=True)
    if len(reasons) < 2 or len(reasons) > len(places) // 2:
        return
    commonest = np.argsort(-sizes, kind="stable")[:MOST_REASONS]
    st.caption("\n".join(f"- {sizes[at]:,} times: {plain(reasons[at])}" for at in commonest))
