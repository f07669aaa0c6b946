"""The parts of Inspect, from top to bottom. Each takes results and shows them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.runs import Run
from models.runs.pieces import cut_note
from models.study import Study
from pages.ui import caches, figures, sentences, state, trust_caches, viewer
from pages.ui.palette import palette
from pages.ui.pictures import Style, contour_lines
from pages.ui.viewing.controls import as_shown
from pages.ui.viewing.showing import area_line, show_facts
from pages.ui.viewing.words import picture_caption
from xai.cam import target_title, why_no_contributions
from xai.explain import CaseExplanation, Reading
from xai.heatmap import Heatmap
from xai.methods import METHODS
from xai.overlay import mask_outline

STILL = {"displayModeBar": False, "staticPlot": True}
JOINT = "joint"


def show_study(study: Study, place: DeltaGenerator, *, named: bool = True) -> None:
    """Which image this is, and below whatever reading it had to choose. named: with the file's name, which
    may say what the image shows."""
    if study.synthetic:
        place.badge("Synthetic phantom", color="violet")
    line = sentences.study_line(study)
    place.caption(line if named else line.removeprefix(f"{study.name}: "), width="content")
    show_facts(study)
    for notice in study.notices:
        st.caption(notice)


def show_verdict(reading: Reading) -> None:
    """What the model says, the probability against the operating point, and how far to trust it."""
    run = reading.run
    says, against = sentences.verdict(reading)
    words, gauge, trust = st.columns([2.7, 4, 3.3], gap="medium", vertical_alignment="center")
    words.subheader(says, anchor=False)
    words.markdown(f"{against}  \n:small[:gray[{sentences.NOT_A_DIAGNOSIS}]]")
    with gauge:
        _probability(reading)
    with trust:
        show_trust(run)
    if note := cut_note(run, reading.study.height, reading.study.width):
        st.caption(f":material/warning: {note}")


def _probability(reading: Reading) -> None:
    run, named = reading.run, reading.probabilities
    if len(run.classes) > 2:
        figure = figures.class_figure(named, reading.label, palette())
        alt = "Calibrated probability: " + ", ".join(f"{name} {p:.3f}" for name, p in named.items())
    else:
        figure = figures.gauge_figure(named[run.positive], run.operating_point, run.positive, palette())
        alt = (
            f"Calibrated probability of {run.positive}: {named[run.positive]:.3f}, "
            f"operating point {reading.threshold:.3f}"
        )
    st.plotly_chart(figure, theme=None, key="gauge", config=STILL, alt=alt)


def show_trust(run: Run) -> None:
    """The run's record on its own test cases, beside every result."""
    tested = "synthetic phantoms" if run.card.synthetic else run.card.data.name
    lines = (f"{name} {value}" for name, value in sentences.trust(run))
    st.markdown("  \n".join((f":small[:gray[Its record on test cases of {tested}]]", *lines)))


def show_flip(held: bool) -> None:
    """The button that takes the heatmap off its image and lays it on again."""
    shown = state.heatmap_shown()
    st.button(
        "Hide heatmap" if shown else "Show heatmap", key="flip_heatmap", shortcut="H", disabled=held,
        on_click=state.flip_heatmap,
        help="Held back: see the trust card." if held else "Compare with the bare image: press H.",
    )  # fmt: skip


def show_doubts(reading: Reading) -> None:
    """Why this run may have nothing to say about this image at all."""
    strange = trust_caches.familiar(reading)
    doubts = sentences.mismatches(reading.study, reading.run)
    if strange.level in ("bad", "doubt"):
        doubts = [*doubts, strange.sentence]
    if doubts:
        st.warning("  \n".join(doubts))


def show_maps(result: CaseExplanation, name: str, style: Style, held: str = "") -> None:
    """The image beside its heatmap. held: a word why the heatmap is not laid on it, whoever asked for it."""
    study, heatmap = as_shown(result.study), chosen_map(result, name)
    shown = state.heatmap_shown() and not heatmap.blank and not held
    picture = caches.overlay(study, heatmap, style) if shown else caches.original(study)
    outlines = [] if result.mask is None else [points + 0.5 for points in mask_outline(result.mask)]
    figure = figures.viewer_figure(
        caches.original(study), picture, heatmap, style.colours, palette(),
        captions=(_bare(study), _caption(result, heatmap, held or ("" if shown else "hidden"))),
        outlines=outlines, contours=contour_lines(heatmap) if shown and style.contoured else (),
        view=viewer.current_view(result.study.digest), readout=not held,
    )  # fmt: skip
    alt = f"The image, and beside it the evidence for {heatmap.map.title}"
    viewer.show_viewer(figure, result.study.digest, alt)
    _footnote(heatmap, style, caches.original(study).reduced)
    if not (held or heatmap.blank):
        st.caption(area_line(result, heatmap))


def show_waiting(result: CaseExplanation, name: str, style: Style) -> None:
    """The image alone where the heatmap will be, while the heatmap is being checked."""
    study, heatmap = as_shown(result.study), chosen_map(result, name)
    figure = figures.viewer_figure(
        caches.original(study), caches.original(study), heatmap, style.colours, palette(),
        captions=(_bare(study), _caption(result, heatmap, "being checked")),
        view=viewer.current_view(result.study.digest), readout=False,
    )  # fmt: skip
    st.plotly_chart(figure, theme=None, key="viewer_waiting", config=STILL, alt="The image, as stored")
    _footnote(heatmap, style, caches.original(study).reduced)


