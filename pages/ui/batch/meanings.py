"""Labels that come with a batch, held against the runs before anything is read: what does each one mean?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from models.batch.labels import read_labels
from models.data.manifest import class_of
from models.errors import BadInput
from models.runs import Run
from pages.ui.batch.receiving import Given
from pages.ui.plain_text import plain, short

_MOST = 6


def labels_of(given: Given) -> tuple[str, ...]:
    """The distinct labels of the table that was given. BadInput for a table that cannot be read."""
    if given.table is None:
        return ()
    given.table.seek(0)
    return read_labels(given.table.read(), given.table.name).labels()


def unknown(labels: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """Those that stand for no class of one of the runs, in their order."""
    return [label for label in labels if not all(_known(label, run) for run in runs)]


def ask(labels: Sequence[str], runs: Sequence[Run]) -> tuple[bool | None, tuple[tuple[str, str], ...]]:
    """(whether the labels are used, (label, class) for those that the runs do not know).

    The first is None while somebody has to say what a label means: a sentence on the page says so.
    """
    strange = unknown(labels, runs)
    if not strange:
        return True, ()
    with st.container(border=True):
        without = st.toggle(
            "Score without labels", key="without_labels", bind="query-params",
            help="The images are scored as if nobody had labelled them.",
        )  # fmt: skip
        if without:
            return False, ()
        classes = _classes(runs)
        meant = _ask_each(strange, classes) if classes and len(strange) <= _MOST else ()
        missing = [label for label in strange if label not in dict(meant)]
        if not missing:
            return True, meant
        named = ", ".join(f"“{plain(short(label))}”" for label in missing[:_MOST])
        more = f" and {len(missing) - _MOST} more" if len(missing) > _MOST else ""
        what = "say what each means" if classes and len(strange) <= _MOST else "write these in the table"
        st.error(
            f"Labels that are no classes of the chosen runs: {named}{more}. The classes are "
            f"{_listed(runs)}: {what}, or score without labels."
        )
    return None, ()


def _ask_each(strange: Sequence[str], classes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    meant = []
    for label in strange:
        chosen = st.selectbox(
            f"What “{plain(short(label))}” means to the run", classes, None, key=f"means_{label}",
            placeholder="Not said yet", bind="query-params", filter_mode=None,
        )  # fmt: skip
        meant += [(label, chosen)] if chosen else []
    return tuple(meant)


def _classes(runs: Sequence[Run]) -> tuple[str, ...]:
    """The classes, where all runs have the same."""
    every = {run.classes for run in runs}
    return runs[0].classes if len({frozenset(one) for one in every}) == 1 else ()


def _listed(runs: Sequence[Run]) -> str:
    if classes := _classes(runs):
        return ", ".join(map(plain, classes))
    return "; ".join(f"{', '.join(map(plain, run.classes))} of {plain(run.id)}" for run in runs)


def _known(label: str, run: Run) -> bool:
    if label in run.card.data.leave_out:
        return True
    try:
        class_of(label, run.card.label_map, run.classes)
    except BadInput:
        return False
    return True
