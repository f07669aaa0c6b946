"""Plotly figures of an evaluation. Every number comes ready from `models.evaluation`; here it is only drawn.

Each figure is made from one dictionary: Plotly checks it once, which is several times faster than adding
traces and axes one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from pages.ui.palette import FONT, Palette
from pages.ui.plain_text import short

HEIGHT = 330


def chart_config(name: str) -> dict[str, object]:
    """Only a camera in the corner, which saves the figure as SVG under that name."""
    return {
        "displaylogo": False,
        "modeBarButtons": [["toImage"]],
        "toImageButtonOptions": {"format": "svg", "filename": name},
        "scrollZoom": False,
        "doubleClick": False,
        "showTips": False,
    }


@dataclass(frozen=True, eq=False)
class Band:
    """A 95 % band around a line: arrays of one length."""

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Line:
    """A line with its name in the legend. thresholds: said under the pointer. faint: in the background."""

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    band: Band | None = None
    thresholds: np.ndarray | None = None
    dash: str = "solid"
    faint: bool = False
    stepped: bool = False


@dataclass(frozen=True)
class Mark:
    """The operating point on a curve."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Axes:
    """Titles and ranges; `reference` is a thin line between two points, such as the diagonal of chance."""

    x: str
    y: str
    x_range: tuple[float, float] = (-0.01, 1.01)
    y_range: tuple[float, float] = (-0.01, 1.01)
    reference: tuple[tuple[float, float], tuple[float, float]] | None = None
    legend: str = "bottom right"
    height: int = HEIGHT


