"""Plotly figures of a comparison. Every number comes ready; here it is only placed and coloured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from pages.ui.palette import FONT, Palette

ROW = 27


@dataclass(frozen=True)
class Called:
    """A run's probability of the class it calls positive, its threshold, and whether it is called.

    threshold: None where the most probable of several classes is called.
    """

    name: str
    probability: float
    threshold: float | None
    called: bool


def probability_figure(rows: Sequence[Called], title: str, colours: Palette) -> go.Figure:
    """A row a run on 0..1: its probability as a dot in the colour of its verdict, its threshold as a tick."""
    places = list(range(len(rows)))
    marks = [colours.above if row.called else colours.below for row in rows]
    with_threshold = [(i, row.threshold) for i, row in enumerate(rows) if row.threshold is not None]
    data = [
        {
            "type": "scatter", "mode": "markers", "x": [x for _, x in with_threshold],
            "y": [i for i, _ in with_threshold], "hovertemplate": "threshold %{x:.3f}<extra></extra>",
            "marker": {"symbol": "line-ns", "size": 15, "line": {"width": 2.5, "color": colours.text}},
        },
        {
            "type": "scatter", "mode": "markers", "x": [row.probability for row in rows], "y": places,
            "marker": {"size": 12, "color": marks}, "hovertemplate": "%{x:.4f}<extra></extra>",
        },
    ]  # fmt: skip
    # In a column of their own: beside the dots they would lie on thresholds.
    values = [
        {
            "x": 1.035, "y": i, "xanchor": "left", "showarrow": False,
            "text": f"<b>{row.probability:.3f}</b>", "font": {"size": 13, "color": mark},
        }
        for i, (row, mark) in enumerate(zip(rows, marks, strict=True))
    ]  # fmt: skip
    shapes = [
        {
            "type": "line", "x0": 0, "x1": row.probability, "y0": i, "y1": i, "layer": "below",
            "line": {"color": mark, "width": 3},
        }
        for i, (row, mark) in enumerate(zip(rows, marks, strict=True))
    ]  # fmt: skip
    figure = framed(data, colours, height=58 + ROW * len(rows), shapes=shapes, annotations=values)
    figure.update_xaxes(
        range=[-0.01, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1], ticktext=["0", "0.25", "0.5", "0.75", "1"],
        title=_title(title, colours),
    )  # fmt: skip
    _named_rows(figure, [row.name for row in rows], colours)
    return figure


def agreement_figure(
    values: Sequence[Sequence[float | None]], names: Sequence[str], colours: Palette, *, signed: bool
) -> go.Figure:
    """Every run against every run. signed: correlations of -1..1, else shares of 0..1. The columns are the
    rows' numbers, which stand before their names."""
    n = len(names)
    z = np.array([[np.nan if v is None else v for v in row] for row in values], float)
    off = ~np.eye(n, dtype=bool)
    scale = [[0, colours.below], [0.5, colours.track], [1, colours.above]]
    if not signed:
        scale = [[0, colours.track], [1, colours.above]]
    data = [
        {
            "type": "heatmap", "z": np.where(off, z, np.nan), "zmin": -1 if signed else 0, "zmax": 1,
            "colorscale": scale, "showscale": False, "xgap": 2, "ygap": 2, "hoverongaps": False,
            "customdata": [[[a, b] for b in names] for a in names],
            "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>"
            + ("rank correlation %{z:+.2f}" if signed else "overlap %{z:.0%}") + "<extra></extra>",
        }
    ]  # fmt: skip
    labels = [
        {
            "x": j, "y": i, "showarrow": False, "text": _cell(z[i, j], signed),
            "font": {"size": 13, "color": _on(z[i, j], signed, colours)},
        }
        for i in range(n) for j in range(n) if i != j
    ]  # fmt: skip
    figure = framed(data, colours, height=34 + 34 * n, annotations=labels)
    numbers = [str(i + 1) for i in range(n)]
    figure.update_xaxes(
        tickvals=list(range(n)), ticktext=numbers, side="top", showgrid=False, ticks="",
        range=[-0.5, n - 0.5], tickfont={"size": 13, "color": colours.text},
    )  # fmt: skip
    _named_rows(figure, [f"{number}  {name}" for number, name in zip(numbers, names, strict=True)], colours)
    return figure


