"""One study through many runs: what each says, where it looks, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.engines.shared import neighbours
from models.errors import BadInput
from models.runs import Run
from pages.ui import caches, panels, pickers, sentences, state
from pages.ui.comparing import choices, figures, words
from pages.ui.evaluation.figures import chart_config
from pages.ui.frame import guarded
from pages.ui.gallery import INSPECT, show_samples
from pages.ui.palette import palette
from pages.ui.pictures import Style
from pages.ui.plain_text import plain
from pages.ui.reporting import offer_report, offer_table
from pages.ui.viewing.controls import as_shown
from xai.explain import CaseExplanation, Reading
from xai.measures.agreement import Agreement, agreements

COLUMNS = (
    "run", "positive class", "probability", "threshold", "verdict", "map of", "pointing game", "IoU",
    "energy inside", "maximum (logits a cell)", "full colour at (logits a cell)", "caution",
)  # fmt: skip

#: A caution's kind in few words, for a card; its sentence is under the pointer and in the report.
SHORT = {
    "blank": "blank: nothing to draw",
    "saturated": "over half of the image at full colour",
    "padding": "evidence in the padding around the image",
    "border": "evidence along the image's border",
    "unscaled": "no colour range of its own",
}


@dataclass(frozen=True, eq=False)
class Compared:
    """One study as several runs see it.

    results: the explanation of `label` (the run's positive class where it is words.OWN_FINDING) for each
    reading, None where the run has no such class. places: the agreement of the maps, [n][n], over the
    readings that have one (`mapped`).
    """

    readings: tuple[Reading, ...]
    label: str
    results: tuple[CaseExplanation | None, ...]
    places: tuple[tuple[Agreement, ...], ...]

    @property
    def mapped(self) -> list[CaseExplanation]:
        return [result for result in self.results if result is not None]


def show(runs: Sequence[Run], beside: DeltaGenerator) -> None:
    """The whole view: what the sidebar asks, then the study through the chosen runs."""
    samples, chosen = caches.samples(), None
    picked: list[Run] = []
    with st.sidebar:
        with guarded():
            chosen = pickers.pick_case(samples, runs)
        if chosen is not None:
            with guarded():
                picked = choices.pick_runs(chosen.study, chosen.sample, runs)
            label = choices.pick_class(picked) if picked else None
        style = pickers.pick_style()
    if chosen is None:
        st.write("Upload an image at the left, or open a sample, to see what several runs say about it.")
        show_samples(samples, runs)
        return
    panels.show_study(chosen.study, beside)
    if not picked:
        st.info("Choose at least one run at the left.")
        return
    for sentence in words.doubts(chosen.study, picked):
        st.warning(sentence)
    compared = compare(chosen, picked, label)
    show_verdicts(compared)
    show_maps(compared, style, chosen.sample.id if chosen.sample else None)
    show_agreement(compared)
    offer(compared, style)


def compare(chosen: pickers.Chosen, runs: Sequence[Run], label: str) -> Compared:
    """Ask every run; one that cannot answer is a sentence, and the others go on."""
    readings = {}
    for run in neighbours(runs):
        with guarded():
            readings[run] = caches.shared_reading(chosen.study, run)
    answered = tuple(readings[run] for run in runs if run in readings)
    if not answered:
        raise BadInput("None of the chosen runs could be asked: choose others.")
    wanted = [reading.run.positive if label == words.OWN_FINDING else label for reading in answered]
    results = tuple(
        caches.explanation(reading, name, chosen.mask) if name in reading.run.classes else None
        for reading, name in zip(answered, wanted, strict=True)
    )
    places = agreements([result.joint for result in results if result is not None])
    return Compared(answered, label, results, tuple(map(tuple, places)))


def show_verdicts(compared: Compared) -> None:
    """What the runs say, all on one axis."""
    readings = compared.readings
    said, axis = st.columns([2.6, 7.4], gap="medium", vertical_alignment="center")
    with said:
        st.subheader(words.verdicts(readings), anchor=False)
        for line in (words.dissent(readings), words.findings(readings), words.pair_agreement(readings)):
            if line:
                st.markdown(line)
        st.markdown(f":small[:gray[{sentences.NOT_A_DIAGNOSIS}]]")
    positives = dict.fromkeys(reading.run.positive for reading in readings)
    title = f"calibrated probability of {' or '.join(positives)}, with each run's threshold"
    axis.plotly_chart(
        figures.probability_figure(
            [_called(reading) for reading in readings], figures.shown_text(title), palette()
        ),
        theme=None, key="probabilities", config=chart_config("probabilities"),
        alt="; ".join(f"{reading.run.id}: {reading.label}" for reading in readings),
    )  # fmt: skip


def show_maps(compared: Compared, style: Style, sample: str | None) -> None:
    """A card a run: its heatmap on its own fixed scale, and its numbers."""
    st.subheader(f"Evidence for {compared.label}", anchor=False)
    abreast = 3 if len(compared.readings) in (1, 2, 3, 5, 6) else 4
    pairs = list(zip(compared.readings, compared.results, strict=True))
    for start in range(0, len(pairs), abreast):
        row = pairs[start : start + abreast]
        for column, (number, (reading, result)) in zip(
            st.columns(abreast, gap="medium"), enumerate(row, start + 1), strict=False
        ):
            with column, guarded():
                _card(number, reading, result, compared.label, style, sample)
    notes = [
        "Colours run over each run's own fixed scale in its own logits: compare places, not brightness.",
        words.trunks([reading.run for reading in compared.readings]),
    ]
    st.caption(" ".join(filter(None, notes)))


def show_agreement(compared: Compared) -> None:
    """How far the maps agree, pair by pair, and who says the same for different places."""
    mapped = compared.mapped
    if len(mapped) < 2:
        return
    st.subheader("Do they look at the same place?", anchor=False)
    readings = [result.reading for result in mapped]
    labels = [result.label for result in mapped]
    found = words.apart(readings, labels, compared.places)
    if found:
        st.warning("  \n".join(found))
    elif sum(reading.label == label for reading, label in zip(readings, labels, strict=True)) > 1:
        st.markdown(f"No two runs that say {plain(compared.label)} do so for wholly different places.")
    names = [reading.run.id for reading in readings]
    for column, (title, key, signed) in zip(
        st.columns(2, gap="medium"),
        (("Rank correlation of all places", "rank", True), ("Overlap of the top tenth", "overlap", False)),
        strict=True,
    ):
        values = [[getattr(cell, key) for cell in row] for row in compared.places]
        with column:
            st.markdown(f"**{title}**")
            st.plotly_chart(
                figures.agreement_figure(values, names, palette(), signed=signed), theme=None, key=key,
                config=chart_config(key), alt=f"{title}, every run against every run",
            )  # fmt: skip
    st.caption(
        "Both on one grid over the native image, padding left out. Rank correlation: Spearman's, of the "
        "maps' signed values, -1 to 1. Overlap: intersection over union of the tenth of the area where each "
        "map is highest, as far as it is above zero; two tenths chosen blindly share 5 %. A dash: one of "
        "the two maps is blank."
    )


def offer(compared: Compared, style: Style) -> None:
    """The comparison as a table and as a report."""
    from pages.ui.comparing.report import study_report

    with st.container(horizontal=True):
        offer_report(lambda: study_report(compared, style), "comparison-of-runs-on-one-study")
        offer_table(COLUMNS, lambda: table(compared), "comparison-of-runs-on-one-study")


def table(compared: Compared) -> list[list[object]]:
    """A row a run, in the columns of COLUMNS."""
    rows = []
    for reading, result in zip(compared.readings, compared.results, strict=True):
        called, run = _called(reading), reading.run
        row = [run.id, run.positive, called.probability, called.threshold, reading.label]
        if result is None:
            rows.append([*row, "no such class", *[None] * 6])
            continue
        found = result.measures
        measured = (
            [None] * 3 if found is None else ["hit" if found.pointing else "miss", found.iou, found.energy]
        )
        cautions = " ".join(caution.sentence for caution in result.cautions)
        rows.append([*row, result.label, *measured, result.joint.maximum, result.joint.scale, cautions])
    return rows


def _called(reading: Reading) -> figures.Called:
    run = reading.run
    return figures.Called(
        name=run.id,
        probability=reading.probabilities[run.positive],
        threshold=reading.threshold if len(run.classes) == 2 else None,
        called=reading.label == run.positive,
    )


def _card(
    number: int, reading: Reading, result: CaseExplanation | None, label: str, style: Style,
    sample: str | None,
) -> None:  # fmt: skip
    run = reading.run
    st.markdown(
        f"**{number}  {plain(run.id)}**" + (" :small[:gray[synthetic]]" if run.card.synthetic else "")
    )
    if result is None:
        st.caption(f"This run has no class {plain(label)}: it tells {plain(', '.join(run.classes))}.")
        return
    picture = caches.card_picture(as_shown(reading.study), result.joint, style, result.mask)
    st.image(picture.png, width="stretch", alt=f"{run.id}: evidence for {result.label}")
    st.markdown("  \n".join(filter(None, (_verdict_line(reading), _measured(result)))))
    for caution in result.cautions:
        st.caption(f":material/warning: {SHORT[caution.kind]}", help=caution.sentence)
    if not result.joint.blank:
        st.caption(
            f"{result.joint.grid[0]} x {result.joint.grid[1]} cells. Full colour at "
            f"{result.joint.scale:.3g} logits a cell; this map reaches {result.joint.maximum:+.3g}."
        )
    if sample is not None and st.button("Open in Inspect", key=f"inspect {run.id}", type="tertiary"):
        st.switch_page(INSPECT, query_params={state.SAMPLE: sample, state.RUN: run.id})


def _verdict_line(reading: Reading) -> str:
    called = _called(reading)
    against = "" if called.threshold is None else f", threshold {called.threshold:.3f}"
    positive = plain(reading.run.positive)
    return f"Says **{plain(reading.label)}** :small[({positive} {called.probability:.3f}{against})]"


def _measured(result: CaseExplanation) -> str:
    found = result.measures
    if found is None:
        return ""
    return f":small[Pointing game {'hit' if found.pointing else 'miss'}, IoU with the lesion {found.iou:.2f}]"
