"""Two runs on exactly the cases that both were tested on: areas, verdicts and every other metric compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import BadInput
from models.evaluation.calibration import bin_index
from models.evaluation.counting import ECE_BINS, matrix_metrics
from models.evaluation.delong import Delong, areas, difference_of
from models.evaluation.evidence import Evidence
from models.evaluation.intervals import percentile_interval
from models.evaluation.matching import Shared, shared_cases
from models.evaluation.metrics import METRICS, VERDICT_METRICS, Metric, undefined
from models.evaluation.operating_points import OperatingPoint
from models.evaluation.predictions import Predictions
from models.evaluation.resampling import (
    Resampled,
    dense_codes,
    group_codes,
    quantile_cells,
    resampled_counts,
    smoothed,
)

if TYPE_CHECKING:
    from models.runs import Run

__all__ = ["McNemar", "Paired", "Shared", "compare_runs", "mcnemar", "shared_cases"]


@dataclass(frozen=True)
class McNemar:
    """b: cases that the first alone calls rightly; c: the second alone; p: two-sided, exact."""

    b: int
    c: int
    p: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """McNemar's test (1947, Psychometrika 12:153) of two verdicts (bool [n]: right) on the same cases, exact:
    among the cases that one alone calls rightly, is it the first as often as the second?"""
    from scipy.special import bdtr

    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    if first.shape != second.shape:
        raise BadInput("McNemar's test needs both verdicts of each case: give two lists of one length.")
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    p = min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0
    return McNemar(b, c, p)


def compare_runs(first: Run, second: Run, part: str = "test", samples: int | None = None) -> dict[str, Any]:
    """The document of `python -m models compare` (CONTRACTS.md), with both runs' own metrics on the shared
    cases under `first` and `second`. Differences are first - second. Errors as `shared_cases`."""
    shared = shared_cases(first, second, part)
    paired = Paired(shared, first.operating_point.threshold, second.operating_point.threshold, samples)
    delong, test = paired.delong, paired.mcnemar
    return {
        "first": {"run": first.id, "run_digest": first.digest, "metrics": paired.first.metrics()},
        "second": {"run": second.id, "run_digest": second.digest, "metrics": paired.second.metrics()},
        "shared": len(shared),
        "split": part,
        "classes": list(shared.classes),
        "positive": shared.positive,
        "note": shared.note,
        "delong": {key: value for key, value in asdict(delong).items() if key != "why" or value},
        "mcnemar": asdict(test),
        "differences": paired.differences,
    }


class Paired:
    """Two runs' probabilities and verdicts on the same cases, at each run's own threshold."""

    def __init__(self, shared: Shared, first: float, second: float, samples: int | None = None) -> None:
        self.shared = shared
        # Of many cases fewer samples tell as much, and each takes longer.
        self.samples = (2000 if len(shared) <= 20_000 else 1000) if samples is None else samples
        self.groups = dense_codes(group_codes(shared.groups, len(shared)))
        self.first = self._evidence(shared.first_p, first)
        self.second = self._evidence(shared.second_p, second)

    @cached_property
    def delong(self) -> Delong:
        """Areas of the positive class or, with more than two, the means over the classes that have cases."""
        present = np.unique(self.shared.labels)
        if len(present) < 2:
            why = f"All shared cases are {self.shared.classes[present[0]]}."
            return Delong(None, None, None, None, None, None, why)
        binary = len(self.shared.classes) == 2
        ranked = [self.shared.classes.index(self.shared.positive)] if binary else present.tolist()
        outcomes = [self.shared.labels == k for k in ranked] * 2
        scores = [p[:, k] for p in (self.shared.first_p, self.shared.second_p) for k in ranked]
        mean, none = np.full(len(ranked), 1 / len(ranked)), np.zeros(len(ranked))
        found = areas(outcomes, scores, self.groups)
        return difference_of(found, [*mean, *none], [*none, *mean])

    @cached_property
    def mcnemar(self) -> McNemar:
        shared = self.shared
        return mcnemar(shared.first_called == shared.labels, shared.second_called == shared.labels)

    @cached_property
    def differences(self) -> dict[str, Metric]:
        """{metric: {"value", "low", "high", "n"}} of first - second for every name in METRICS.

        auc by DeLong; the rest by the percentiles of resamples that draw the same cases for both, verdicts
        smoothed (`resampling.smoothed`). Simulated at 25 + 66 cases the intervals hold the truth in 94 to 99
        % of samples, those of resamples alone in 80 to 95 %.
        """
        verdicts = self._verdicts()
        found = {"auc": self._auc(), **verdicts, "brier": self._brier(), "ece": self._ece()}
        return {name: found[name] for name in METRICS}

    def _evidence(self, p: np.ndarray, threshold: float) -> Evidence:
        shared = self.shared
        blank = np.full(len(shared), "")
        cases = Predictions(shared.classes, shared.case_ids, blank, shared.groups, blank, shared.labels, p)
        point = OperatingPoint("run", threshold, "the run's own")
        return Evidence(cases, positive=shared.positive, own_points=(point,))

    def _auc(self) -> Metric:
        delong, n = self.delong, len(self.shared)
        if delong.difference is None:
            return undefined(delong.why, n)
        found = {"value": delong.difference, "low": delong.low, "high": delong.high, "n": n}
        return found | ({"why": delong.why} if delong.low is None else {})

    def _verdicts(self) -> dict[str, Metric]:
        shared, c = self.shared, len(self.shared.classes)
        cells = (shared.labels * c + shared.first_called) * c + shared.second_called
        real = np.bincount(cells, minlength=c**3).reshape(1, c, c, c).astype(np.float64)
        drawn = self._resampled(cells, c**3).counts.reshape(-1, c, c, c)
        # Without it a difference of four cases to none would have a sign beyond doubt.
        counts = smoothed(drawn, self._may_differ(), 0.5 / (c - 1))
        at = shared.classes.index(shared.positive) if c == 2 else None
        values = [matrix_metrics(real.sum(axis=axis), at) for axis in (3, 2)]
        spread = [matrix_metrics(counts.sum(axis=axis), at) for axis in (3, 2)]
        own = [self.first.at().metrics, self.second.at().metrics]
        found = {}
        for name in VERDICT_METRICS:
            value = float(values[0][name][0] - values[1][name][0])
            if np.isnan(value):
                why = next(str(metrics[name]["why"]) for metrics in own if metrics[name]["value"] is None)
                found[name] = undefined(why, len(shared))
            else:
                found[name] = self._metric(value, spread[0][name] - spread[1][name])
        return found

    def _may_differ(self) -> np.ndarray:
        """Cells [C, C, C] (true, first called, second called) of cases that the two call differently."""
        c = len(self.shared.classes)
        differ = np.zeros((c, c, c), dtype=bool)
        differ[np.unique(self.shared.labels)] = ~np.eye(c, dtype=bool)
        return differ

    def _brier(self) -> Metric:
        own = [evidence.squared_errors for evidence in (self.first, self.second)]
        return self._mean(own[0] - own[1])

    def _mean(self, values: np.ndarray) -> Metric:
        cells = quantile_cells(values)
        counted = self._resampled(cells, int(cells.max()) + 1)
        return self._metric(float(values.mean()), counted.sums(values).sum(axis=1) / counted.totals)

    def _ece(self) -> Metric:
        sure = [evidence.sure for evidence in (self.first, self.second)]
        values = [evidence.ece["value"] for evidence in (self.first, self.second)]
        bins = [bin_index(p, ECE_BINS) * 2 + right for p, right in sure]
        each = 2 * ECE_BINS
        counted = self._resampled(bins[0] * each + bins[1], each**2)
        eces = []
        for axis, (p, right) in zip((2, 1), sure, strict=True):
            gaps = counted.sums(p - right).reshape(-1, each, each).sum(axis=axis)
            eces.append(np.abs(gaps.reshape(-1, ECE_BINS, 2).sum(axis=2)).sum(axis=1) / counted.totals)
        return self._metric(float(values[0] - values[1]), eces[0] - eces[1])

    def _resampled(self, cells: np.ndarray, n_cells: int) -> Resampled:
        return resampled_counts(cells, n_cells, self.shared.labels, self.groups, self.samples)

    def _metric(self, value: float, resampled: np.ndarray) -> Metric:
        low, high = percentile_interval(resampled, value)
        return {"value": value, "low": low, "high": high, "n": len(self.shared)}