@dataclass(frozen=True)
class Dot:
    """A value with its interval in a dot plot. kind: of KINDS. name: of its row; empty for one more dot in
    the row above. Without a value the row is a heading."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    kind: str = "run"
    said: str = ""


#: kind -> (symbol, size, name in the legend)
KINDS = {
    "run": ("circle", 10, "run, with its 95 % interval"),
    "synthetic": ("circle-open", 10, "run on phantoms"),
    "published": ("diamond-open", 10, "published, other data"),
    "clear": ("diamond", 11, "interval without 0"),
    "unclear": ("circle", 9, "interval with 0"),
}


def dot_figure(
    dots: Sequence[Dot], title: str, span: tuple[float, float], reference: float | None, colours: Palette
) -> go.Figure:
    """Values with their intervals, in rows from the top; `reference` is a thin upright line."""
    rows = [dot for dot in dots if dot.name]
    places = np.cumsum([bool(dot.name) for dot in dots]) - 1
    data = []
    for kind, (symbol, size, name) in KINDS.items():
        own = [
            (int(place), dot)
            for place, dot in zip(places, dots, strict=True)
            if dot.kind == kind and dot.value is not None
        ]
        if not own:
            continue
        colour = {"published": colours.muted, "clear": colours.above}.get(kind, colours.below)
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": name, "showlegend": True,
                "x": [dot.value for _, dot in own], "y": [place for place, _ in own],
                "marker": {"symbol": symbol, "size": size, "color": colour, "line": {"width": 1.6}},
                "error_x": {
                    "type": "data", "symmetric": False, "thickness": 1.4, "width": 4, "color": colours.muted,
                    "array": [_reach(dot.high, dot.value) for _, dot in own],
                    "arrayminus": [_reach(dot.value, dot.low) for _, dot in own],
                },
                "hovertext": [shown_text(dot.said or dot.name) for _, dot in own], "hoverinfo": "text",
            }
        )  # fmt: skip
    shapes = []
    if reference is not None:
        shapes.append(
            {
                "type": "line", "x0": reference, "x1": reference, "y0": 0, "y1": 1, "yref": "paper",
                "line": {"color": colours.muted, "width": 1.2, "dash": "dash"}, "layer": "below",
            }
        )  # fmt: skip
    figure = framed(data, colours, height=92 + 24 * len(rows), shapes=shapes)
    figure.update_xaxes(range=list(span), title=_title(title, colours))
    _named_rows(figure, [dot.name for dot in rows], colours)
    names = [f"<b>{shown_text(dot.name)}</b>" if dot.value is None else shown_text(dot.name) for dot in rows]
    figure.update_yaxes(ticktext=names)
    figure.update_layout(showlegend=len(data) > 1, margin={"t": 34})
    return figure


@dataclass(frozen=True, eq=False)
class Points:
    """Cases of a scatter of one kind: x, y float [n]; index int [n], which comes back when one is clicked."""

    name: str
    x: np.ndarray
    y: np.ndarray
    index: np.ndarray
    colour: str
    symbol: str
    faint: bool = False


def scatter_figure(
    points: Sequence[Points],
    titles: tuple[str, str],
    thresholds: tuple[float | None, float | None],
    chosen: tuple[float, float] | None,
    colours: Palette,
) -> go.Figure:
    """The same cases by two runs' probabilities, with both thresholds; chosen: the case that is open."""
    data = [
        {
            "type": "scatter", "mode": "markers", "name": part.name, "x": part.x, "y": part.y,
            "customdata": part.index, "showlegend": True,
            "marker": {
                "size": 6 if part.faint else 9, "color": part.colour, "symbol": part.symbol,
                "opacity": 0.45 if part.faint else 0.9,
            },
            "selected": {"marker": {"opacity": 1}},
            "unselected": {"marker": {"opacity": 0.45 if part.faint else 0.9}},
            "hovertemplate": "%{x:.3f}, %{y:.3f}<extra>" + shown_text(part.name) + "</extra>",
        }
        for part in points
        if len(part.x)
    ]  # fmt: skip
    if chosen is not None:
        data.append(
            {
                "type": "scatter", "mode": "markers", "x": [chosen[0]], "y": [chosen[1]],
                "hoverinfo": "skip", "showlegend": False,
                "marker": {
                    "size": 17, "symbol": "circle-open", "color": colours.text, "line": {"width": 2.2}
                },
            }
        )  # fmt: skip
    line = {"type": "line", "line": {"color": colours.text, "width": 1.2, "dash": "dot"}, "layer": "below"}
    shapes = [
        line | ({"x0": t, "x1": t, "y0": 0, "y1": 1} if axis == 0 else {"x0": 0, "x1": 1, "y0": t, "y1": t})
        for axis, t in enumerate(thresholds)
        if t is not None
    ]
    figure = framed(data, colours, height=430, shapes=shapes)
    for update, title in ((figure.update_xaxes, titles[0]), (figure.update_yaxes, titles[1])):
        update(range=[-0.02, 1.02], title=_title(shown_text(title), colours))
    figure.update_layout(showlegend=True, margin={"t": 60})
    return figure