def show_branches(result: CaseExplanation, style: Style, held: bool = False) -> None:
    """Every branch's map and their joint map side by side, each on its own fixed scale."""
    if len(result.heatmaps) < 2:
        return
    st.subheader("What each branch saw", anchor=False)
    if held:
        st.caption("Held back with the map above, which did not pass its checks.")
        return
    maps, style = [*result.heatmaps, result.joint], replace(style, drawing="colour")
    for column, heatmap in zip(st.columns(len(maps)), maps, strict=True):
        with column:
            blank = " Blank: nothing to draw." if heatmap.blank else ""
            picture = caches.overlay(as_shown(result.study), heatmap, style)
            st.image(picture.png, width="stretch", alt=heatmap.map.name)
            st.caption(
                f"**{heatmap.map.name}**, {heatmap.grid[0]} x {heatmap.grid[1]} cells, "
                f"{heatmap.minimum:+.3g} to {heatmap.maximum:+.3g} ({heatmap.map.unit}), full colour at "
                f"{heatmap.scale:.2g}." + blank
            )


def show_numbers(result: CaseExplanation) -> None:
    """Each branch's signed contribution and the rest, and the measures where there is a lesion mask."""
    contributions, measured = st.columns(2, gap="medium")
    with contributions:
        st.subheader("What the margin is made of", anchor=False)
        _contributions(result)
    with measured:
        which = "Joint map" if len(result.heatmaps) > 1 else "Map"
        st.subheader(f"{which} against the lesion mask", anchor=False)
        _measures(result)


def show_details(result: CaseExplanation) -> None:
    """Everything that says which run, engine and bytes the numbers came from."""
    card, reading = result.run.card, result.reading
    with st.expander("About this run and this result"):
        for name, text in sentences.details(card, reading):
            if text:
                st.markdown(f":small[:gray[{name}]]  \n{text}")


def chosen_map(result: CaseExplanation, name: str) -> Heatmap:
    """The heatmap of that name; the joint one for "joint"."""
    return next((heatmap for heatmap in result.heatmaps if heatmap.map.name == name), result.joint)


def _contributions(result: CaseExplanation) -> None:
    margin = f"Margin of {target_title(result.label, result.against)}: {result.margin:+.3f} logit units."
    if why := why_no_contributions(result.reading.explained.head):
        st.caption(f"{margin} {why}")
        return
    # They are the network's and not a method's: Grad-CAM's maps of the last layers add up to them.
    plain_map = caches.explanation(result.reading, result.label, None, "grad-cam", result.against)
    branches = [(heatmap.map.name, heatmap.map.contribution) for heatmap in plain_map.heatmaps]
    parts = [*branches, ("rest", plain_map.rest)]
    st.plotly_chart(
        figures.contribution_figure(parts, plain_map.margin, plain_map.joint.map.title, palette()),
        theme=None, key="contributions", config=STILL, alt=f"Contributions to the margin of {result.label}",
    )  # fmt: skip
    st.caption(
        "Signed, in logit units. The rest (biases carried through the head) has no place in the image; "
        "contributions and rest add up to the margin."
    )


def _measures(result: CaseExplanation) -> None:
    found = sentences.measures(result)
    if not found:
        st.caption("No lesion mask: give one in the sidebar to see whether the map finds the lesion.")
        return
    for column, (name, value, meaning) in zip(st.columns(len(found)), found, strict=True):
        column.metric(name, value, help=meaning)
    if result.label != result.run.positive:
        st.caption(f"The map explains {result.label}, which is not the finding the mask outlines.")
    st.caption(sentences.one_case(result.run))


def _bare(study: Study) -> str:
    return picture_caption(study, study.dicom and study.dicom.window)


def _caption(result: CaseExplanation, heatmap: Heatmap, why_not: str) -> str:
    what = f"{METHODS[result.method].title}: evidence for {heatmap.map.title}"
    if len(result.heatmaps) > 1:
        what += f", {sentences.map_name(heatmap)}"
    if heatmap.blank:
        return f"{what}: blank, nothing to draw"
    return f"{what} ({why_not})" if why_not else what


def _footnote(heatmap: Heatmap, style: Style, reduced: bool) -> None:
    fixed = "this map's own maximum: compare its colours with no other map's" if heatmap.relative else (
        f"fixed by the run; this map reaches {heatmap.maximum:+.3f}"
    )  # fmt: skip
    parts = [
        f"True resolution: {sentences.grid_size(heatmap)}.",
        f"Full colour at {heatmap.scale:.3g} {units(heatmap)}, {fixed}.",
    ]
    if style.contoured:
        parts.append("Contours at 25, 50 and 75 % of full colour.")
    if reduced:
        parts.append("The picture on screen is reduced; measures use every pixel.")
    st.caption(" ".join(parts))


def units(heatmap: Heatmap) -> str:
    """What a map's values are in, in the plural: "logit units per cell"."""
    return heatmap.map.unit.replace("logit", "logit units", 1)
