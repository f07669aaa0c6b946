"""Verdicts at a threshold, and the shares of them that are right, without waiting for any resample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.evaluation.metrics import Metric, confusion, predicted_classes, verdict_metrics

if TYPE_CHECKING:
    from models.evaluation.evidence import Evidence

SHARES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
ORDERS = ("missed first", "most confident wrong", "most uncertain")


@dataclass(frozen=True, eq=False)
class Calls:
    """What `Evidence.at` judges.

    truth and called int [n], indices into `classes`; positive: the class that must not be missed, likewise.
    sureness float [n], 0..1: how far a case is from another verdict; with a threshold the way to it as a
    share of the longest such way, else the difference of the two highest probabilities.
    """

    classes: tuple[str, ...]
    truth: np.ndarray
    called: np.ndarray
    positive: int
    sureness: np.ndarray

    @property
    def counts(self) -> list[list[int]]:
        """The confusion matrix: rows true, columns called."""
        return confusion(self.truth, self.called, self.classes)["counts"]

    def ordered(self, order: str, truth: str | None = None, called: str | None = None) -> np.ndarray:
        """Places (indices into the n cases) in one of ORDERS, of one cell, row or column of the matrix.

        The first two hold wrong verdicts alone, unless a cell (truth and called) is asked for. Missed: of the
        positive class and called otherwise, the surest first, then the other errors.
        """
        chosen = np.ones(len(self.truth), dtype=bool)
        for name, kind in ((truth, self.truth), (called, self.called)):
            if name is not None:
                if name not in self.classes:
                    raise BadInput(f"There is no class {name!r}: choose one of {', '.join(self.classes)}.")
                chosen &= kind == self.classes.index(name)
        if order == "most uncertain":
            places = np.flatnonzero(chosen)
            return places[np.argsort(self.sureness[places], kind="stable")]
        if truth is None or called is None:
            chosen &= self.truth != self.called
        places = np.flatnonzero(chosen)
        found_late = np.zeros(len(places), dtype=bool)
        if order == "missed first":
            found_late = self.truth[places] != self.positive
        return places[np.lexsort((places, -self.sureness[places], found_late))]


def calls(evidence: Evidence, threshold: float | None = None, label: str | None = None) -> Calls:
    """Threshold and label as in `Evidence.at`; BadInput for a threshold that is no number."""
    p = evidence.predictions.probabilities
    if not evidence.binary and label is None:
        two = np.partition(p, -2, axis=1)[:, -2:]
        at = evidence.classes.index(evidence.positive)
        return Calls(
            evidence.classes, evidence.predictions.labels, predicted_classes(p), at, two[:, 1] - two[:, 0]
        )
    label = evidence.positive if label is None else label
    threshold = evidence.threshold if threshold is None else float(threshold)
    if not np.isfinite(threshold):
        raise BadInput("A threshold has to be a number: give one between 0 and 1.")
    ranking = evidence.ranking(label)
    classes = evidence.classes if evidence.binary else (f"other than {label}", label)
    at, hit = classes.index(label), ranking.scores >= threshold
    truth, called = (np.where(kind, at, 1 - at) for kind in (ranking.outcomes, hit))
    longest = np.where(hit, max(1 - threshold, 1e-12), max(threshold, 1e-12))
    return Calls(classes, truth, called, at, np.clip(np.abs(ranking.scores - threshold) / longest, 0, 1))


def shares(evidence: Evidence, found: Calls) -> dict[str, Metric]:
    """Sensitivity, specificity, PPV, NPV and accuracy with Wilson's intervals, as `Evidence.at` has them; of
    more than two classes the accuracy alone."""
    two = len(found.classes) == 2
    return verdict_metrics(
        found.truth,
        found.called,
        np.zeros((0, len(found.classes), len(found.classes))),
        classes=found.classes,
        positive=found.positive,
        groups=evidence.groups,
        names=SHARES if two else SHARES[-1:],
    )