def crossed_figure(counts: Sequence[Sequence[int]], names: tuple[str, str], colours: Palette) -> go.Figure:
    """McNemar's table: cases that the first run calls rightly (rows: rightly, wrongly) by the second's."""
    z = [[0, 1], [1, 0]]
    data = [
        {
            "type": "heatmap", "z": z, "zmin": 0, "zmax": 1.6, "showscale": False, "xgap": 3, "ygap": 3,
            "colorscale": [[0, colours.track], [1, colours.below]], "hoverinfo": "skip",
        }
    ]  # fmt: skip
    labels = [
        {
            "x": j, "y": i, "showarrow": False, "text": f"<b>{counts[i][j]:,}</b>",
            "font": {"size": 19, "color": colours.on_mark if z[i][j] else colours.text},
        }
        for i in range(2) for j in range(2)
    ]  # fmt: skip
    figure = framed(data, colours, height=300, annotations=labels)
    ticks = {"tickvals": [0, 1], "ticktext": ["rightly", "wrongly"], "ticks": "", "showgrid": False}
    font = {"tickfont": {"size": 13, "color": colours.text}}
    figure.update_xaxes(
        **ticks, **font, side="top", range=[-0.5, 1.5], title=_title(f"{shown_text(names[1])} calls", colours)
    )
    figure.update_yaxes(
        **ticks, **font, range=[1.5, -0.5], tickangle=-90,
        title=_title(f"{shown_text(names[0])} calls", colours),
    )  # fmt: skip
    return figure


def framed(
    data: list[dict],
    colours: Palette,
    *,
    height: int,
    shapes: Sequence[dict] = (),
    annotations: Sequence[dict] = (),
) -> go.Figure:
    """A figure in the page's type and colours, with nothing to drag; made from one dictionary, which Plotly
    checks once."""
    axis = {
        "gridcolor": colours.line, "gridwidth": 0.5, "zeroline": False, "linecolor": colours.line,
        "ticks": "outside", "ticklen": 3, "tickcolor": colours.line, "fixedrange": True, "automargin": True,
        "tickfont": {"size": 12, "color": colours.muted},
    }  # fmt: skip
    layout = {
        "height": height, "margin": {"l": 4, "r": 8, "t": 6, "b": 8}, "template": None,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "dragmode": False,
        "font": {"family": FONT, "color": colours.text, "size": 13}, "showlegend": False,
        "hoverlabel": {"font": {"family": FONT, "size": 12}}, "hovermode": "closest",
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours.muted, "activecolor": colours.text},
        "xaxis": axis, "yaxis": axis, "shapes": list(shapes), "annotations": list(annotations),
        "legend": {"bgcolor": "rgba(0,0,0,0)", "font": {"size": 12, "color": colours.text},
                   "orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    }  # fmt: skip
    return go.Figure({"data": data, "layout": layout})


def shown_text(text: str) -> str:
    """Text of a file as text: Plotly reads a small HTML in titles and labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _named_rows(figure: go.Figure, names: Sequence[str], colours: Palette) -> None:
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=[shown_text(name) for name in names], ticks="",
        range=[len(names) - 0.5, -0.5], showgrid=False, tickfont={"size": 13, "color": colours.text},
    )  # fmt: skip


def _reach(one: float | None, other: float | None) -> float:
    return 0.0 if one is None or other is None else max(0.0, one - other)


def _title(text: str, colours: Palette) -> dict:
    return {"text": text, "font": {"size": 13, "color": colours.text}, "standoff": 6}


def _cell(value: float, signed: bool) -> str:
    if np.isnan(value):
        return "-"
    return f"{value:+.2f}" if signed else f"{value:.0%}"


def _on(value: float, signed: bool, colours: Palette) -> str:
    strong = not np.isnan(value) and abs(value) > 0.6
    return colours.on_mark if strong else colours.text
