"""The numbers of a batch as columns, read once from its rows: what triage is worked out from."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from xai.batch.steps import DISTANCE

if TYPE_CHECKING:
    from models.batch import Row
    from xai.batch.triage import AskedRun


@dataclass(frozen=True, eq=False)
class Answers:
    """What one run said. probabilities: float64 [n, C], NaN where it said nothing."""

    run: AskedRun
    probabilities: np.ndarray


class Columns:
    """n rows of a batch, eight bytes a number. extras: the columns of the steps that are kept."""

    def __init__(
        self, runs: Sequence[AskedRun], rows: Iterable[Row], extras: Sequence[str] = (DISTANCE,)
    ) -> None:
        self.runs = tuple(runs)
        scores = {run.id: array("d") for run in self.runs}
        self._extra = {(run.id, name): array("d") for run in self.runs for name in extras}
        self._n = 0
        for row in rows:
            self._n += 1
            for run in self.runs:
                score = row.scores.get(run.id)
                scores[run.id].extend(score.probabilities if score else (nan,) * len(run.classes))
                for name in extras:
                    value = score.extra.get(name) if score else None
                    self._extra[run.id, name].append(value if isinstance(value, int | float) else nan)
        self._answers = {
            run.id: Answers(run, np.array(scores[run.id]).reshape(self._n, len(run.classes)))
            for run in self.runs
        }

    def __len__(self) -> int:
        return self._n

    def answers(self, run_id: str) -> Answers:
        """What a run said of every row; KeyError for a run that was not asked."""
        return self._answers[run_id]

    def extra_number(self, run_id: str, name: str) -> np.ndarray:
        """float64 [n]: a column of the run's steps, NaN where there is no number; KeyError for one that is
        not kept."""
        return np.array(self._extra[run_id, name])


def columns_of(batch) -> Columns:
    """The columns of a `models.batch.results.Batch`."""
    return Columns(batch.runs, batch.rows())
