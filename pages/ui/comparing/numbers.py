"""What is drawn of two runs, worked out once: it outlives the clicks on a page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.evaluation.curves import RocCurve
from models.evaluation.metrics import Metric
from models.evaluation.paired import Paired

#: Enough for a band that is drawn, whatever the number of cases.
BAND_POINTS = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class Curve:
    """A run's ROC curve with its AUC; low, high: its 95 % band at BAND_POINTS, None for a mean of classes."""

    roc: RocCurve
    auc: Metric
    low: np.ndarray | None = None
    high: np.ndarray | None = None


class PairNumbers(Paired):
    """`Paired`, and what its page draws."""

    @property
    def several(self) -> bool:
        """More than two classes: areas and curves are means over them."""
        return len(self.shared.classes) > 2

    @cached_property
    def curves(self) -> tuple[Curve, Curve]:
        """Of both runs; BadInput where all shared cases are of one class."""
        first, second = (self._curve(evidence) for evidence in (self.first, self.second))
        return first, second

    @cached_property
    def metrics(self) -> tuple[dict[str, Metric], dict[str, Metric]]:
        """Of both runs on the shared cases."""
        return self.first.metrics(), self.second.metrics()

    @cached_property
    def crossed(self) -> list[list[int]]:
        """McNemar's table: [both right, first alone], [second alone, both wrong]."""
        shared = self.shared
        one, other = shared.first_called == shared.labels, shared.second_called == shared.labels
        return [[int((a & b).sum()) for b in (other, ~other)] for a in (one, ~one)]

    @cached_property
    def positive_scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Both runs' probabilities of the positive class, float [n]."""
        at = self.shared.classes.index(self.shared.positive)
        return self.shared.first_p[:, at], self.shared.second_p[:, at]

    @cached_property
    def differing(self) -> np.ndarray:
        """Cases that the runs call differently, int [k]: those furthest apart in probability first."""
        found = np.flatnonzero(self.shared.first_called != self.shared.second_called)
        one, other = self.positive_scores
        return found[np.argsort(-np.abs(one - other)[found], kind="stable")]

    def _curve(self, evidence) -> Curve:
        if self.several:
            return Curve(evidence.macro_roc(), evidence.auc())
        return Curve(evidence.ranking().roc(), evidence.auc(), *evidence.bands().roc(BAND_POINTS))