@dataclass(frozen=True, eq=False)
class Estimate:
    """A row of a forest plot: a value with its interval, or the reason why there is none."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    flagged: bool = False
    why: str = ""


def line_figure(
    lines: Sequence[Line],
    axes: Axes,
    colours: Palette,
    *,
    mark: Mark | None = None,
    at: float | None = None,
) -> go.Figure:
    """Lines with their bands. mark: the operating point; at: a vertical line at this x (the threshold)."""
    data = [_band(line) for line in lines if line.band is not None]
    data += [_line(line, axes) for line in sorted(lines, key=lambda line: not line.faint)]
    if mark is not None:
        data.append(
            {
                "type": "scatter", "x": [mark.x], "y": [mark.y], "mode": "markers", "showlegend": False,
                "marker": {"size": 11, "color": colours.text, "line": {"color": colours.on_mark, "width": 2}},
                "hovertemplate": f"{mark.text}<extra></extra>",
            }
        )  # fmt: skip
    shapes = [] if axes.reference is None else [_segment(*axes.reference, colours.line)]
    if at is not None:
        shapes.append(_upright(at, colours.text))
    named = [line for line in lines if line.name and not line.faint]
    return figure_of(data, axes, colours, shapes=shapes, legend=len(named) > 1)


def reliability_figure(
    predicted: np.ndarray,
    observed: np.ndarray,
    counts: np.ndarray,
    intervals: np.ndarray,
    axes: Axes,
    colours: Palette,
) -> go.Figure:
    """Observed share against mean probability of each filled bin; intervals float [b, 2], low and high."""
    largest = max(1, counts.max(initial=1))
    data = [
        {
            "type": "scatter", "x": predicted, "y": observed, "mode": "lines+markers", "showlegend": False,
            "line": {"color": colours.muted, "width": 1, "dash": "dot"},
            "marker": {"color": colours.below, "size": 6 + 10 * np.sqrt(counts / largest)},
            "error_y": {
                "type": "data", "symmetric": False, "array": intervals[:, 1] - observed,
                "arrayminus": observed - intervals[:, 0], "thickness": 1.2, "width": 3,
                "color": colours.below,
            },
            "customdata": counts,
            "hovertemplate": "mean probability %{x:.3f}<br>observed %{y:.3f}<br>n = %{customdata:,}"
            "<extra></extra>",
        }
    ]  # fmt: skip
    return figure_of(data, axes, colours, shapes=[_segment(*axes.reference, colours.line)])


def histogram_figure(
    edges: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    names: tuple[str, str],
    threshold: float | None,
    colours: Palette,
) -> go.Figure:
    """Back to back: the share of the positive cases in each bin of probability up, that of the rest down."""
    middles, width = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    up, down = positive / max(1, positive.sum()), negative / max(1, negative.sum())
    names = tuple(as_text(short(name)) for name in names)
    bars = ((names[0], up, positive, colours.above), (names[1], -down, negative, colours.below))
    data = [
        {
            "type": "bar", "x": middles, "y": share, "width": width, "name": name, "customdata": count,
            "marker": {"color": colour, "line": {"width": 0}},
            "hovertemplate": name + ", %{x:.3f}: %{customdata:,} cases<extra></extra>",
        }
        for name, share, count, colour in bars
    ]  # fmt: skip
    reach = 1.15 * max(up.max(initial=0), down.max(initial=0), 1e-6)
    axes = Axes(
        "probability", "share of the class's cases", (-0.01, 1.01), (-reach, reach), legend="top right"
    )
    shapes = [] if threshold is None else [_upright(threshold, colours.text)]
    ticks = _even_ticks(reach)
    return figure_of(
        data, axes, colours, shapes=shapes, legend=True, layout={"barmode": "overlay"},
        y_axis={"tickvals": ticks, "ticktext": [f"{abs(tick):.0%}" for tick in ticks]},
    )  # fmt: skip


def forest_figure(rows: Sequence[Estimate], overall: float | None, title: str, colours: Palette) -> go.Figure:
    """Values with their intervals, a row each, from the top; `overall` is the dotted line of all cases."""
    known = [row for row in rows if row.value is not None]
    data = [
        {
            "type": "scatter", "x": [row.value for row in known], "y": [row.name for row in known],
            "mode": "markers",
            "marker": {
                "size": 9, "color": [colours.above if row.flagged else colours.below for row in known],
                "symbol": ["diamond" if row.flagged else "circle" for row in known],
            },
            "error_x": {
                "type": "data", "symmetric": False, "array": [_reach(row.high, row.value) for row in known],
                "arrayminus": [_reach(row.value, row.low) for row in known], "thickness": 1.4, "width": 4,
                "color": colours.muted,
            },
            "hovertemplate": "%{y}: %{x:.3f}<extra></extra>", "showlegend": False,
        }
    ]  # fmt: skip
    whys = [
        {
            "x": 0, "xref": "paper", "xanchor": "left", "y": row.name, "text": as_text(row.why),
            "showarrow": False, "font": {"size": 12, "color": colours.muted},
        }
        for row in rows
        if row.value is None
    ]  # fmt: skip
    ends = [end for row in known for end in (row.low, row.value) if end is not None]
    start = np.floor(10 * min(ends, default=0)) / 10
    axes = Axes(title, "", (start - 0.01, 1.01), (len(rows) - 0.5, -0.5), height=70 + 34 * max(2, len(rows)))
    shapes = [] if overall is None else [_upright(overall, colours.text)]
    names = {
        "type": "category", "categoryorder": "array", "categoryarray": [row.name for row in rows],
        "showgrid": False, "tickfont": {"size": 13, "color": colours.text},
    }  # fmt: skip
    return figure_of(data, axes, colours, shapes=shapes, annotations=whys, y_axis=names)


def figure_of(
    data: list[dict],
    axes: Axes,
    colours: Palette,
    *,
    shapes: Sequence[dict] = (),
    annotations: Sequence[dict] = (),
    legend: bool = False,
    layout: Mapping[str, object] | None = None,
    x_axis: Mapping[str, object] | None = None,
    y_axis: Mapping[str, object] | None = None,
) -> go.Figure:
    """A figure of these traces in the dashboard's dress. layout, x_axis, y_axis: what is otherwise."""
    axis = {
        "gridcolor": colours.track, "gridwidth": 1, "zeroline": False, "linecolor": colours.line,
        "ticks": "outside", "ticklen": 3, "tickcolor": colours.line, "fixedrange": True, "automargin": True,
        "tickfont": {"size": 12, "color": colours.muted},
    }  # fmt: skip

    def titled(text: str, span: tuple[float, float]) -> dict:
        font = {"size": 13, "color": colours.text}
        return axis | {"title": {"text": text, "font": font, "standoff": 6}, "range": list(span)}

    dress = {
        "height": axes.height, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}, "template": None,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "dragmode": False,
        "font": {"family": FONT, "color": colours.text, "size": 13}, "hovermode": "closest",
        "hoverlabel": {"font": {"family": FONT, "size": 12}}, "showlegend": legend,
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours.muted, "activecolor": colours.text},
        "xaxis": titled(axes.x, axes.x_range) | dict(x_axis or {}),
        "yaxis": titled(axes.y, axes.y_range) | dict(y_axis or {}),
        "shapes": list(shapes), "annotations": list(annotations), "legend": _legend(axes.legend, colours),
    }  # fmt: skip
    return go.Figure({"data": data, "layout": dress | dict(layout or {})}, _validate=False)


