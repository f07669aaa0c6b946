"""CSV exports of Weights & Biases, and other logs with a column of steps (Lightning's CSVLogger)."""

from __future__ import annotations

import numpy as np

from models.errors import BadInput
from models.runs.history import History
from models.runs.importing.names import metric_name
from models.runs.importing.numbers import numbers_or_none
from models.runs.importing.series import on_common_steps
from models.runs.importing.table import Table

_STEPS = ("_step", "step", "global_step", "trainer/global_step", "train/global_step")
_BETWEEN = " - "


def is_wandb(table: Table) -> bool:
    """Whether columns are called "run - metric", or a column counts steps."""
    return _of_chart(table) or any(column.casefold() in _STEPS for column in table.columns)


def history_of_wandb(table: Table) -> tuple[History, str]:
    """(history, the run's name or ""). BadInput for an export of several runs, or without figures."""
    names, run = _names(table)
    columns = {column: numbers_or_none(table, column) for column in names}
    columns = {column: values for column, values in columns.items() if values is not None}
    steps = _steps(table, names, columns)
    series = {}
    for column, values in columns.items():
        metric = metric_name(names[column])
        if metric is None or metric in ("step", "epoch", "global_step", "trainer_global_step"):
            continue
        there = np.isfinite(values) & np.isfinite(steps)
        if there.any():
            series[metric] = (steps[there], values[there])
    return on_common_steps(series, table.name), run


def _of_chart(table: Table) -> bool:
    return len(table.columns) > 1 and all(_BETWEEN in column for column in table.columns[1:])


def _names(table: Table) -> tuple[dict[str, str], str]:
    """Column -> metric, and the run's name; the lowest and highest of smoothed groups are left out."""
    if not _of_chart(table):
        return {column: column for column in table.columns}, ""
    kept = [c for c in table.columns if not c.endswith(("__MIN", "__MAX"))]
    runs = sorted({column.rpartition(_BETWEEN)[0] for column in kept if _BETWEEN in column})
    if len(runs) > 1:
        shown = ", ".join(runs[:4])
        raise BadInput(f"{table.name} holds {len(runs)} runs ({shown}): export the chart of one run.")
    return {column: column.rpartition(_BETWEEN)[2] for column in kept}, runs[0]


def _steps(table: Table, names: dict[str, str], columns: dict[str, np.ndarray]) -> np.ndarray:
    """The epoch of every row where it is always known and grows, else the step, else the row's number."""
    by_name = {names[column].casefold(): values for column, values in columns.items()}
    epoch = by_name.get("epoch")
    if epoch is not None and np.isfinite(epoch).all() and (np.diff(epoch) > 0).all():
        return epoch
    for name in _STEPS:
        if name in by_name and np.isfinite(by_name[name]).any():
            return by_name[name]
    return np.arange(len(table), dtype=float)
