"""Plotly figures. Every number comes ready from `xai` and `models`; here it is only placed and coloured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.runs.schema import OperatingPoint
from pages.ui.palette import FONT, Palette
from pages.ui.pictures import Picture
from xai.heatmap import Heatmap
from xai.overlay import LESION_COLOUR, Contour, colour_table

VIEWER_HEIGHT = 470
# A panel is about this many pixels wide: a wide image needs no more height than its shape.
PANEL_WIDTH = 400
# In pixels: a bar as long as the figure would stand beside nothing where a wide image leaves room below.
BAR_LENGTH = 230


@dataclass(frozen=True)
class View:
    """The part of an image that fills its panel: x (left, right) and y (bottom, top) in native pixels."""

    x: tuple[float, float]
    y: tuple[float, float]


def viewer_figure(
    original: Picture,
    explained: Picture,
    heatmap: Heatmap,
    table: str,
    colours: Palette,
    *,
    captions: tuple[str, str],
    outlines: Sequence[np.ndarray] = (),
    contours: Sequence[Contour] = (),
    view: View | None = None,
    readout: bool = True,
) -> go.Figure:
    """The image beside its explanation: two panels that zoom and pan as one, with square pixels.

    table: the colour map's name. outlines: the lesion mask's edge, float [n, 2] of (x, y) in native pixels,
    in both panels. contours: of the heatmap, on the right. view: where to open; None for the whole image.
    readout: whether the pointer reads the heatmap's cells.
    """
    figure = make_subplots(1, 2, horizontal_spacing=0.006, shared_xaxes="all", shared_yaxes="all")
    for column, picture in ((1, original), (2, explained)):
        figure.add_layout_image(
            source=picture.uri, xref="x", yref="y", x=0, y=0, sizex=picture.width, sizey=picture.height,
            sizing="stretch", layer="below", row=1, col=column,
        )  # fmt: skip
        if outlines:
            figure.add_trace(_lines(outlines, _css(LESION_COLOUR), 1.6), 1, column)
    for contour in contours:
        # The lower half of a table is too dark to be seen as a line on tissue.
        colour = colour_table(table)[round(255 * (0.5 + contour.level / 2))]
        figure.add_trace(_lines([contour.points], _css(colour), 2.0), 1, 2)
    if readout:
        figure.add_trace(_readout(heatmap), 1, 2)
    figure.add_trace(_colour_bar(table, heatmap.scale, heatmap.map.unit, colours), 1, 2)
    _show_part(figure, original, view or View((0, original.width), (original.height, 0)))
    for column, caption in zip(("", "2"), captions, strict=True):
        figure.add_annotation(
            text=caption, xref=f"x{column} domain", yref=f"y{column} domain", x=0, y=1, xanchor="left",
            yanchor="bottom", showarrow=False, font={"size": 13, "color": colours.muted},
        )  # fmt: skip
    needed = round(PANEL_WIDTH * original.height / original.width) + 30
    _dress(figure, colours, min(VIEWER_HEIGHT, max(300, needed)), {"l": 0, "r": 0, "t": 24, "b": 2})
    figure.update_layout(plot_bgcolor=colours.panel, dragmode="pan")
    return figure


def reading_figure(original: Picture, colours: Palette, place: tuple[int, int] | None = None) -> go.Figure:
    """The image alone, with square pixels; a cross at `place`, (row, column) in native pixels."""
    figure = go.Figure()
    figure.add_layout_image(
        source=original.uri, xref="x", yref="y", x=0, y=0, sizex=original.width, sizey=original.height,
        sizing="stretch", layer="below",
    )  # fmt: skip
    corners = {"x": [0, original.width], "y": [0, original.height]}
    figure.add_trace(go.Scatter(**corners, mode="lines", line_width=0, hoverinfo="skip"))
    if place is not None:
        figure.add_trace(
            go.Scatter(
                x=[place[1] + 0.5], y=[place[0] + 0.5], mode="markers", hoverinfo="skip",
                marker={
                    "symbol": "cross-thin", "size": 22, "line": {"width": 2.5, "color": _css(LESION_COLOUR)},
                },
            )
        )  # fmt: skip
    figure.update_xaxes(visible=False, range=[0, original.width], constrain="domain")
    figure.update_yaxes(
        visible=False, range=[original.height, 0], constrain="domain", constraintoward="top", scaleanchor="x"
    )
    _dress(figure, colours, VIEWER_HEIGHT, {"l": 0, "r": 0, "t": 4, "b": 2})
    figure.update_layout(plot_bgcolor=colours.panel, dragmode="pan", uirevision="reading")
    return figure


def gauge_figure(probability: float, point: OperatingPoint, positive: str, colours: Palette) -> go.Figure:
    """The calibrated probability of the positive class on 0..1, with the run's operating point marked."""
    figure = go.Figure()
    threshold, beyond = point.threshold, probability >= point.threshold
    mark = colours.above if beyond else colours.below
    for x0, x1, colour in ((0.0, 1.0, colours.track), (0.0, probability, mark)):
        figure.add_shape(
            type="rect", x0=x0, x1=x1, y0=0.0, y1=1.0, fillcolor=colour, line_width=0, layer="below"
        )
    figure.add_shape(
        type="line", x0=threshold, x1=threshold, y0=-0.35, y1=1.35, line={"color": colours.text, "width": 2}
    )
    figure.add_annotation(
        x=threshold, y=1.3, yanchor="bottom", xanchor="left" if threshold < 0.5 else "right", showarrow=False,
        text=f"operating point {threshold:.3f} ({point.name})", font={"size": 12, "color": colours.muted},
    )  # fmt: skip
    figure.add_annotation(
        x=probability, y=0.5, xanchor="left" if probability < 0.85 else "right", showarrow=False,
        text=f"<b>{probability:.3f}</b>", xshift=3 if probability < 0.85 else -3,
        font={"size": 14, "color": colours.text if probability < 0.85 else colours.on_mark},
    )  # fmt: skip
    figure.update_xaxes(
        range=[-0.004, 1.004], tickvals=[0, 0.25, 0.5, 0.75, 1], ticktext=["0", "0.25", "0.5", "0.75", "1"],
        showgrid=False, zeroline=False, fixedrange=True, tickfont={"size": 11, "color": colours.muted},
        ticks="outside", ticklen=3, tickcolor=colours.line,
        title={"text": f"calibrated probability of {positive}", "font": {"size": 12}, "standoff": 4},
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[-0.4, 1.4], fixedrange=True)
    _dress(figure, colours, 92, {"l": 4, "r": 4, "t": 20, "b": 36})
    return figure


