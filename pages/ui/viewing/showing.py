"""The lines beside an image: side, view, spacing, and areas in square millimetres."""

from __future__ import annotations

import streamlit as st

from models.study import Study
from pages.ui.plain_text import plain
from pages.ui.viewing import words
from xai.explain import CaseExplanation
from xai.heatmap import Heatmap
from xai.measures.areas import hot_share
from xai.report import area


def show_facts(study: Study) -> None:
    """Laterality, view, spacing and photometric interpretation, always; of a DICOM also what the page must
    say of text in its pixels."""
    told = (f":gray[{name}] {plain(value)}" for name, value in words.stated(study))
    st.markdown(f":small[{'&emsp;'.join(told)}]")
    if study.dicom is not None:
        st.caption(words.burned_in(study))


def area_line(result: CaseExplanation, heatmap: Heatmap) -> str:
    """How large the map's hot region is, and the lesion where one is drawn."""
    study = result.study
    lines = [f"Hot region (at least half of the map's maximum): {area(study, hot_share(heatmap))}."]
    if result.mask is not None:
        lines.append(f"Lesion mask: {area(study, float(result.mask.mean()))}.")
    if study.spacing_mm is None:
        lines.append("No pixel spacing is stated, so areas are shares of the image.")
    return " ".join(lines)
