"""Figures logged at their own steps, brought to common ones: a row where validation was measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.errors import BadInput
from models.runs.history import History, history_of

MOST_ROWS = 2000
Series = tuple[np.ndarray, np.ndarray]


def on_common_steps(series: Mapping[str, Series], name: str) -> History:
    """metric -> (steps [k], values [k]) as one History.

    Rows are the steps of validation where it was logged, else of the metric logged most often. What was
    logged in between (the loss of every batch) is averaged over the steps since the row before; more than
    MOST_ROWS rows are averaged in blocks. BadInput where there is nothing.
    """
    ordered = {metric: _ordered(*pair) for metric, pair in series.items() if len(pair[0])}
    if not ordered:
        raise BadInput(
            f"{name} holds no figures of a training: give the folder or file of a run that has some."
        )
    of_validation = {metric: pair for metric, pair in ordered.items() if metric.startswith("val_")}
    steps = max((of_validation or ordered).values(), key=lambda pair: len(pair[0]))[0]
    if len(steps) > MOST_ROWS:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, MOST_ROWS).round().astype(int))]
    last = max(pair[0][-1] for pair in ordered.values())
    if last > steps[-1] and not of_validation:
        steps = np.append(steps, last)
    figures = {metric: _averaged(steps, *pair) for metric, pair in ordered.items()}
    return history_of(steps, figures)


def _ordered(steps: np.ndarray, values: np.ndarray) -> Series:
    """By step; of values at one step the last, as a resumed training overwrites what it repeats."""
    steps, values = np.asarray(steps, float), np.asarray(values, float)
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    last = np.append(np.diff(steps) > 0, True)
    return steps[last], values[last]


def _averaged(rows: np.ndarray, steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of the finite values in (row before, row] -> float64 [rows], NaN where there is none."""
    place = np.searchsorted(rows, steps, side="left")
    good = np.isfinite(values) & (place < len(rows))
    total = np.bincount(place[good], values[good], minlength=len(rows))
    count = np.bincount(place[good], minlength=len(rows))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
