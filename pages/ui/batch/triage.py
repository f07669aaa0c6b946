"""Which rows of a batch are shown, in which order, and how: asked above the table, kept in the address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from pages.ui.batch import words
from pages.ui.batch.columns import Results
from pages.ui.plain_text import amount, plain

#: Names in the address; none is another page's, to which a link may lead from here.
ORDER, BY, FORM, PAGE = "triage", "maps_of", "look", "sheet"
VERDICT, TRUTH, CHANCE, DIFFER, WARNED = "verdict", "labelled", "p", "differ", "warned"
TABLE, PICTURES = "Table", "Pictures"
#: What is known of images and can be filtered by: column -> name for people.
FACTS = {"modality": "Modality", "laterality": "Laterality", "view": "View"}
NO_LABEL = "no label"
#: A filter offers no more values than this.
MOST = 40
#: A name that is looked for is never in the address.
_TEXT = "batch_text"


@dataclass(frozen=True)
class Look:
    """What is looked at. run_id: the run whose verdicts are ordered and filtered. facts: column -> values.
    An empty tuple lets everything through."""

    run_id: str
    order: str = words.AS_GIVEN
    form: str = TABLE
    text: str = ""
    verdicts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    chance: tuple[float, float] = (0.0, 1.0)
    cautions: tuple[str, ...] = ()
    differing: bool = False
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def filters(self) -> int:
        """How many filters hold rows back, the text not among them."""
        given = (self.verdicts, self.labels, self.cautions, *self.facts.values())
        return sum(map(bool, given)) + self.differing + (self.chance != (0.0, 1.0))


def kept(results: Results, look: Look) -> np.ndarray:
    """bool [n]: rows that were read and that every filter lets through."""
    answers = results.answers(look.run_id)
    keep = results.read.copy()
    if look.verdicts:
        keep &= np.isin(answers.verdicts().astype(str), look.verdicts)
    if look.labels:
        wanted = ["" if label == NO_LABEL else label for label in look.labels]
        keep &= np.isin(results.text("label").astype(str), wanted)
    if look.chance != (0.0, 1.0):
        low, high = look.chance
        keep &= (answers.chance >= low) & (answers.chance <= high)
    for name, values in look.facts.items():
        if values:
            keep &= np.isin(results.fact(name).astype(str), values)
    if look.cautions:
        wanted = set(look.cautions)
        keep &= np.array([bool(wanted & set(c.split())) for c in results.cautions(look.run_id)], dtype=bool)
    if look.differing:
        keep &= results.disagreement().differ
    return keep & _named(results, look.text)


def in_order(results: Results, look: Look) -> np.ndarray:
    """int [k]: positions of the rows that are kept, in the order asked for."""
    keep = kept(results, look)
    if look.order == words.AS_GIVEN:
        places = np.flatnonzero(keep)
        return places[np.argsort(results.indices[places], kind="stable")]
    places = results.ordered(look.order, look.run_id)
    return places[keep[places]]


def _named(results: Results, text: str) -> np.ndarray:
    """bool [n]: rows whose name or patient holds the text, whatever its case."""
    wanted = text.strip().casefold()
    if not wanted:
        return np.ones(len(results), dtype=bool)
    names = zip(results.text("key").tolist(), results.text("patient_id").tolist(), strict=True)
    return np.array([wanted in key.casefold() or wanted in who.casefold() for key, who in names], dtype=bool)


def ask_look(results: Results) -> Look:
    """Ask above the table."""
    with st.container(key="batch_asking", horizontal=True, vertical_alignment="bottom", gap="small"):
        run_id = _ask_run(results)
        orders = words.orders(results, run_id)
        titles = list(orders)
        if st.session_state.get(ORDER, titles[0]) not in titles:
            del st.session_state[ORDER]  # it asked for what this batch cannot be ordered by
        order = st.selectbox(
            "Order", titles, key=ORDER, bind="query-params", filter_mode=None, width=225,
            help=words.ORDER_HELP, on_change=first_page,
        )  # fmt: skip
        text = st.text_input(
            "Find", key=_TEXT, placeholder="file or patient", icon=":material/search:", width=190,
            on_change=first_page, live="400ms",
        )  # fmt: skip
        asked = _ask_filters(results, run_id)
        form = TABLE
        if results.has_pictures(run_id):
            form = st.segmented_control(
                "Shown as", (TABLE, PICTURES), default=TABLE, required=True, key=FORM, bind="query-params",
            )  # fmt: skip
    return Look(run_id, orders[order], form, text, **asked)


def _ask_run(results: Results) -> str:
    ids = [run.id for run in results.runs]
    if len(ids) == 1:
        return ids[0]
    if st.session_state.get(BY, ids[0]) not in ids:
        del st.session_state[BY]
    return st.selectbox(
        "Verdicts and maps of", ids, key=BY, bind="query-params", filter_mode=None, width=210,
        on_change=first_page, help="Order, verdicts, filters and pictures are those of this run.",
    )  # fmt: skip


def _ask_filters(results: Results, run_id: str) -> dict:
    """The filters that would hold something back, each a field of Look."""
    run = results.answers(run_id).run
    with st.popover("Filters", icon=":material/filter_alt:", key="batch_filters"):
        asked: dict = {"verdicts": _ask_many("Verdict", list(run.classes), VERDICT)}
        labels = _values(results.text("label"), results.read)
        if labels != [""]:
            named = [label or NO_LABEL for label in labels]
            asked["labels"] = _ask_many("Label", named, TRUTH)
        asked["chance"] = st.slider(
            f"Probability of {plain(run.positive)}", 0.0, 1.0, (0.0, 1.0), 0.01, key=CHANCE,
            bind="query-params", on_change=first_page,
        )  # fmt: skip
        facts = {}
        for name, title in FACTS.items():
            values = [value for value in _values(results.fact(name), results.read) if value]
            if len(values) > 1:
                facts[name] = _ask_many(title, values, f"is_{name}")
        asked["facts"] = facts
        kinds = sorted(
            {kind for text in _values(results.cautions(run_id), results.read) for kind in text.split()}
        )
        if kinds:
            asked["cautions"] = _ask_many("Map warned of", kinds, WARNED)
        if len(results.runs) > 1:
            asked["differing"] = st.toggle(
                "Only where runs differ", key=DIFFER, bind="query-params", on_change=first_page
            )
    return asked


def _ask_many(title: str, values: Sequence[str], key: str) -> tuple[str, ...]:
    offered = [*values, *(one for one in st.session_state.get(key, ()) if one not in values)]
    return tuple(
        st.multiselect(
            title, offered, key=key, bind="query-params", placeholder="any", filter_mode=None,
            on_change=first_page,
        )
    )  # fmt: skip


def _values(column: np.ndarray, of: np.ndarray) -> list[str]:
    """The distinct values, few enough to choose from."""
    found = np.unique(column[of].astype(str)).tolist()
    return found if len(found) <= MOST else [""]


def first_page() -> None:
    """Another order or filter begins at its first page."""
    if PAGE in st.session_state:
        st.session_state[PAGE] = 1


def said(look: Look, shown: int, of: int) -> str:
    """What is held back, in a line."""
    order = words.ORDER_SAID[look.order]
    if not look.filters and not look.text.strip():
        return f"{amount(of, 'scored image')}, {order}"
    held = [amount(look.filters, "filter")] if look.filters else []
    held += ["the name looked for"] if look.text.strip() else []
    return f"**{shown:,}** of {amount(of, 'scored image')} by {' and '.join(held)}, {order}"
