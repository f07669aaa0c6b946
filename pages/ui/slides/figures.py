"""The slide as a figure: its thumbnail, the probability of its tiles, a scale bar; a click is a tile."""

from __future__ import annotations

import base64

import numpy as np
import plotly.graph_objects as go

from models.slides.scores import SlideScores
from models.slides.tiles import Survey
from pages.ui.figures import _colour_bar, _css, _dress
from pages.ui.palette import Palette
from xai.slides.picture import length_text, nice_length

LONGEST = 1400
HEIGHT = 560
_MANY, _MOST = 3_000, 60_000


def jpeg_uri(rgb: np.ndarray, longest: int = LONGEST) -> str:
    """A picture for the screen, uint8 RGB, as a data address (as PNG tissue is ten times as large)."""
    import cv2

    height, width = rgb.shape[:2]
    if max(height, width) > longest:
        scale = longest / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise RuntimeError(f"OpenCV did not encode an image of shape {rgb.shape}.")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def slide_figure(
    survey: Survey,
    picture: np.ndarray,
    colours: Palette,
    scores: SlideScores | None = None,
    table: str = "viridis",
    chosen: tuple[int, int] | None = None,
) -> go.Figure:
    """The slide in millimetres. picture: uint8 RGB of the whole slide, with or without its map. scores: for
    the pointer, and the scale of its colours. chosen: a tile to frame."""
    width, height = survey.width_mm, survey.height_mm
    figure = go.Figure()
    figure.add_layout_image(
        source=jpeg_uri(picture), xref="x", yref="y", x=0, y=0, sizex=width, sizey=height, sizing="stretch",
        layer="below",
    )  # fmt: skip
    figure.add_trace(go.Scatter(x=[0, width], y=[0, height], mode="lines", line_width=0, hoverinfo="skip"))
    if scores is not None:
        figure.add_trace(_points(scores))
        figure.add_trace(_colour_bar(table, 1.0, f"probability of {scores.positive}", colours))
    if chosen is not None:
        _frame(figure, survey, *chosen)
    _scale_bar(figure, survey)
    figure.update_xaxes(
        visible=False, range=[0, width], constrain="domain", minallowed=-0.5 * width, maxallowed=1.5 * width
    )
    figure.update_yaxes(
        visible=False,
        range=[height, 0],
        constrain="domain",
        constraintoward="top",
        scaleanchor="x",
        minallowed=-0.5 * height,
        maxallowed=1.5 * height,
    )
    needed = round(760 * height / width)
    _dress(figure, colours, min(HEIGHT, max(320, needed)), {"l": 0, "r": 0, "t": 30, "b": 2})
    figure.update_layout(
        hoverlabel={"bgcolor": colours.track, "font": {"color": colours.text, "size": 12}},
        dragmode="pan",
        hovermode="closest",
        clickmode="event+select",
        hoverdistance=60,
        uirevision="slide",
    )
    return figure


def _points(scores: SlideScores) -> go.Scatter | go.Scattergl:
    """An unseen mark in the middle of each scored tile, which the pointer finds."""
    survey = scores.survey
    rows, columns = np.nonzero(np.isfinite(scores.map))
    values = scores.map[rows, columns]
    if len(rows) > _MOST:
        kept = np.sort(np.argsort(-values, kind="stable")[:_MOST])
        rows, columns, values = rows[kept], columns[kept], values[kept]
    scale = survey.mpp / 1000
    middle = survey.grid.side / 2
    kind = go.Scattergl if len(rows) > _MANY else go.Scatter
    return kind(
        x=(columns * survey.grid.step + middle) * scale,
        y=(rows * survey.grid.step + middle) * scale,
        mode="markers", name="tiles",
        marker={"size": 14, "opacity": 0, "symbol": "square"},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        customdata=np.stack([rows, columns, survey.share[rows, columns]], axis=-1),
        text=[f"{value:.3f}" for value in values],
        hovertemplate=f"probability of {scores.positive} <b>%{{text}}</b><br>row %{{customdata[0]}}, "
        "column %{customdata[1]}, tissue %{customdata[2]:.0%}<extra></extra>",
    )  # fmt: skip


def _frame(figure: go.Figure, survey: Survey, row: int, column: int) -> None:
    scale = survey.mpp / 1000
    tile = survey.tile(row, column)
    corner = tile.x * scale, tile.y * scale
    for colour, line in (("#FFFFFF", 4.5), ("#C2185B", 2.5)):
        figure.add_shape(
            type="rect", x0=corner[0], y0=corner[1], x1=corner[0] + tile.side * scale,
            y1=corner[1] + tile.side * scale, line={"color": colour, "width": line},
        )  # fmt: skip


def _scale_bar(figure: go.Figure, survey: Survey) -> None:
    """In the slide's own units: it grows with the slide when one zooms in."""
    length = nice_length(survey.width_mm * 0.2)
    x, y = survey.width_mm * 0.03, survey.height_mm * 0.965
    thick = survey.height_mm * 0.006
    figure.add_shape(
        type="rect", x0=x, x1=x + length, y0=y - thick, y1=y, fillcolor=_css((20, 20, 20)), line_width=0
    )
    figure.add_annotation(
        x=x + length / 2, y=y - thick, yanchor="bottom", showarrow=False, text=length_text(length),
        font={"size": 13, "color": "#141414"}, bgcolor="rgba(255,255,255,0.7)", borderpad=1,
    )  # fmt: skip
