"""A scored slide: its figures, its map, the tile one clicks, the hottest tiles, and files to keep."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from models.slides.scores import SlideScores
from models.slides.tiles import Survey
from models.study import Study
from pages.ui import batch_caches
from pages.ui.evaluation.figures import chart_config
from pages.ui.palette import palette
from pages.ui.pictures import Style, card_picture
from pages.ui.plain_text import amount, plain
from pages.ui.reporting import offer_table
from pages.ui.slides.figures import jpeg_uri, slide_figure
from pages.ui.slides.jobs import Plan
from xai.overlay import DEFAULT_OPACITY, draw_outline, mask_outline
from xai.slides.picture import SLIDE_COLOURS, TISSUE_COLOUR, map_picture

TILE, OPACITY, SHOWN = "tile", "slide_opacity", "slide_map"
CONFIG = chart_config("slide") | {"scrollZoom": True, "doubleClick": "reset"}
_CHART = "slide_chart"
NARROW = Path(__file__).with_name("narrow.css")
_GALLERY, _A_ROW, _SMALL = 12, 6, 220
MAP, TISSUE = "Probability", "Tissue"


def show(plan: Plan, scores: SlideScores) -> None:
    """Everything there is to see of it."""
    _figures(scores)
    st.caption(plain(scores.unvalidated))
    for notice in scores.notices:
        st.warning(plain(notice), icon=":material/info:")
    if not scores.scored:
        return
    chosen = _chosen(scores)
    st.html(NARROW)
    with st.container(key="slide_map_and_tile"):
        left, right = st.columns([7, 5], gap="medium")
    with left:
        _map(scores, chosen)
    with right:
        _tile(plan, scores, chosen)
    _hottest(plan, scores)
    _downloads(scores)


def tissue_picture(survey: Survey) -> np.ndarray:
    """The thumbnail with the tissue outlined."""
    return draw_outline(survey.thumbnail, mask_outline(survey.tissue), TISSUE_COLOUR)


def map_of(scores: SlideScores, opacity: float = DEFAULT_OPACITY) -> np.ndarray:
    return map_picture(scores, opacity)


def _figures(scores: SlideScores) -> None:
    columns = st.columns(4)
    columns[0].metric("Tissue", f"{scores.survey.tissue_mm2:,.1f} mm²")
    columns[1].metric("Tiles scored", f"{scores.scored:,} of {scores.asked:,}")
    share, top = scores.share_called(), scores.top_mean()
    columns[2].metric(
        f"Tiles called {plain(scores.positive)}", _percent(share["value"]),
        help=f"At probability {scores.threshold:.3f} or more, the run's operating point on single patches.",
    )  # fmt: skip
    columns[3].metric(
        "Mean of the hottest 1 %", "none" if top["value"] is None else f"{top['value']:.3f}",
        help=f"Over {amount(top['n'], 'tile')}. Neighbouring tiles are no independent sample, so no interval "
        "is stated.",
    )  # fmt: skip


def _map(scores: SlideScores, chosen: tuple[int, int]) -> None:
    kind, strength = st.columns([5, 5], vertical_alignment="bottom")
    shown = kind.segmented_control(
        "Shown", [MAP, TISSUE], default=MAP, required=True, key=SHOWN, bind="query-params",
        label_visibility="collapsed",
    )  # fmt: skip
    opacity = strength.slider(
        "Opacity at full colour", 0.0, 1.0, DEFAULT_OPACITY, 0.05, key=OPACITY, persist_state="session"
    )
    picture = map_of(scores, opacity) if shown == MAP else tissue_picture(scores.survey)
    st.plotly_chart(
        slide_figure(scores.survey, picture, palette(), scores, SLIDE_COLOURS, chosen), theme=None,
        key=_CHART, on_select=_take_point, selection_mode="points", config=CONFIG,
        alt=f"Map of the probability of {scores.positive} over the slide: {scores.scored} tiles",
    )  # fmt: skip
    st.caption(
        "A click explains a tile; the wheel zooms, a double click shows the whole slide. A square is one "
        f"answer of the network, nothing between is interpolated; outlined in black: called "
        f"{plain(scores.positive)}. Tiles with under {scores.survey.spec.least_tissue:.0%} tissue are not "
        "scored."
    )


def _tile(plan: Plan, scores: SlideScores, chosen: tuple[int, int]) -> None:
    row, column = chosen
    place = plan.place
    where = (place.file, plan.mpp, plan.spec)
    probability = float(scores.map[row, column])
    called = plain(scores.positive) if scores.called()[row, column] else f"not {plain(scores.positive)}"
    st.markdown(
        f"**Row {row}, column {column}**: probability of {plain(scores.positive)} **{probability:.3f}**, "
        f"called {called} (threshold {scores.threshold:.3f})"
    )
    result = batch_caches.slide_tile(*where, plan.run, row, column, place.synthetic)
    plain_tile, explained = st.columns(2)
    plain_tile.image(jpeg_uri(_enlarged(result.study.display())), width="stretch", alt="The tile alone")
    plain_tile.caption(f"The tile, {plan.spec.field_um:g} µm a side, as the network got it")
    style = Style(st.session_state.get(OPACITY, DEFAULT_OPACITY))
    card = card_picture(_large(result.study), result.joint, style)
    explained.image(card.uri, width="stretch", alt=f"Grad-CAM of {result.label} on the tile")
    grid = result.joint.grid
    explained.caption(
        f"Grad-CAM of {plain(result.label)}: {grid[0]} x {grid[1]} cells, full colour "
        f"{result.joint.scale:.2g} logits a cell, highest here {result.joint.maximum:.2g}"
    )
    around, told = st.columns(2)
    field = batch_caches.slide_field(*where, row, column, True)
    if field is not None:
        around.image(jpeg_uri(_framed(field)), width="stretch", alt="The tile within its surroundings")
    told.caption(
        f"The tile framed within {3 * plan.spec.field_um:g} µm of its surroundings, which the network does "
        "not see. Inside a tile there is no known lesion to hold the heatmap against: it says what moved "
        "this network, not where tumour is."
    )
    for caution in result.cautions:
        st.warning(plain(caution.sentence))


def _hottest(plan: Plan, scores: SlideScores) -> None:
    st.subheader(f"Highest probability of {plain(scores.positive)}", anchor=False)
    where = (plan.place.file, plan.mpp, plan.spec)
    tiles = scores.hottest(_GALLERY)
    for start in range(0, len(tiles), _A_ROW):
        for column, (tile, probability) in zip(
            st.columns(_A_ROW), tiles[start : start + _A_ROW], strict=False
        ):
            pixels = batch_caches.slide_field(*where, tile.row, tile.column, False)
            if pixels is not None:
                column.image(jpeg_uri(_enlarged(pixels)), width="stretch", alt=f"Tile {tile.key}")
            column.button(
                f"{probability:.3f} · {tile.key}", key=f"open {tile.key}",
                type="tertiary", on_click=_take, args=(tile.row, tile.column),
            )  # fmt: skip


def _downloads(scores: SlideScores) -> None:
    from xai.export import to_json
    from xai.slides.export import map_png

    with st.container(horizontal=True):
        st.download_button(
            "Map (PNG)",
            lambda: map_png(scores),
            "slide-map.png",
            "image/png",
            key="slide_png",
            on_click="ignore",
        )
        columns, rows = _table(scores)
        offer_table(columns, rows, "slide-tiles", "Tiles (CSV)")
        st.download_button(
            "All figures (JSON)", lambda: to_json(scores.summary()), "slide-summary.json", "application/json",
            key="slide_json", on_click="ignore",
        )  # fmt: skip


def _table(scores: SlideScores):
    from models.slides.scores import table_columns, table_rows

    return table_columns(scores), lambda: (line for rows in table_rows(scores) for line in rows)


def _chosen(scores: SlideScores) -> tuple[int, int]:
    """The tile that the address names, where it was scored; else the hottest."""
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", st.query_params.get(TILE, ""), re.ASCII)
    if found:
        row, column = int(found[1]), int(found[2])
        rows, columns = scores.survey.grid.shape
        if row < rows and column < columns and np.isfinite(scores.map[row, column]):
            return row, column
    tile, _ = scores.hottest(1)[0]
    return tile.row, tile.column


def _take_point() -> None:
    points = st.session_state[_CHART]["selection"]["points"]
    place = points[0].get("customdata") if points else None
    if place is not None:
        row, column = np.ravel(list(place.values()) if isinstance(place, dict) else place)[:2]
        _take(int(row), int(column))


def _take(row: int, column: int) -> None:
    st.query_params[TILE] = f"{row}-{column}"


def _framed(field: np.ndarray) -> np.ndarray:
    """The middle third of a field, which is the tile, framed."""
    side = len(field) / 3
    corners = np.array([[side, side], [2 * side, side], [2 * side, 2 * side], [side, 2 * side]], np.float32)
    return draw_outline(draw_outline(field, [corners], (255, 255, 255)), [corners], (194, 24, 91))


def _large(study: Study) -> Study:
    """The tile at a size at which colours laid over it are no mosaic; only for the eye."""
    return replace(study, samples=_enlarged(study.samples))


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    """A tile of a few dozen pixels, large enough for the eye: each pixel a square, none invented."""
    factor = max(1, -(-_SMALL // len(pixels)))
    return np.repeat(np.repeat(pixels, factor, axis=0), factor, axis=1)


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"
