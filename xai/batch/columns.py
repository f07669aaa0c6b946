"""The table of a batch as columns, read once from its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.batch import Row
    from xai.batch.triage import AskedRun


@dataclass(frozen=True, eq=False)
class Answers:
    """What one run said. probabilities: float64 [n, C], NaN where it said nothing."""

    run: AskedRun
    probabilities: np.ndarray


class Columns:
    """n rows of a batch. Numbers alone are kept; what is words is asked of the rows."""

    def __init__(self, runs: Sequence[AskedRun], rows: Iterable[Row]) -> None:
        self.runs = tuple(runs)
        scores = {run.id: [] for run in self.runs}
        self._extra: dict[tuple[str, str], dict[int, float]] = {}
        n = 0
        for n, row in enumerate(rows, 1):
            for run in self.runs:
                score = row.scores.get(run.id)
                scores[run.id].append(None if score is None else score.probabilities)
                for name, value in (score.extra if score else {}).items():
                    if isinstance(value, int | float):
                        self._extra.setdefault((run.id, name), {})[n - 1] = float(value)
        self._n = n
        self._answers = {run.id: Answers(run, _stacked(scores[run.id], run)) for run in self.runs}

    def __len__(self) -> int:
        return self._n

    def answers(self, run_id: str) -> Answers:
        """What a run said of every row; KeyError for a run that was not asked."""
        return self._answers[run_id]

    def extra_number(self, run_id: str, name: str) -> np.ndarray:
        """float64 [n]: a column of the run's steps; NaN where there is no number."""
        values = np.full(self._n, np.nan)
        found = self._extra.get((run_id, name), {})
        values[list(found)] = list(found.values())
        return values


def columns_of(batch) -> Columns:
    """The columns of a `models.batch.results.Batch`."""
    return Columns(batch.runs, batch.rows())


def _stacked(scores: list[tuple[float, ...] | None], run: AskedRun) -> np.ndarray:
    found = np.full((len(scores), len(run.classes)), np.nan)
    for at, own in enumerate(scores):
        if own is not None:
            found[at] = own
    return found
