"""The sidebar of Trust: which audit, of which class, method and map, and which measure is looked at.

Every answer is in the address, as it is written on the page.
"""

from __future__ import annotations

import streamlit as st

from pages.ui.plain_text import plain
from pages.ui.trust import words
from pages.ui.trust.audited import Audited, Look
from pages.ui.trust.methods_at_hand import title_of

CLASS, METHOD, MAP, MEASURE = "class", "method", "map", "measure"
DEFAULT_MEASURE = "iou"


def ask_look(audit: Audited) -> Look:
    """Ask what of an audit is looked at; nothing is asked where there is no choice."""
    label = _one_of("Cases of", audit.labels, CLASS, help="The heatmap of each case's own class is measured.")
    titles = {title_of(name): name for name in audit.table.method_names}
    method = titles[_one_of("Method", list(titles), METHOD, help="How the heatmaps were made.")]
    maps = {words.map_name(name): name for name in audit.maps}
    shown = maps[_one_of("Map", list(maps), MAP, help="A hybrid's joint map is the sum of its branches'.")]
    offered = {words.name_of(name): name for name in audit.measures if name in words.GRADED}
    offered |= {words.name_of(name): name for name in audit.measures if name in words.FAITHFULNESS}
    first = list(offered.values()).index(DEFAULT_MEASURE) if DEFAULT_MEASURE in offered.values() else 0
    measure = offered[
        st.selectbox(
            "Measure, case by case", list(offered), first, key=MEASURE, bind="query-params",
            filter_mode=None,
        )
    ]  # fmt: skip
    st.caption(plain(words.meaning(measure)))
    return Look(method, shown, label, measure)


def _one_of(name: str, options: list[str] | tuple[str, ...], key: str, help: str) -> str:
    if len(options) == 1:
        return options[0]
    return st.selectbox(name, options, key=key, bind="query-params", filter_mode=None, help=help)
