"""Learning curves for print: losses, measures and the learning rate by epoch, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from models.reports.canvas import drawn, legend
from models.reports.colours import ABOVE, BELOW, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

    from models.runs.history import History

PANELS = (("Loss", "loss"), ("AUC", "auc"), ("Accuracy", "accuracy"), ("Learning rate", "learning_rate"))


def panels_of(history: History) -> tuple[tuple[str, str], ...]:
    """(title, column) of what this history has figures for."""
    return tuple(
        (title, name) for title, name in PANELS if name in history.columns or f"val_{name}" in history.columns
    )


def draw_history(history: History, best: int | None = None) -> str:
    """Training (dashed) and validation (solid) by epoch; stages are separated, row `best` is marked."""
    panels = panels_of(history)
    rows = (len(panels) + 1) // 2

    def draw(sheet: Sheet) -> None:
        grid = np.ravel(sheet.subplots(rows, 2, sharex=True, squeeze=False))
        for axes, (title, name) in zip(grid, panels, strict=False):
            _panel(axes, history, title, name, best)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[max(0, len(panels) - 2) : len(panels)]:
            axes.set_xlabel("Epoch")
            axes.tick_params(labelbottom=True)

    return drawn(draw, (7.2, 0.4 + 2.0 * rows))


def _panel(axes: Axes, history: History, title: str, name: str, best: int | None) -> None:
    alone = len(history) == 1
    mark = dict(marker="o", markersize=3.5) if alone or len(history) < 4 else {}
    named = False
    for column, label, style in (
        (name, "training", dict(color=BELOW, linestyle=(0, (4, 1.5)))),
        (f"val_{name}", "validation", dict(color=ABOVE)),
    ):
        values = history.columns.get(column)
        if values is None or np.isnan(values).all():
            continue
        named = named or column.startswith("val_")
        for rows in stretches(history):
            axes.plot(history.epochs[rows], values[rows], label=label, **style, **mark)
            label = "_nolegend_"
    _stages(axes, history)
    if best is not None:
        axes.axvline(history.epochs[best], color=INK, linewidth=0.8, dashes=(4, 2))
    if name == "learning_rate" and np.nanmin(history.columns[name]) > 0:
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_title(title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(True)
    if named and title == "Loss":
        legend(axes, "upper right")


def stretches(history: History) -> Sequence[slice]:
    """The rows of each stage in turn. Losses of different stages are different sums: no line joins them."""
    found, start = [], 0
    for _, rows in groupby(history.stages):
        end = start + len(list(rows))
        found.append(slice(start, end))
        start = end
    return found


def _stages(axes: Axes, history: History) -> None:
    for rows in stretches(history):
        if rows.start:
            axes.axvline(history.epochs[rows.start] - 0.5, color=MUTED, linewidth=0.7)
