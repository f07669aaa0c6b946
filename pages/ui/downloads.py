"""Files for the person to keep, made in memory when they are asked for."""

from __future__ import annotations

import streamlit as st

from pages.ui import sentences
from pages.ui.panels import chosen_map
from pages.ui.pictures import Style
from pages.ui.reporting import offer_report
from xai.drawing import draw_as
from xai.explain import CaseExplanation
from xai.export import document, file_stem, png_bytes, safe_part, to_json
from xai.report import explanation_report
from xai.trust import TrustCard, entry


def offer_downloads(result: CaseExplanation, name: str, style: Style, card: TrustCard) -> None:
    """The overlay as PNG without metadata, a JSON document with every number, and all of it to read."""
    heatmap, stem = chosen_map(result, name), file_stem(result)

    def overlay() -> bytes:
        display = result.study.display()
        return png_bytes(draw_as(display, heatmap, style.drawing, style.opacity, style.colours, result.mask))

    with st.container(horizontal=True):
        st.download_button(
            "Overlay (PNG)", overlay, f"{stem}-{safe_part(heatmap.map.name)}.png", "image/png",
            key="download_png", on_click="ignore",
        )  # fmt: skip
        st.download_button(
            "All numbers (JSON)", lambda: to_json(document(result) | {"trust": entry(card)}), f"{stem}.json",
            "application/json", key="download_json", on_click="ignore",
        )  # fmt: skip
        doubts = sentences.mismatches(result.study, result.run)
        offer_report(
            lambda: explanation_report(
                result, style.opacity, style.colours, doubts, card=card, drawing=style.drawing
            ),
            stem,
        )
