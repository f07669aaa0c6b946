"""How many lesions are found at how many false marks an image: the free-response curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.evaluation.figures import Axes, Line, chart_config, line_figure
from pages.ui.palette import palette
from pages.ui.plain_text import amount
from pages.ui.trust import words
from pages.ui.trust.audited import Audited, Look
from pages.ui.trust.methods_at_hand import title_of

#: More false marks an image than this are of no use to a reader.
MOST_MARKS = 8.0


def show(audit: Audited, look: Look) -> None:
    """The FROC curve of the method looked at, where the audit kept one."""
    found = ((audit.document or {}).get("froc") or {}).get(look.method)
    if not found:
        return
    st.subheader("Lesions found against false marks", anchor=False)
    drawn, told = st.columns([5.4, 4.6], gap="large")
    with drawn:
        reach = min(MOST_MARKS, max([1.0, *found["fp_per_image"]]))
        # With every mark told, more false ones find no more lesions.
        x, y = [*found["fp_per_image"], 2 * MOST_MARKS], [*found["sensitivity"], found["sensitivity"][-1]]
        line = Line("", np.array(x), np.array(y), palette().above, stepped=True)
        axes = Axes("false marks an image", "lesions found", (-0.02 * reach, 1.02 * reach), (-0.01, 1.03))
        st.plotly_chart(
            line_figure([line], axes, palette()), theme=None, key="froc", config=chart_config("froc"),
            alt="; ".join(f"{told} at {marks} false marks" for marks, told in rows(found)),
        )  # fmt: skip
    with told:
        st.markdown(
            f"{amount(found['lesions'], 'lesion')} in {amount(found['images'], 'image')} of "
            f"{audit.run.positive}, {title_of(look.method)}, joint map."
        )
        st.table(
            [{"False marks an image": marks, "Lesions found": share} for marks, share in rows(found)],
            border="horizontal", hide_index=True, alt="Sensitivity at given false marks an image",
        )  # fmt: skip
        st.caption(
            "Every peak of the map is a mark; a mark on a lesion finds it (FROC, Chakraborty 1989). It says "
            "more than the pointing game where images hold several lesions."
        )


def rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(false marks an image, share of lesions found with its interval)."""
    return [(str(marks), words.metric(metric)) for marks, metric in found.get("sensitivity_at", {}).items()]
