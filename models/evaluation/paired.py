"""Two runs on exactly the cases that both were tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import BadInput
from models.evaluation.evidence import read_run_predictions
from models.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from models.runs import Run


@dataclass(frozen=True)
class McNemar:
    """b: cases that the first alone gets right; c: the second alone; p: two-sided, exact."""

    b: int
    c: int
    p: float


@dataclass(frozen=True, eq=False)
class Shared:
    """The n cases of both runs, in the first run's order.

    labels int [n] into `classes`; groups str [n]; first_p, second_p [n, C]; first_called, second_called
    int [n], at each run's own threshold; first_rows, second_rows int [n]: rows in each run's predictions.csv.
    note: what a reader has to know of how the cases were matched, or "".
    """

    case_ids: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    positive: str
    first_p: np.ndarray
    second_p: np.ndarray
    first_called: np.ndarray
    second_called: np.ndarray
    first_rows: np.ndarray
    second_rows: np.ndarray
    note: str

    def __len__(self) -> int:
        return len(self.case_ids)


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """McNemar's test (1947, Psychometrika 12:153) of two verdicts (bool [n]: right) on the same cases, exact:
    of the cases on which one alone is right, is it the first as often as the second?"""
    from scipy.special import bdtr

    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    p = min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0
    return McNemar(b, c, p)


def shared_cases(first: Run, second: Run, part: str = "test") -> Shared:
    """The labelled cases of that part in both runs' stored predictions.

    A case of a merged run ("pack/case") is the case of a single-pack run ("case") where that leaves no doubt.
    Runs of the same classes are compared as they are; runs that share only the positive class as that class
    against the rest. BadInput when a run has no predictions, when nothing is shared, when the positive classes
    differ, or when the runs' labels of a shared case differ.
    """
    from models.evaluation.matching import match

    return match(first, second, *(read_run_predictions(run) for run in (first, second)), part)


def compare_runs(first: Run, second: Run, part: str = "test", samples: int = 2000) -> dict[str, Any]:
    """The document of `python -m models compare` (CONTRACTS.md)."""
    from models.evaluation.differences import compared

    return compared(first, second, shared_cases(first, second, part), part, samples)


def part_of(predictions: Predictions, part: str) -> np.ndarray:
    """Rows int [k] of the labelled cases of a part; all of them where nothing is split."""
    labelled = predictions.labels >= 0
    if part != "all" and (predictions.splits != "").any():
        labelled &= predictions.splits == part
    return np.flatnonzero(labelled)


def no_shared(first: Run, second: Run, part: str) -> BadInput:
    return BadInput(
        f"The runs {first.id} and {second.id} share no {part} case: choose two runs on the same data."
    )
