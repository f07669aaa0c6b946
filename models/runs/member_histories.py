"""The histories of a pooled run's folds or seeds, and their mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.runs.history import History, read_history

if TYPE_CHECKING:
    from models.runs.folder import Run


def member_histories(run: Run) -> tuple[tuple[str, History], ...]:
    """(name, history) of every fold or seed that has one; empty for a run of one training. BadInput for a
    file that cannot be read."""
    files = ((member.name, run.member_history(member.name)) for member in run.members)
    return tuple((name, read_history(path)) for name, path in files if path is not None)


def mean_history(histories: Sequence[History]) -> History:
    """The mean over folds or seeds, epoch by epoch.

    An epoch that fewer than half of them reached is left out: the mean of the few that went on longest is
    no mean of all. Where they are in different stages at an epoch the figures are NaN.
    """
    lengths = [len(history) for history in histories]
    rows = sorted(lengths, reverse=True)[(len(lengths) - 1) // 2]
    stages = [Counter(h.stages[i] for h in histories if len(h) > i) for i in range(rows)]
    agreed = np.array([len(found) == 1 for found in stages])
    names = list(dict.fromkeys(name for history in histories for name in history.columns))
    columns = {name: np.where(agreed, _mean(histories, name, rows), np.nan) for name in names}
    longest = histories[int(np.argmax(lengths))]
    return History(longest.epochs[:rows], tuple(found.most_common(1)[0][0] for found in stages), columns)


def _mean(histories: Sequence[History], name: str, rows: int) -> np.ndarray:
    """float64 [rows]: the mean of those that have a number there."""
    table = np.full((len(histories), rows), np.nan)
    for i, history in enumerate(histories):
        values = history.columns.get(name, np.zeros(0))[:rows]
        table[i, : len(values)] = values
    counts = np.isfinite(table).sum(axis=0)
    return np.where(counts > 0, np.nansum(table, axis=0) / np.maximum(counts, 1), np.nan)
