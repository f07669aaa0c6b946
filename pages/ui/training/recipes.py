"""A run's recipe, readable, and what tells it from another run's."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from models.recipes.differences import WORDS, Choice, Difference, choices, differences
from models.reports.training import recipe_text, recipes_report
from models.runs import Run
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_report, offer_table

#: Headings over the parts of a recipe, in the order in which they are read; "" takes the keys without a part.
PARTS = {
    "data": "Data", "input": "Input", "prepare": "Cutting", "network": "Network", "start": "Starting weights",
    "": "Training", "augment": "Augmentation",
}  # fmt: skip
KINDS = {
    "changed": "changed", "only first": "only in the first", "only second": "only in the second",
    "same": "the same",
}  # fmt: skip


def show_recipe(run: Run) -> None:
    """Its choices as small tables beside the file itself, which has the reasons as comments."""
    text = recipe_text(run)
    every = choices(text)
    all_of_them = st.toggle(
        "Show defaults too", key="defaults", bind="query-params", persist_state="page",
        help="Choices that the recipe leaves to the program.",
    )  # fmt: skip
    read, written = st.columns([5, 6], gap="large")
    with read:
        _show_stages(every)
        for part, heading in PARTS.items():
            _show_part(heading, _of_part(every, part), all_of_them)
    with written:
        st.markdown("**The file**")
        st.code(text, language="toml", wrap_lines=True)
        st.download_button(
            "Recipe (TOML)", text, f"{run.id}.toml", "application/toml", key="download_recipe",
            on_click="ignore",
        )  # fmt: skip


def show_difference(first: Run, second: Run) -> None:
    """Two runs' recipes as a table of what differs: changed choices first."""
    found = differences(recipe_text(first), recipe_text(second))
    unlike = [item for item in found if item.kind != "same"]
    weighty = [item for item in unlike if not _is_words(item)]
    alike = len(found) - len(unlike)
    if not weighty:
        st.info("These recipes make the same choices; only their names and notes may differ.")
    else:
        differ = "choice differs" if len(weighty) == 1 else "choices differ"
        st.markdown(f"**{len(weighty)} {differ}**; {alike} are the same, defaults included.")
    whole = st.toggle("Show what is the same too", key="same", bind="query-params", persist_state="page")
    shown = found if whole else unlike
    names = (first.id, second.id)
    table = _difference_table(shown, names)
    if len(table):
        st.dataframe(
            table, hide_index=True, height="content" if len(table) < 40 else 900,
            alt=f"Difference between the recipes of {first.id} and {second.id}",
        )  # fmt: skip
    with st.container(horizontal=True):
        stem = f"{first.id}-against-{second.id}-recipes"
        offer_table(list(table.columns), table.to_numpy().tolist(), stem)
        offer_report(lambda: recipes_report(first, second), stem)


def _difference_table(found: Iterable[Difference], names: tuple[str, str]) -> pd.DataFrame:
    rows = [
        (
            item.key,
            item.first.shown if item.first else "",
            item.second.shown if item.second else "",
            KINDS[item.kind],
        )
        for item in found
    ]
    return pd.DataFrame(rows, columns=["Choice", *names, "Difference"])


def _is_words(item: Difference) -> bool:
    return any(item.key == words or item.key.startswith(f"{words}.") for words in WORDS)


def _of_part(every: dict[str, Choice], part: str) -> dict[str, Choice]:
    """The choices under "part." without that prefix; for "" those of no part, titles left out."""
    if part:
        return {
            key.removeprefix(f"{part}."): choice
            for key, choice in every.items()
            if key.startswith(f"{part}.")
        }
    return {
        key: choice
        for key, choice in every.items()
        if "." not in key and key not in ("stages", "id", "title", "suite")
    }


def _show_part(heading: str, found: dict[str, Choice], defaults: bool) -> None:
    rows = [(key, choice) for key, choice in found.items() if choice.written or defaults]
    if not rows:
        return
    st.markdown(f"**{heading}**")
    st.table(
        pd.DataFrame([(plain(key.replace("_", " ")), plain(choice.shown)) for key, choice in rows]),
        border="horizontal", hide_index=True, hide_header=True,
    )  # fmt: skip


def _show_stages(every: dict[str, Choice]) -> None:
    """A column a stage; a choice that every stage leaves to the program is left out."""
    stages = every.get("stages")
    if stages is None or not isinstance(stages.value, list) or not stages.value:
        return
    names = [str(name) for name in stages.value]
    by_stage = [_of_part(every, f"stages.{name}") for name in names]
    keys = dict.fromkeys(key for found in by_stage for key, choice in found.items() if choice.written)
    rows = [
        [plain(key), *(plain(found[key].shown) if key in found else "" for found in by_stage)] for key in keys
    ]
    st.markdown("**Stages, in their order**")
    st.table(pd.DataFrame(rows, columns=["", *map(plain, names)]), border="horizontal", hide_index=True)