def class_figure(probabilities: Mapping[str, float], called: str, colours: Palette) -> go.Figure:
    """The calibrated probability of each of several classes on 0..1, the called one in colour: with more than
    two classes the most probable is called, so there is no operating point to mark."""
    names = list(probabilities)
    figure = go.Figure(
        go.Bar(
            x=[probabilities[name] for name in names], y=names, orientation="h", width=0.62,
            marker_color=[colours.above if name == called else colours.muted for name in names],
            text=[f"{probabilities[name]:.3f}" for name in names], textposition="outside", cliponaxis=False,
            textfont={"size": 13, "color": colours.text},
        )
    )  # fmt: skip
    figure.update_xaxes(
        range=[0, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1], ticktext=["0", "0.25", "0.5", "0.75", "1"],
        showgrid=False, zeroline=False, fixedrange=True, tickfont={"size": 11, "color": colours.muted},
        ticks="outside", ticklen=3, tickcolor=colours.line,
        title={"text": "calibrated probability", "font": {"size": 12}, "standoff": 4},
    )  # fmt: skip
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, automargin=True, ticks="", tickfont={"color": colours.text}
    )
    _dress(figure, colours, 44 + 22 * len(names), {"l": 4, "r": 4, "t": 2, "b": 36})
    return figure


def contribution_figure(
    parts: Sequence[tuple[str, float]], margin: float, label: str, colours: Palette
) -> go.Figure:
    """Signed contribution of each part in logit units; the line marks their sum, the margin of `label`."""
    names = [f"{name}  <b>{value:+.3f}</b>" for name, value in parts]
    values = [value for _, value in parts]
    reach = max(abs(v) for v in [*values, margin, 1e-6]) * 1.1
    figure = go.Figure(
        go.Bar(
            x=values, y=names, orientation="h", width=0.6,
            marker_color=[colours.above if v >= 0 else colours.below for v in values],
        )
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": colours.line, "width": 1})
    figure.add_vline(x=margin, line={"color": colours.text, "width": 2, "dash": "dot"})
    figure.add_annotation(
        x=margin, y=1, yref="paper", yanchor="bottom", xanchor="right" if margin > 0 else "left",
        showarrow=False, text=f"sum: margin of {label} <b>{margin:+.3f}</b>",
        font={"size": 13, "color": colours.text},
    )  # fmt: skip
    figure.update_xaxes(
        range=[-reach, reach], showgrid=False, zeroline=False, fixedrange=True, ticks="outside", ticklen=3,
        tickcolor=colours.line, tickfont={"size": 11, "color": colours.muted},
        title={"text": f"logit units: against {label} (left), for it (right)", "font": {"size": 12}},
    )  # fmt: skip
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, automargin=True, ticks="",
        tickfont={"size": 13, "color": colours.text},
    )  # fmt: skip
    _dress(figure, colours, 76 + 32 * len(parts), {"l": 0, "r": 8, "t": 26, "b": 40})
    return figure