def _legend(place: str, colours: Palette) -> dict:
    top, right = place.startswith("top"), place.endswith("right")
    return {
        "x": 0.99 if right else 0.01, "xanchor": "right" if right else "left", "y": 0.99 if top else 0.02,
        "yanchor": "top" if top else "bottom", "bgcolor": "rgba(0,0,0,0)", "itemclick": False,
        "itemdoubleclick": False, "font": {"size": 12, "color": colours.text},
    }  # fmt: skip


def _line(line: Line, axes: Axes) -> dict:
    said = f"{axes.x} %{{x:.3f}}<br>{axes.y} %{{y:.3f}}"
    said += "<br>threshold %{customdata:.4f}" if line.thresholds is not None else ""
    return {
        "type": "scatter", "x": line.x, "y": line.y, "mode": "lines", "name": as_text(line.name),
        "showlegend": bool(line.name) and not line.faint, "opacity": 0.35 if line.faint else 1,
        "line": {
            "color": line.colour, "width": 1.2 if line.faint else 2.2, "dash": line.dash,
            "shape": "hv" if line.stepped else "linear",
        },
        "customdata": line.thresholds,
        "hovertemplate": f"{said}<extra>{as_text(line.name)}</extra>",
    }  # fmt: skip


def _band(line: Line) -> dict:
    band = line.band
    return {
        "type": "scatter", "x": np.concatenate([band.x, band.x[::-1]]), "mode": "none",
        "y": np.concatenate([band.high, band.low[::-1]]), "fill": "toself", "hoverinfo": "skip",
        "fillcolor": _faded(line.colour, 0.16), "showlegend": False,
    }  # fmt: skip


def _segment(start: tuple[float, float], end: tuple[float, float], colour: str) -> dict:
    return {
        "type": "line", "x0": start[0], "y0": start[1], "x1": end[0], "y1": end[1], "layer": "below",
        "line": {"color": colour, "width": 1.2, "dash": "dash"},
    }  # fmt: skip


def _upright(x: float, colour: str) -> dict:
    return {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": colour, "width": 1.5, "dash": "dot"},
    }  # fmt: skip


def _faded(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _reach(one: float | None, other: float | None) -> float:
    return 0.0 if one is None or other is None else max(0.0, one - other)


def _even_ticks(reach: float) -> list[float]:
    step = 10.0 ** np.floor(np.log10(reach))
    step = next(factor * step for factor in (0.2, 0.5, 1, 2, 5) if reach / (factor * step) <= 4)
    return [float(k * step) for k in range(-4, 5) if abs(k * step) <= reach]


def as_text(text: str) -> str:
    """Text of a file as text: Plotly reads a small HTML in titles and labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
