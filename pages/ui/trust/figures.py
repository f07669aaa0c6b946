"""Plotly figures of an audit. Every number comes ready; here it is only placed and coloured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from pages.ui.evaluation.figures import Axes, as_text, figure_of
from pages.ui.palette import Palette
from pages.ui.trust.words import BASELINES

ROW = 40


@dataclass(frozen=True)
class Against:
    """A measure of the run's maps beside the same measure of maps that know no model.

    found: the metric dict. beside: "centre", "random", "ceiling" -> value, as far as measured.
    """

    name: str
    found: Mapping[str, object]
    beside: Mapping[str, float | None]


@dataclass(frozen=True, eq=False)
class Strip:
    """One strip of cases: values float [n]; index int [n], which comes back when a case is clicked.

    hits: bool [n], drawn filled; mean: their metric dict. said: str [n] under the pointer.
    """

    name: str
    values: np.ndarray
    index: np.ndarray
    hits: np.ndarray
    mean: Mapping[str, object]
    said: Sequence[str]


def against_figure(rows: Sequence[Against], colours: Palette, name: str = "the run's map") -> go.Figure:
    """A row a measure on 0..1: the run's value with its interval, and the baselines as open marks."""
    places = list(range(len(rows)))
    data = [
        {
            "type": "scatter", "mode": "markers", "name": as_text(words), "y": at, "x": x,
            "marker": {
                "symbol": symbol, "size": 13 if kind == "ceiling" else 10, "color": colours.muted,
                "line": {"width": 2, "color": colours.muted},
            },
            "hovertemplate": as_text(words) + " %{x:.2f}<extra></extra>",
        }
        for kind, (words, symbol) in BASELINES.items()
        for at, x in [_known(rows, kind)]
        if x
    ]  # fmt: skip
    known = [(i, row.found) for i, row in zip(places, rows, strict=True) if row.found["value"] is not None]
    data.append(
        {
            "type": "scatter", "mode": "markers", "name": as_text(name), "y": [i for i, _ in known],
            "legendrank": 1,
            "x": [found["value"] for _, found in known], "marker": {"size": 12, "color": colours.above},
            "error_x": _interval([found for _, found in known], colours.above, 2.2),
            "hovertemplate": "%{x:.3f}<extra>" + as_text(name) + "</extra>",
        }
    )  # fmt: skip
    axes = Axes("", "", (-0.02, 1.02), (len(rows) - 0.5, -0.5), height=70 + ROW * len(rows))
    ticks = {
        "tickvals": places, "ticktext": [as_text(row.name) for row in rows], "ticks": "", "showgrid": False,
        "tickfont": {"size": 13, "color": colours.text},
    }  # fmt: skip
    return figure_of(data, axes, colours, legend=True, layout=_legend_above(colours), y_axis=ticks)


def strip_figure(strips: Sequence[Strip], title: str, colours: Palette) -> go.Figure:
    """Every case as a dot in its strip, scattered sideways by its place alone, with the strip's mean and
    interval; hollow where the map's peak misses the lesion."""
    data = []
    for kind, filled in (("peak on the lesion", True), ("peak elsewhere", False)):
        x, y, index, said = [], [], [], []
        for at, strip in enumerate(strips):
            own = np.flatnonzero(strip.hits == filled)
            x += list(at + _sideways(strip.values)[own])
            y += list(strip.values[own])
            index += list(strip.index[own])
            said += [strip.said[i] for i in own]
        if not x:
            continue
        colour = colours.below if filled else colours.above
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": kind, "x": x, "y": y, "customdata": index,
                "hovertext": [as_text(text) for text in said], "hoverinfo": "text",
                "marker": {
                    "size": 7, "color": colour, "opacity": 0.75, "line": {"width": 1.4, "color": colour},
                    "symbol": "circle" if filled else "x-thin",
                },
                "selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 0.75}},
            }
        )  # fmt: skip
    known = [(at, strip.mean) for at, strip in enumerate(strips) if strip.mean["value"] is not None]
    data.append(
        {
            "type": "scatter", "mode": "markers", "name": "mean with its 95 % interval",
            "x": [at + 0.33 for at, _ in known], "y": [mean["value"] for _, mean in known],
            "marker": {"size": 10, "color": colours.text, "symbol": "diamond"},
            "error_y": _interval([mean for _, mean in known], colours.text, 2),
            "hovertemplate": "mean %{y:.3f}<extra></extra>",
        }
    )  # fmt: skip
    names = [f"{as_text(strip.name)}<br>n = {len(strip.values):,}" for strip in strips]
    axes = Axes("", title, (-0.5, len(strips) - 0.5), (-0.03, 1.03), height=340)
    ticks = {
        "tickvals": list(range(len(strips))), "ticktext": names, "ticks": "", "showgrid": False,
        "tickfont": {"size": 13, "color": colours.text},
    }  # fmt: skip
    return figure_of(data, axes, colours, legend=True, layout=_legend_above(colours), x_axis=ticks)


