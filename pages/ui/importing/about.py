"""What a file cannot say about a run: its name, the kind of image, the data, the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui.samples import MODALITIES


@dataclass(frozen=True)
class About:
    """title: of the run. data: what it was tested on. threshold: on the probability of the positive class, or
    None for the usual choice (models.runs.importing.write_imported)."""

    title: str
    modality: str | None
    data: str
    threshold: float | None

    @property
    def lacking(self) -> str:
        """What is still to be said, as the end of a sentence; empty where nothing is."""
        wanted = [("a name", self.title), ("the kind of image", self.modality)]
        return " and ".join(what for what, given in wanted if not given)


def ask_about(stem: str, mark: str, *, scored: bool) -> About:
    """Ask for it. stem: a first name for the run. mark: tells one upload from the next. scored: whether there
    are probabilities to set a threshold on."""
    first, second, third, fourth = st.columns([4, 3, 4, 2], gap="medium")
    title = first.text_input(
        "Name of the run", stem, 120, key=f"import_title_{mark}", persist_state="session"
    )
    modality = second.selectbox(
        "Kind of image", MODALITIES, None, str.capitalize, key=f"import_modality_{mark}",
        placeholder="choose one", filter_mode=None, persist_state="session",
    )  # fmt: skip
    data = third.text_input(
        "Data it was tested on", max_chars=120, key=f"import_data_{mark}", placeholder="for example BUSI",
        persist_state="session",
    )  # fmt: skip
    threshold = None
    if scored:
        threshold = fourth.number_input(
            "Threshold", 0.0, 1.0, None, 0.01, format="%.3f", key=f"import_threshold_{mark}",
            placeholder="by itself", persist_state="session",
            help="Called positive at or above it. Left empty: the best by Youden on the validation cases "
            "where the file has some, else 0.5. Evaluate shows every other.",
        )  # fmt: skip
    return About((title or "").strip(), modality, (data or "").strip(), threshold)
