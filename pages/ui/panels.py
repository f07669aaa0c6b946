"""The parts of Inspect, from top to bottom. Each takes results and shows them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.runs import Run
from models.study import Study
from pages.ui import caches, figures, sentences, state, viewer
from pages.ui.palette import palette
from pages.ui.pictures import Style, contour_lines
from xai.cam import why_no_contributions
from xai.explain import CaseExplanation, Reading
from xai.guards import judge
from xai.heatmap import Heatmap
from xai.overlay import mask_outline

STILL = {"displayModeBar": False, "staticPlot": True}
JOINT = "joint"


def show_study(study: Study, place: DeltaGenerator) -> None:
    """Which image this is, and below whatever reading it had to choose."""
    if study.synthetic:
        place.badge("Synthetic phantom", color="violet")
    place.caption(sentences.study_line(study), width="content")
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


def pick_map(run: Run) -> tuple[str, str]:
    """Ask for a class and a map (a branch's name or "joint"), and offer to hide the heatmap."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = st.segmented_control(
            "Evidence for", run.classes, default=run.positive, required=True, key=f"class of {run.id}"
        )
        branches = [branch.name for branch in run.branches]
        name = JOINT
        if len(branches) > 1:
            name = st.segmented_control(
                "Map", [JOINT, *branches], default=JOINT, required=True, key=f"map of {run.id}",
                format_func=lambda name: "Joint" if name == JOINT else name,
            )  # fmt: skip
        shown = state.heatmap_shown()
        st.button(
            "Hide heatmap" if shown else "Show heatmap", key="flip_heatmap", shortcut="H",
            on_click=state.flip_heatmap, help="Compare with the bare image: press H.",
        )  # fmt: skip
    return label, name


def show_maps(result: CaseExplanation, name: str, style: Style) -> None:
    """The image beside its heatmap, with whatever speaks against taking the heatmap at face value."""
    study, heatmap = result.study, chosen_map(result, name)
    cautions = result.cautions if name == JOINT else judge(heatmap)
    doubts = [*sentences.mismatches(study, result.run), *(caution.sentence for caution in cautions)]
    if doubts:
        st.warning("  \n".join(doubts))
    shown = state.heatmap_shown() and not heatmap.blank
    of = sentences.map_name(heatmap) if len(result.heatmaps) > 1 else None
    picture = caches.overlay(study, heatmap, style) if shown else caches.original(study)
    outlines = [] if result.mask is None else [points + 0.5 for points in mask_outline(result.mask)]
    figure = figures.viewer_figure(
        caches.original(study), picture, heatmap, style.colours, palette(),
        captions=("Image as stored", _caption(heatmap, of, shown)), outlines=outlines,
        contours=contour_lines(heatmap) if shown and style.contoured else (),
        view=viewer.current_view(study.digest),
    )  # fmt: skip
    alt = f"The image, and beside it the evidence for {heatmap.map.label}"
    viewer.show_viewer(figure, study.digest, alt)
    _footnote(heatmap, style, caches.original(study).reduced)


def show_branches(result: CaseExplanation, style: Style) -> None:
    """Every branch's map and their joint map side by side, each on its own fixed scale."""
    if len(result.heatmaps) < 2:
        return
    st.subheader("What each branch saw", anchor=False)
    maps, style = [*result.heatmaps, result.joint], replace(style, drawing="colour")
    for column, heatmap in zip(st.columns(len(maps)), maps, strict=True):
        with column:
            blank = " Blank: nothing to draw." if heatmap.blank else ""
            st.image(caches.overlay(result.study, heatmap, style).png, width="stretch", alt=heatmap.map.name)
            st.caption(
                f"**{heatmap.map.name}**, {heatmap.grid[0]} x {heatmap.grid[1]} cells, "
                f"{heatmap.minimum:+.3f} to {heatmap.maximum:+.3f}, full colour at {heatmap.scale:.2g}."
                + blank
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
    if why := why_no_contributions(result.reading.explained.head):
        st.caption(f"Margin of {result.label}: {result.margin:+.3f} logit units. {why}")
        return
    branches = [(heatmap.map.name, heatmap.map.contribution) for heatmap in result.heatmaps]
    parts = [*branches, ("rest", result.rest)]
    st.plotly_chart(
        figures.contribution_figure(parts, result.margin, result.label, palette()), theme=None,
        key="contributions", config=STILL, alt=f"Contributions to the margin of {result.label}",
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


def _caption(heatmap: Heatmap, name: str | None, shown: bool) -> str:
    what = f"Evidence for {heatmap.map.label}" + ("" if name is None else f", {name}")
    if heatmap.blank:
        return f"{what}: blank, nothing to draw"
    return what if shown else f"{what} (hidden)"


def _footnote(heatmap: Heatmap, style: Style, reduced: bool) -> None:
    parts = [
        f"True resolution: {sentences.grid_size(heatmap)}.",
        f"Full colour at {heatmap.scale:.3g} logit units per cell, fixed by the run; "
        f"this map reaches {heatmap.maximum:+.3f}.",
    ]
    if style.contoured:
        parts.append("Contours at 25, 50 and 75 % of full colour.")
    if reduced:
        parts.append("The picture on screen is reduced; measures use every pixel.")
    st.caption(" ".join(parts))
