"""The mode itself: what is shown when, and where the opinions go."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from models.runs import Run
from models.study import Study
from pages.ui import sentences, state
from pages.ui.reading_first.asking import ask_opinion, show_image
from pages.ui.reading_first.log import COLUMNS, Asked, Opinion, Read, Said, changes, table
from pages.ui.reporting import offer_table
from xai.explain import CaseExplanation
from xai.trust import WORDS, TrustCard

MODE = "read_first"
_READS = "readings"
NOWHERE_ELSE = "Kept in this session alone, and gone with it: take the table with you."


def pick_mode() -> bool:
    """Ask whether the reader goes first."""
    return st.toggle(
        "Read first", key=MODE, bind="query-params",
        help="The image alone comes first. What the model says is shown once you have recorded an opinion.",
    )  # fmt: skip


def read_before(study: Study, run: Run) -> Read | None:
    """The reading of this image whose first opinion is recorded; else the image alone, and the questions."""
    asked = _asked(study, run)
    if (read := _reads().get(asked)) is not None:
        return read
    image, questions = st.columns([3, 1.3], gap="medium")
    with questions:
        st.subheader("Your reading first", anchor=False)
        opinion = ask_opinion(study, "before", "Record and see the model's")
        st.caption(f"{sentences.NOT_A_DIAGNOSIS}. {NOWHERE_ELSE}")
    if opinion is not None:
        _reads()[asked] = Read(asked, opinion)
        st.rerun()
    with image:
        show_image(study, "before")
    show_log()
    return None


def read_after(read: Read, result: CaseExplanation, card: TrustCard) -> None:
    """The first opinion again, the questions for the second, and what has been logged so far."""
    reading = result.reading
    said = Said(result.run.positive, reading.probabilities[result.run.positive], reading.label, card.level)
    st.subheader("And now?", anchor=False)
    st.markdown(f"Before: {told(read.before)}" + (f"  \nAfter: {told(read.after)}" if read.after else ""))
    if read.after is None:
        with st.container(width=520):
            opinion = ask_opinion(result.study, "after", "Record the second opinion")
        if opinion is not None:
            _reads()[read.asked] = replace(read, said=said, after=opinion)
            st.rerun()
    elif read.change or read.recall_changed:
        st.caption(f"You changed your mind. The map's trust card said: {WORDS[card.level]}.")
    if read.said is None and read.after is None:
        _reads()[read.asked] = replace(read, said=said)
    show_log()


def show_log() -> None:
    """The session's readings, to look at and to take home."""
    reads = list(_reads().values())
    if not reads:
        return
    with st.expander(f"Readings of this session: {len(reads)}", key="log_of_readings"):
        import pandas as pd

        rows = table(reads)
        st.caption(f"{changes(reads)} {NOWHERE_ELSE}")
        st.dataframe(pd.DataFrame(rows, columns=list(COLUMNS)), hide_index=True)
        with st.container(horizontal=True):
            offer_table(COLUMNS, lambda: rows, "readings", "Readings (CSV)")
            st.button("Forget them all", key="forget_readings", on_click=_forget)


def told(opinion: Opinion) -> str:
    """An opinion in words."""
    place = "" if opinion.place is None else f", at row {opinion.place[0]}, column {opinion.place[1]}"
    return f"suspicion {opinion.suspicion} of 5, {'recall' if opinion.recall else 'no recall'}{place}."


def _asked(study: Study, run: Run) -> Asked:
    case = state.opened_case()
    return Asked(study.digest, run.id, case.row if case else None, case.of if case else None)


def _reads() -> dict[Asked, Read]:
    return st.session_state.setdefault(_READS, {})


def _forget() -> None:
    st.session_state[_READS] = {}
