"""What Compare asks, with every answer in the address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import streamlit as st

from models.runs import Run
from models.study import Study
from pages.ui.comparing import words
from pages.ui.plain_text import plain
from pages.ui.samples import Sample, by_use, fitting_run

RUNS = "runs"
CLASS = "class"
AT_FIRST = 4


def refuse_unknown(key: str, known: Collection[str]) -> None:
    """A sentence for what the address asks for and is not at hand: the widget itself drops it in silence."""
    asked = [value for value in st.query_params.get_all(key) if value and value not in known]
    if asked:
        named = ", ".join(plain(value[:80]) for value in asked[:5])
        st.error(f"The address names {named} ({key}), which is not at hand here: choose another one.")


def pick_one(label: str, options: Sequence[str], key: str, **options_of_widget: object) -> str:
    """One of the options; the first unless the address or the person says otherwise."""
    refuse_unknown(key, options)
    return st.selectbox(
        label, options, key=key, bind="query-params", persist_state="page", filter_mode="contains",
        **options_of_widget,
    )  # fmt: skip


def pick_many(label: str, options: Sequence[str], key: str, **options_of_widget: object) -> list[str]:
    """Any of the options."""
    refuse_unknown(key, options)
    return st.multiselect(
        label, options, key=key, bind="query-params", persist_state="page", filter_mode="contains",
        **options_of_widget,
    )  # fmt: skip


def pick_runs(study: Study, sample: Sample | None, runs: Sequence[Run]) -> list[Run]:
    """Any set of the runs with weights that fit the study; at first a few of them."""
    fits = {run.id: run for run in fitting(study, runs)}
    begin = [run.id for run in beginning(study, sample, list(fits.values()))]
    chosen = pick_many(
        "Runs", list(fits), RUNS, default=begin, placeholder="Choose runs",
        help="Runs with weights for this image's modality. Trunks that several of them share are computed "
        "once.",
    )  # fmt: skip
    return [fits[id] for id in chosen]


def pick_class(runs: Sequence[Run]) -> str:
    """The class whose evidence is compared: the positive ones first. Of runs that look for different findings
    the first choice is OWN_FINDING."""
    positives = list(dict.fromkeys(run.positive for run in runs))
    names = positives + [name for run in runs for name in run.classes]
    own = [words.OWN_FINDING] if len(positives) > 1 else []
    return pick_one("Evidence for", list(dict.fromkeys(own + names)), CLASS)


def fitting(study: Study, runs: Sequence[Run]) -> list[Run]:
    """The runs with weights that were made for the study's modality; all where that is unknown."""
    return [
        run
        for run in by_use(runs)
        if run.has_weights and (study.modality is None or run.modality in (study.modality, "mixed"))
    ]


def beginning(study: Study, sample: Sample | None, fits: Sequence[Run]) -> list[Run]:
    """The runs to begin with: the one that fits a sample best, and others of its modality."""
    first = fitting_run(sample, fits) if sample else next(iter(fits), None)
    if first is None:
        return []
    alike: Callable[[Run], bool] = lambda run: run != first and run.modality == first.modality  # noqa: E731
    return [first, *filter(alike, fits)][:AT_FIRST]
