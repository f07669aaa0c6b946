"""Plotly figures of the Training page. Every number comes ready; here it is only placed and coloured."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from models.reports.drawing_training import stretches
from pages.ui.palette import FONT, Palette
from pages.ui.training.curves import Line, Trained, counted_in, lines

TITLES = {"loss": "Loss", "auc": "AUC", "accuracy": "Accuracy", "learning_rate": "Learning rate"}
PANEL, GAP, TOP, BOTTOM = 232, 62, 58, 44
ABREAST = 2
#: Not measured but set: nothing to smooth.
_EXACT = ("learning_rate",)
#: Of the panel's width: a stage narrower than this has no room for its name.
_LEAST_BAND = 0.07


@dataclass(frozen=True)
class _Place:
    """A panel's axes: "" or "2", "3"..., and whether it is the lowest of its column."""

    number: str
    lowest: bool


def curves_figure(
    runs: Sequence[Trained],
    measures: Sequence[str],
    colours: Palette,
    *,
    smoothing: float = 0.0,
    logarithmic: Collection[str] = (),
) -> go.Figure:
    """A panel a measure, two abreast, over the epochs: training dashed, validation solid.

    One run: validation and training in two colours, its stages as bands, its best epoch as a line. Several:
    a colour a run. Folds or seeds are faint behind their mean, and so is what was smoothed. logarithmic:
    measures whose axis is.
    """
    rows = -(-len(measures) // ABREAST)
    height = TOP + BOTTOM + rows * PANEL + (rows - 1) * GAP
    layout: dict[str, Any] = _layout(height, colours)
    data: list[dict] = []
    legend: set[str] = set()
    reach = _reach(runs)
    for i, measure in enumerate(measures):
        place = _Place(str(i + 1) if i else "", i + ABREAST >= len(measures))
        layout |= _axes(place, i, rows, len(measures), height, reach, measure in logarithmic, colours)
        layout[f"xaxis{place.number}"]["title"]["text"] = counted_in(runs[0].history) if place.lowest else ""
        staged = len(runs) == 1 and len(stretches(runs[0].history)) > 1
        layout["annotations"].append(_title(TITLES.get(measure, measure), place, staged, colours))
        if measure in logarithmic:
            layout[f"yaxis{place.number}"] |= _log_ticks(runs, measure)
        for number, one in enumerate(runs):
            data += _of_a_run(one, measure, place, _ink(number, len(runs), colours), smoothing, legend)
    if len(runs) == 1:
        _mark_stages(layout, runs[0], len(measures), reach, colours)
    _mark_best(data, layout, runs, measures, colours)
    return go.Figure({"data": data, "layout": layout})


@dataclass(frozen=True)
class _Ink:
    """The two colours of a run, and what the legend calls its lines."""

    training: str
    validation: str
    alone: bool


def _ink(number: int, runs: int, colours: Palette) -> _Ink:
    if runs == 1:
        return _Ink(colours.below, colours.above, True)
    colour = colours.series[number % len(colours.series)]
    return _Ink(colour, colour, False)


def _of_a_run(
    one: Trained, measure: str, place: _Place, ink: _Ink, smoothing: float, legend: set[str]
) -> list[dict]:
    """The lines of one run in one panel, what is faint first so that it lies behind.

    legend: what it names already; a line that it should name is added to it.
    """
    found: list[dict] = []
    strong: dict | None = None
    for column, word, colour, dash in _kinds(one, measure, ink):
        wish = 0.0 if column in _EXACT else smoothing
        drawn = lines(one.history, column, wish)
        if not drawn:
            continue
        faint = [lines(history, column) for _, history in one.members]
        faint += [lines(one.history, column)] if wish else []
        for behind in faint:
            found.append(_trace(behind, place, colour, dash, 1.0) | {"opacity": 0.3, "hoverinfo": "skip"})
        strong = _trace(drawn, place, colour, dash, 2.0)
        said = shown_text(word if ink.alone else f"{one.run.id} {word}".strip())
        strong |= {"name": said, "hovertemplate": f"%{{y:.4~g}} {said}<extra></extra>"}
        if any(len(line.x) == 1 for line in drawn) or len(one.history) < 4:
            strong |= {"mode": "lines+markers", "marker": {"size": 6}}
        found.append(strong)
        if ink.alone and word:
            _name(strong, word, legend)
    if strong is not None and not ink.alone:
        _name(strong, one.run.id, legend)
    return found


def _name(trace: dict, name: str, legend: set[str]) -> None:
    """Put a line into the legend, unless one of that name is there."""
    trace |= {"name": shown_text(name), "legendgroup": name, "showlegend": name not in legend}
    legend.add(name)


def _kinds(one: Trained, measure: str, ink: _Ink) -> list[tuple[str, str, str, str]]:
    """(column, "training" or "validation", colour, dash); a learning rate is neither: one line, solid."""
    validated = f"val_{measure}"
    if validated not in one.history.columns and measure not in ("loss", "auc", "accuracy"):
        return [(measure, "", ink.validation, "solid")]
    return [(measure, "training", ink.training, "dash"), (validated, "validation", ink.validation, "solid")]


def _trace(drawn: Sequence[Line], place: _Place, colour: str, dash: str, width: float) -> dict:
    """One trace of several stretches with a gap between them."""
    gap = np.array([np.nan])
    x = np.concatenate([part for line in drawn for part in (line.x, gap)])[:-1]
    y = np.concatenate([part for line in drawn for part in (line.y, gap)])[:-1]
    return {
        "type": "scatter", "mode": "lines", "x": x, "y": y, "showlegend": False,
        "xaxis": f"x{place.number}", "yaxis": f"y{place.number}",
        "line": {"color": colour, "width": width, "dash": "4px,3px" if dash == "dash" else "solid"},
    }  # fmt: skip


def _mark_best(
    data: list[dict], layout: dict, runs: Sequence[Trained], measures: Sequence[str], colours: Palette
) -> None:
    """A diamond where a run's validation loss was lowest; of one run also a line through every panel."""
    for number, one in enumerate(runs):
        if one.best is None:
            continue
        epoch = int(one.history.epochs[one.best])
        if "loss" in measures:
            at = measures.index("loss")
            place = _Place(str(at + 1) if at else "", False)
            data.append(
                {
                    "type": "scatter", "mode": "markers", "x": [epoch], "showlegend": False,
                    "y": [float(one.history.columns["val_loss"][one.best])],
                    "xaxis": f"x{place.number}", "yaxis": f"y{place.number}",
                    "marker": {"symbol": "diamond", "size": 10, "line": {"width": 1.5, "color": colours.text},
                               "color": _ink(number, len(runs), colours).validation},
                    "hovertemplate": f"lowest validation loss: epoch {epoch}<extra></extra>",
                }
            )  # fmt: skip
        if len(runs) == 1:
            for i in range(len(measures)):
                layout["shapes"].append(_line(epoch, str(i + 1) if i else "", colours))


def _line(epoch: int, number: str, colours: Palette) -> dict:
    return {
        "type": "line", "x0": epoch, "x1": epoch, "y0": 0, "y1": 1, "xref": f"x{number}", "layer": "below",
        "yref": f"y{number} domain", "line": {"color": colours.text, "width": 1, "dash": "dot"},
    }  # fmt: skip


def _mark_stages(
    layout: dict, one: Trained, panels: int, reach: tuple[float, float], colours: Palette
) -> None:
    """Every other stage shaded, each named at the top of its band."""
    found = stretches(one.history)
    if len(found) < 2:
        return
    for number in (str(i + 1) if i else "" for i in range(panels)):
        for k, rows in enumerate(found):
            name = one.history.stages[rows.start]
            epochs = one.history.epochs[rows]
            x0, x1 = float(epochs[0]) - 0.5, float(epochs[-1]) + 0.5
            if k % 2 == 0:
                layout["shapes"].append(_band(x0, x1, number, colours))
            if (x1 - x0) / (reach[1] - reach[0]) >= _LEAST_BAND:
                layout["annotations"].append(_stage_name(name, x0, number, colours))


def _band(x0: float, x1: float, number: str, colours: Palette) -> dict:
    return {
        "type": "rect", "x0": x0, "x1": x1, "y0": 0, "y1": 1, "xref": f"x{number}", "layer": "below",
        "yref": f"y{number} domain", "line": {"width": 0}, "fillcolor": colours.track, "opacity": 0.5,
    }  # fmt: skip


def _stage_name(name: str, x: float, number: str, colours: Palette) -> dict:
    return {
        "text": shown_text(name[:18]), "x": x, "y": 1, "showarrow": False, "xref": f"x{number}",
        "yref": f"y{number} domain", "xanchor": "left", "yanchor": "bottom", "xshift": 1,
        "font": {"size": 11, "color": colours.muted},
    }  # fmt: skip


def _reach(runs: Sequence[Trained]) -> tuple[float, float]:
    """The x axis of all panels: half an epoch beyond the first and last of any run."""
    every = [h for one in runs for h in (one.history, *(history for _, history in one.members))]
    return min(float(h.epochs[0]) for h in every) - 0.5, max(float(h.epochs[-1]) for h in every) + 0.5


def _layout(height: int, colours: Palette) -> dict[str, Any]:
    return {
        "height": height, "margin": {"l": 52, "r": 8, "t": TOP, "b": BOTTOM}, "template": None,
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "dragmode": False,
        "font": {"family": FONT, "color": colours.text, "size": 13}, "hovermode": "x unified",
        "hoverlabel": {"font": {"family": FONT, "size": 12, "color": colours.text}, "bgcolor": colours.track},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": colours.muted, "activecolor": colours.text},
        "legend": {
            "orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top",
            "bgcolor": "rgba(0,0,0,0)", "font": {"size": 12, "color": colours.text},
        },
        "shapes": [], "annotations": [],
    }  # fmt: skip


def _axes(
    place: _Place, i: int, rows: int, panels: int, height: int, reach: tuple[float, float], log: bool,
    colours: Palette,
) -> dict[str, Any]:  # fmt: skip
    """The two axes of panel `i`: all x axes match, so that the pointer reads one epoch everywhere."""
    inner = height - TOP - BOTTOM
    row, column = divmod(i, ABREAST)
    top = 1 - row * (PANEL + GAP) / inner
    width = 1.0 if panels == 1 else 0.46
    left = column * (1 - width)
    axis = {
        "gridcolor": colours.line, "gridwidth": 0.5, "zeroline": False, "linecolor": colours.line,
        "ticks": "outside", "ticklen": 3, "tickcolor": colours.line, "fixedrange": True,
        "tickfont": {"size": 12, "color": colours.muted},
    }  # fmt: skip
    x = axis | {
        "anchor": f"y{place.number}", "domain": [left, left + width], "range": list(reach), "showgrid": False,
        "tickformat": ",d", "title": {"font": {"size": 12, "color": colours.muted}, "standoff": 4},
        "hoverformat": ",d", "unifiedhovertitle": {"text": "epoch %{x}"},
        **({"dtick": 1} if reach[1] - reach[0] < 12 else {"nticks": 9}),
    }  # fmt: skip
    y = axis | {
        "anchor": f"x{place.number}", "domain": [max(0.0, top - PANEL / inner), top],
        "type": "log" if log else "linear", "tickformat": "~g", "nticks": 5,
    }  # fmt: skip
    return {f"xaxis{place.number}": x, f"yaxis{place.number}": y}


def _log_ticks(runs: Sequence[Trained], measure: str) -> dict[str, Any]:
    """1, 2 and 5 of every decade, or 1 alone over many: Plotly's own labels lie on one another."""
    columns = (one.history.columns.get(name) for one in runs for name in (measure, f"val_{measure}"))
    found = np.concatenate([np.zeros(0), *(values for values in columns if values is not None)])
    found = found[np.isfinite(found) & (found > 0)]
    if not len(found):
        return {}
    low, high = np.log10(found.min()), np.log10(found.max())
    digits = (1, 2, 5) if high - low < 2.5 else (1,)
    ticks = [d * 10.0**k for k in range(int(np.floor(low)), int(np.ceil(high)) + 1) for d in digits]
    return {"tickmode": "array", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def _title(text: str, place: _Place, staged: bool, colours: Palette) -> dict:
    """The measure's name over its panel, above the names of the stages where there are some."""
    return {
        "text": f"<b>{shown_text(text)}</b>", "xref": f"x{place.number} domain", "x": 0, "xanchor": "left",
        "yref": f"y{place.number} domain", "y": 1, "yanchor": "bottom", "showarrow": False,
        "yshift": 17 if staged else 3,
        "font": {"size": 13, "color": colours.text},
    }  # fmt: skip


def shown_text(text: str) -> str:
    """Text of a file as text: Plotly reads a small HTML in titles and labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