def _show_part(figure: go.Figure, whole: Picture, view: View) -> None:
    """Match the panels' axes and keep pixels square; a double click returns to what the traces span."""
    corners = go.Scatter(
        x=[0, whole.width], y=[0, whole.height], mode="lines", line_width=0, hoverinfo="skip"
    )  # fmt: skip
    figure.add_traces([corners, corners], rows=[1, 1], cols=[1, 2])
    figure.update_xaxes(visible=False, range=view.x, constrain="domain", matches="x")
    figure.update_yaxes(
        visible=False, range=view.y, constrain="domain", constraintoward="top", matches="y", scaleanchor="x"
    )


def _lines(lines: Sequence[np.ndarray], colour: str, width: float) -> go.Scatter:
    """Many closed polylines as one trace: a gap (NaN) parts one from the next."""
    gap = np.full((1, 2), np.nan)
    joined = np.concatenate([part for line in lines for part in (line, line[:1], gap)])
    return go.Scatter(
        x=joined[:, 0].round(1), y=joined[:, 1].round(1), mode="lines", hoverinfo="skip",
        line={"color": colour, "width": width},
    )  # fmt: skip


def _readout(heatmap: Heatmap) -> go.Heatmap:
    """An invisible trace on the true grid: the pointer reads the cell, not the interpolated colour."""
    gh, gw = heatmap.grid
    (height, width), (top, left, box_height, box_width) = heatmap.placement.native, heatmap.placement.box
    # Edges of the cells in native pixels; a cell that reaches into padding ends where the image does.
    y = (np.arange(gh + 1) * heatmap.placement.input[0] / gh - top) * height / box_height
    x = (np.arange(gw + 1) * heatmap.placement.input[1] / gw - left) * width / box_width
    rows, columns = np.mgrid[1 : gh + 1, 1 : gw + 1]
    return go.Heatmap(
        z=heatmap.map.values, x=np.clip(x, 0, width), y=np.clip(y, 0, height),
        customdata=np.stack([rows, columns], axis=-1), opacity=0, showscale=False,
        hovertemplate="row %{customdata[0]}, column %{customdata[1]}<br>"
        f"%{{z:+.4~g}} {heatmap.map.unit}<extra></extra>",
    )  # fmt: skip


def _colour_bar(table: str, highest: float, unit: str, colours: Palette) -> go.Scatter:
    """The fixed scale from no evidence to `highest`, in that unit."""
    stops = np.linspace(0, 255, 33).round().astype(int)
    scale = [[i / 32, _css(colour_table(table)[stop])] for i, stop in enumerate(stops)]
    return go.Scatter(
        x=[None], y=[None], mode="markers", hoverinfo="skip",
        marker={
            "color": [0], "cmin": 0, "cmax": highest, "colorscale": scale, "showscale": True,
            "colorbar": {
                "title": {"text": _wrapped(unit), "font": {"size": 12, "color": colours.muted}},
                "thickness": 12, "lenmode": "pixels", "len": BAR_LENGTH, "y": 1, "yanchor": "top",
                "x": 1.002, "xpad": 5, "ypad": 0, "outlinewidth": 0,
                "tickfont": {"size": 12, "color": colours.muted}, "tickformat": "~g",
                "tickvals": [highest * step / 4 for step in range(5)],
                "ticktext": [f"{highest * step / 4:.2g}" for step in range(5)],
            },
        },
    )  # fmt: skip


def _wrapped(unit: str) -> str:
    """A unit above a bar, where there is little room: what stands behind a comma is in the footnote."""
    return unit.partition(",")[0].replace("logit per", "logits per").replace(" ", "<br>", 1)


def _css(rgb: Sequence[int]) -> str:
    return "rgb({}, {}, {})".format(*map(int, rgb))


def _dress(figure: go.Figure, colours: Palette, height: int, margin: dict[str, int]) -> None:
    figure.update_layout(
        height=height, margin=margin, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "color": colours.text, "size": 13}, showlegend=False, template="none",
        hoverlabel={"font": {"family": FONT, "size": 12}},
    )  # fmt: skip