def stages_figure(
    names: Sequence[str], lines: Mapping[str, Sequence[float | None]], colours: Palette
) -> go.Figure:
    """How alike the maps stay (lines by name) as more of the network is made random, stage by stage."""
    places = list(range(len(names)))
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "name": as_text(name), "x": places, "y": list(values),
            "line": {"color": colour, "width": 2.2, "dash": dash}, "marker": {"size": 8, "color": colour},
            "connectgaps": False, "hovertemplate": "%{x}: %{y:.2f}<extra>" + as_text(name) + "</extra>",
        }
        for (name, values), colour, dash in zip(
            lines.items(), (colours.above, colours.below, colours.muted), ("solid", "dash", "dot"),
            strict=False,
        )
    ]  # fmt: skip
    axes = Axes("made random, from the top down", "alikeness with the trained map", (-0.3, len(names) - 0.7))
    ticks = {"tickvals": places, "ticktext": [as_text(name) for name in names], "showgrid": False}
    low = min([0.0, *(value for line in lines.values() for value in line if value is not None)])
    level = {
        "type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": 0, "y1": 0, "layer": "below",
        "line": {"color": colours.line, "width": 1.2, "dash": "dash"},
    }  # fmt: skip
    return figure_of(
        data, axes, colours, shapes=[level], legend=len(lines) > 1, layout=_legend_above(colours),
        x_axis=ticks, y_axis={"range": [low - 0.05, 1.05]},
    )  # fmt: skip


def twins_figure(
    rows: Sequence[tuple[str, float, float]], threshold: float, title: str, colours: Palette
) -> go.Figure:
    """A row a phantom on 0..1: its probability with the mark and without it, joined by a line."""
    places = list(range(len(rows)))
    kinds = (
        ("with the mark", 1, colours.above, "square", 9),
        ("without it", 2, colours.below, "circle-open", 16),
    )
    data = [
        {
            "type": "scatter", "mode": "markers", "name": name, "x": [row[at] for row in rows], "y": places,
            "marker": {
                "size": size, "color": colour, "symbol": symbol, "line": {"width": 2.4, "color": colour},
            },
            "hovertemplate": name + " %{x:.3f}<extra></extra>",
        }
        for name, at, colour, symbol, size in kinds
    ]  # fmt: skip
    joins = [
        {
            "type": "line", "x0": a, "x1": b, "y0": i, "y1": i, "layer": "below",
            "line": {"color": colours.line, "width": 3},
        }
        for i, (_, a, b) in enumerate(rows)
    ]  # fmt: skip
    level = {
        "type": "line", "x0": threshold, "x1": threshold, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": colours.text, "width": 1.5, "dash": "dot"},
    }  # fmt: skip
    axes = Axes(title, "", (-0.03, 1.03), (len(rows) - 0.5, -0.5), height=90 + 30 * len(rows))
    ticks = {
        "tickvals": places, "ticktext": [as_text(name) for name, *_ in rows], "ticks": "", "showgrid": False,
        "tickfont": {"size": 13, "color": colours.text},
    }  # fmt: skip
    return figure_of(
        data, axes, colours, shapes=[*joins, level], legend=True, layout=_legend_above(colours), y_axis=ticks
    )


def _known(rows: Sequence[Against], kind: str) -> tuple[list[int], list[float]]:
    values = [(i, row.beside.get(kind)) for i, row in enumerate(rows)]
    return [i for i, x in values if x is not None], [x for _, x in values if x is not None]


def _interval(found: Sequence[Mapping[str, object]], colour: str, thickness: float) -> dict:
    """Error bars of metric dicts."""

    def reach(one: float | None, other: float | None) -> float:
        return 0.0 if one is None or other is None else max(0.0, one - other)

    return {
        "type": "data", "symmetric": False, "thickness": thickness, "width": 4, "color": colour,
        "array": [reach(metric["high"], metric["value"]) for metric in found],
        "arrayminus": [reach(metric["value"], metric["low"]) for metric in found],
    }  # fmt: skip


def _legend_above(colours: Palette) -> dict:
    return {
        "legend": {
            "bgcolor": "rgba(0,0,0,0)", "font": {"size": 12, "color": colours.text}, "orientation": "h",
            "yanchor": "bottom", "y": 1.0, "x": 0, "itemclick": False, "itemdoubleclick": False,
        },
        "margin": {"l": 8, "r": 8, "t": 34, "b": 8},
    }  # fmt: skip


def _sideways(values: np.ndarray, bins: int = 25, reach: float = 0.26) -> np.ndarray:
    """float [n]: where a dot stands in its strip so that dots of like value do not cover each other; no
    chance in it, so a figure looks the same every time."""
    at = np.zeros(len(values))
    cell = np.clip((np.nan_to_num(values) * bins).astype(int), 0, bins - 1)
    for each in np.unique(cell):
        own = np.flatnonzero(cell == each)
        order = np.argsort(values[own], kind="stable")
        step = min(0.05, 2 * reach / max(1, len(own) - 1))
        # 0, 1, -1, 2, -2, ...: from the middle outwards.
        rank = np.arange(len(own))
        at[own[order]] = np.where(rank % 2, (rank + 1) // 2, -(rank // 2)) * step
    return np.clip(at, -reach, reach)
