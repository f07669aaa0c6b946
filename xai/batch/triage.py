"""In which order the cases of a batch are looked at: pure arithmetic on its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.errors import BadInput
from xai.batch.steps import DISTANCE

SUSPICIOUS, UNCERTAIN, DISAGREEMENT, UNLIKE = "suspicious", "uncertain", "disagreement", "unfamiliar"
#: Key -> what a picker says.
ORDERS = {
    SUSPICIOUS: "Most suspicious",
    UNCERTAIN: "Most uncertain",
    DISAGREEMENT: "Most disagreement between runs",
    UNLIKE: "Least like the training data",
}
# Probabilities of exactly 0 and 1 have no logit; double precision cannot tell them from these.
_EDGE = 1e-15


class AskedRun(Protocol):
    """A run as a batch asked it."""

    id: str
    classes: Sequence[str]
    positive: str
    threshold: float


class Table(Protocol):
    """The rows of a batch as columns: `xai.batch.columns.Columns`, or a page's own."""

    runs: Sequence[AskedRun]

    def answers(self, run_id: str) -> Any:
        """With `probabilities` float64 [n, C], NaN where the run said nothing."""
        ...

    def extra_number(self, run_id: str, name: str) -> np.ndarray:
        """float64 [n]: a column of the run's steps, NaN where there is no number."""
        ...


def order(table: Table, by: str, run_id: str) -> np.ndarray:
    """int64 [n]: positions of rows, the first to be looked at first. Ties keep the rows' own order; rows the
    run did not score come last.

    table: a `models.batch.results.Batch`, or its columns. by: a key of ORDERS.
    "suspicious": highest probability of the run's positive class. "uncertain": of two classes the calibrated
    logit nearest to the threshold's; of more the highest entropy of the probabilities. "disagreement": images
    that runs call differently first, then by how far the runs lie apart, each measured in logits from its own
    threshold (rows with one answer last). "unfamiliar": the farthest from the run's training images.
    BadInput for another order, or a run the batch did not ask.
    """
    if by not in ORDERS:
        raise BadInput(f"There is no order {by!r}: choose one of {', '.join(ORDERS)}.")
    if not hasattr(table, "answers"):
        from xai.batch.columns import columns_of

        table = columns_of(table)
    runs = {run.id: run for run in table.runs}
    if run_id not in runs:
        raise BadInput(f"The batch has no run {run_id}: choose one of {', '.join(runs)}.")
    run, p = runs[run_id], table.answers(run_id).probabilities
    scored = ~np.isnan(p).any(axis=1)
    if by == SUSPICIOUS:
        keys = (p[:, run.classes.index(run.positive)],)
    elif by == UNCERTAIN:
        keys = (_without_noise(uncertainty(p, run)),)
    elif by == UNLIKE:
        keys = (table.extra_number(run_id, DISTANCE),)
    else:
        found = disagreement(table)
        keys = (found.differ.astype(np.float64), _without_noise(found.spread))
    return _descending(scored, *keys)


def uncertainty(p: np.ndarray, run: AskedRun) -> np.ndarray:
    """float64 [n], higher is less certain; NaN where p [n, C] is. See `order`."""
    if p.shape[1] == 2:
        return -np.abs(_from_threshold(p[:, run.classes.index(run.positive)], run.threshold))
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = np.where(p > 0, p * np.log(p), np.where(np.isnan(p), np.nan, 0.0))
    return -terms.sum(axis=1)


@dataclass(frozen=True, eq=False)
class Disagreement:
    """How runs differ over the rows of a batch, arrays [n]. differ: bool, some call the positive class and
    some do not. spread: float64, how far the most and the least suspicious run lie apart in logits, each from
    its own threshold; NaN with fewer than two answers. answers: int64, runs that scored the row."""

    differ: np.ndarray
    spread: np.ndarray
    answers: np.ndarray


def disagreement(table: Table, run_ids: Sequence[str] | None = None) -> Disagreement:
    """Between all runs of a table, or those named. Of two classes a run calls the positive one from its
    threshold on, of more where it is the most probable."""
    away, called = [], []
    for run in table.runs:
        if run_ids is not None and run.id not in run_ids:
            continue
        p = table.answers(run.id).probabilities
        place = run.classes.index(run.positive)
        own = p[:, place]
        away.append(_from_threshold(own, run.threshold if p.shape[1] == 2 else _most_others(p, place)))
        positive = own >= run.threshold if p.shape[1] == 2 else p.argmax(axis=1) == place
        called.append(np.where(np.isnan(own), np.nan, positive))
    away, called = np.array(away), np.array(called)
    answers = (~np.isnan(called)).sum(axis=0)
    several = answers >= 2
    low, high = (np.where(several, edge, np.nan) for edge in _extent(away))
    least, most = _extent(called)
    return Disagreement(several & (most > least), high - low, answers)


def _most_others(p: np.ndarray, place: int) -> np.ndarray:
    """The probability a class has to pass to be the most probable one."""
    return np.delete(p, place, axis=1).max(axis=1)


def _from_threshold(p: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    return _logit(p) - _logit(np.asarray(threshold, np.float64))


def _without_noise(values: np.ndarray) -> np.ndarray:
    """Rounding errors of a logarithm must not order what is equal."""
    return np.round(values, 9)


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, _EDGE, 1 - _EDGE)
    return np.log(p) - np.log1p(-p)


def _extent(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest of each column, NaN left out; of a column without a number +inf and -inf."""
    missing = np.isnan(values)
    low = np.where(missing, np.inf, values).min(axis=0)
    return low, np.where(missing, -np.inf, values).max(axis=0)


def _descending(scored: np.ndarray, *keys: np.ndarray) -> np.ndarray:
    """Positions by the first key, then the next, highest first; NaN after every number, unscored rows at the
    end. Equal rows stay in their order."""
    ranks = [np.where(np.isnan(key), np.inf, -key) for key in reversed(keys)]
    return np.lexsort([*ranks, ~scored])
