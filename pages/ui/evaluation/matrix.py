"""The confusion matrix, whose cells can be clicked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from pages.ui.evaluation.figures import Axes, as_text, figure_of
from pages.ui.palette import Palette
from pages.ui.plain_text import short

CHART = "matrix"
#: The trace that can be clicked: heatmap cells cannot.
CELLS = "cells"


def confusion_figure(
    counts: Sequence[Sequence[int]],
    shown: np.ndarray,
    classes: Sequence[str],
    colours: Palette,
    *,
    as_counts: bool,
) -> go.Figure:
    """The confusion matrix, a row a true class, with a marker over each cell that can be clicked.

    shown: float [C, C], what is written large: counts, or shares (0..1, NaN where a row or column is empty).
    The customdata of the markers (the trace CELLS) is [true class, called class].
    """
    n = len(classes)
    height = 92 + max(250, 74 * n)
    across, down = np.meshgrid(np.arange(n), np.arange(n))
    depth = shown / shown.max() if as_counts and shown.max() > 0 else shown
    pairs = [[classes[i], classes[j]] for i in range(n) for j in range(n)]
    hover = [
        f"truly {as_text(i)}, called {as_text(j)}: {counts[a][b]:,}<br>click to see these cases"
        for a, i in enumerate(classes)
        for b, j in enumerate(classes)
    ]
    data = [
        {
            "type": "heatmap", "z": np.nan_to_num(depth), "zmin": 0, "zmax": 1, "showscale": False, "xgap": 2,
            "ygap": 2, "colorscale": [[0, colours.track], [1, colours.below]], "hoverinfo": "skip",
        },
        {
            "type": "scatter", "name": CELLS, "x": across.ravel(), "y": down.ravel(), "mode": "markers",
            "marker": {"symbol": "square", "size": min(220, (height - 92) / n - 4), "color": "rgba(0,0,0,0)"},
            "selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}},
            "customdata": pairs, "hovertext": hover, "hoverinfo": "text", "showlegend": False,
        },
    ]  # fmt: skip
    labels = [
        _cell_label(i, j, counts[i][j], shown[i, j], depth[i, j], as_counts, colours)
        for i in range(n)
        for j in range(n)
    ]
    names = {
        "tickvals": list(range(n)), "ticktext": list(map(shortened, classes)), "ticks": "",
        "showgrid": False, "tickfont": {"size": 13, "color": colours.text},
    }  # fmt: skip
    return figure_of(
        data,
        Axes("called", "truly", (-0.5, n - 0.5), (n - 0.5, -0.5), height=height),
        colours,
        annotations=labels,
        x_axis=names,
        y_axis=names | {"tickangle": -90},
    )


def _cell_label(
    row: int, column: int, count: int, shown: float, depth: float, as_counts: bool, colours: Palette
) -> dict:
    large = f"{count:,}" if as_counts else "-" if np.isnan(shown) else f"{shown:.1%}"
    small = "" if as_counts else f"<br><span style='font-size:12px'>{count:,}</span>"
    dark = not np.isnan(depth) and depth > 0.55
    return {
        "x": column, "y": row, "text": f"<b>{large}</b>{small}", "showarrow": False,
        "font": {"size": 19 if as_counts else 17, "color": colours.on_mark if dark else colours.text},
    }  # fmt: skip


def shortened(name: str) -> str:
    return as_text(short(name, 16))
