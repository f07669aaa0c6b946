"""How far the maps of methods and of a hybrid's branches agree, as the audit stored it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.ui.comparing.figures import agreement_figure
from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.plain_text import plain
from pages.ui.trust import words
from pages.ui.trust.audited import Audited
from pages.ui.trust.methods_at_hand import title_of

METHODS, BRANCHES = "methods", "branches"


def show(audit: Audited) -> None:
    """Every method against every method, and branch against branch."""
    pairs = [] if audit.document is None else audit.document.get("agreement", [])
    between = [pair for pair in pairs if pair["kind"] == METHODS]
    branches = [pair for pair in pairs if pair["kind"] == BRANCHES]
    if not between and not branches:
        return
    st.subheader("Do they show the same places?", anchor=False)
    if between:
        _methods(audit, between)
    for pair in branches:
        first, second = map(plain, pair["between"])
        st.markdown(
            f"Branches **{first}** and **{second}**: rank correlation "
            f"{words.bold_value(words.metric(pair['rank']))}, overlap of the hottest tenth "
            f"{words.bold_value(words.metric(pair['overlap']))}."
        )
    st.caption(
        "Mean over the positive cases. Rank correlation: Spearman's, of all places of the image, -1 to 1. "
        "Overlap: of the tenth of the area where each map is highest; two tenths chosen blindly share 5 %. "
        "Agreement is no proof: maps of one network can be wrong together."
    )


def square(pairs: Sequence[Mapping[str, Any]], measure: str) -> tuple[list[str], list[list[float | None]]]:
    """Names, and the mean of `measure` between every two of them; None where it was not measured."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair["between"]))
    values: list[list[float | None]] = [[None] * len(names) for _ in names]
    for pair in pairs:
        i, j = (names.index(name) for name in pair["between"])
        values[i][j] = values[j][i] = pair[measure]["value"]
    return names, values


def _methods(audit: Audited, pairs: Sequence[Mapping[str, Any]]) -> None:
    for column, (title, measure) in zip(
        st.columns(2, gap="large"),
        (("Rank correlation of all places", "rank"), ("Overlap of the hottest tenth", "overlap")),
        strict=True,
    ):
        names, values = square(pairs, measure)
        with column:
            st.markdown(f"**{title}**")
            st.plotly_chart(
                agreement_figure(values, [title_of(n) for n in names], palette(), signed=measure == "rank"),
                theme=None, key=f"agreement {measure}", config=chart_config(f"{audit.run.id}-{measure}"),
                alt=f"{title}, every method against every method",
            )  # fmt: skip
