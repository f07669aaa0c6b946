"""Figures of an audit's table: means with intervals, methods ranked, two runs against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from models.evaluation.intervals import (
    effective_n,
    percentile_interval,
    resampled_weights,
    wilson,
)
from models.evaluation.resampling import dense_codes, group_codes
from xai.audit.table import GRAD_CAM, JOINT, MeasureTable

if TYPE_CHECKING:
    from models.evaluation.metrics import Metric

# What a case is: found or not. Their mean is a share, and has a share's interval.
HITS = ("pointing", "pointing_15", "top5", "increase")
# Measures that are better low.
LOWER_IS_BETTER = ("deletion", "average_drop", "infidelity", "heat_on_marks", "heat_outside")
# From -1 on; every other measure, and every probability's curve, lies in 0..1.
SIGNED = ("sensitivity_n", "rank")
# Counted by lesion: found lesions of all lesions, not a mean over cases.
BY_LESION = "lesions_hit"
NO_CASE = "no such case has a mask"
NOT_MEASURED = "not measured in this audit"
_RESAMPLES = 2000
_SEED = 0

Groups = Mapping[str, str] | None


def figures(
    table: MeasureTable,
    groups: Groups = None,
    method: str = GRAD_CAM,
    map: str = JOINT,
    keep: np.ndarray | None = None,
) -> dict[str, Metric]:
    """{measure: {"value", "low", "high", "n"}}: the mean over the cases of one method and map.

    groups: case id -> group, see `case_groups`; a case that is not named there stands alone. keep: bool
    [len(table)], the rows that count (a class, a size); None for all. Hits have Wilson's interval with the
    groups' effective number of cases, the others that of the bootstrap over groups. `lesions_hit` is the
    share of all lesions that was found. One group alone shows no spread: the interval then is all that the
    measure can be. Without a case or a measured value: value None, with `why`.
    """
    rows = table if keep is None else table.take(np.asarray(keep, dtype=bool))
    return column_figures(rows.of(method, map), groups)


def column_figures(table: MeasureTable, groups: Groups = None) -> dict[str, Metric]:
    """`figures` of a table that holds one method and map, a row a case."""
    codes = _codes(table, groups)
    draws = _Draws(codes)
    return {name: _figure(name, values, table, codes, draws) for name, values in table.measures.items()}


def rank_methods(
    table: MeasureTable,
    groups: Groups = None,
    measure: str = "iou",
    map: str = JOINT,
    label: str | None = None,
) -> list[tuple[str, Metric]]:
    """(method, its figure), the best first, all over the cases that every method was measured on; methods in
    which the measure is undefined come last. KeyError for a measure that the table has not."""
    table.measures[measure]
    own = {name: table.of(name, map, label) for name in table.method_names}
    shared = _shared(list(own.values()))
    found = []
    for name, rows in own.items():
        rows = rows.take(np.isin(rows.case_ids, shared))
        found.append((name, column_figures(_with_one(rows, measure), groups)[measure]))
    sign = 1 if measure in LOWER_IS_BETTER else -1
    return sorted(found, key=lambda f: (f[1]["value"] is None, sign * (f[1]["value"] or 0.0)))


def paired_difference(
    table_a: MeasureTable, table_b: MeasureTable, measure: str = "iou", groups: Groups = None
) -> Metric:
    """The mean of first less second over the cases both have under one class, drawn together.

    Tables of one method and map each, as `MeasureTable.of` gives them (two runs, two methods, a run and a
    baseline); of a table with several, its Grad-CAM's joint map counts. Bootstrap over groups; for hits
    half a case is added to each of the four outcomes, as Agresti and Min 2005 (Statistics in Medicine
    24:729) do, so that no difference of few cases is beyond doubt. n: the shared cases.
    """
    a, b = _one_map(table_a), _one_map(table_b)
    if measure not in a.measures or measure not in b.measures:
        return _undefined(NOT_MEASURED, 0)
    first, second = _matched(a, b)
    values = _values(measure, a)[first] - _values(measure, b)[second]
    known = np.isfinite(values)
    values, n = values[known], int(known.sum())
    if not n:
        return _undefined("the two share no case on which it was measured", 0)
    value = float(values.mean())
    draws = _Draws(_codes(a.take(first).take(known), groups))
    sums, totals = draws.sums(values), draws.totals
    if measure in HITS:
        won, lost, same = np.random.default_rng(_SEED).poisson([[0.5, 0.5, 1.0]], (len(sums), 3)).T
        sums, totals = sums + won - lost, totals + won + lost + same
    low, high = percentile_interval(sums / totals, value)
    if len(np.unique(draws.codes)) < 2 and measure not in HITS:
        high = 2.0 if measure in SIGNED else 1.0
        low = -high
    return {"value": value, "low": low, "high": high, "n": n}


def mean_figure(values: np.ndarray, groups: Sequence[str] | None = None, measure: str = "") -> Metric:
    """A mean of values [n] with its interval, NaN left out; groups: the cases', as in `figures`."""
    values = np.asarray(values, dtype=np.float64)
    codes = dense_codes(group_codes(groups, len(values)))
    return _mean(values, codes, _Draws(codes), measure)


class _Draws:
    """Resamples of groups, drawn once for all measures of the same cases."""

    def __init__(self, codes: np.ndarray) -> None:
        self.codes = codes
        self._weights: np.ndarray | None = None

    @property
    def weights(self) -> np.ndarray:
        """float64 [2000, n]: how often each case is drawn."""
        if self._weights is None:
            labels = np.zeros(len(self.codes), dtype=np.int64)
            self._weights = np.concatenate(list(resampled_weights(labels, self.codes, _RESAMPLES, _SEED)))
        return self._weights

    def sums(self, values: np.ndarray) -> np.ndarray:
        return self.weights @ values

    @property
    def totals(self) -> np.ndarray:
        return self.weights.sum(axis=1)


def _figure(name: str, values: np.ndarray, table: MeasureTable, codes: np.ndarray, draws: _Draws) -> Metric:
    if name != BY_LESION:
        return _mean(values, codes, draws, name)
    known = np.isfinite(values) & (table.lesions > 0)
    if not known.any():
        return _undefined(NOT_MEASURED if len(values) else NO_CASE, 0)
    lesions = np.where(known, table.lesions, 0.0)
    found = np.where(known, values, 0.0)
    with np.errstate(invalid="ignore"):
        drawn = draws.sums(found) / draws.sums(lesions)
    value = float(found.sum() / lesions.sum())
    low, high = percentile_interval(drawn, value)
    count = len(np.unique(codes[known]))
    if value in (0.0, 1.0):  # resamples see no spread
        low, high = wilson(value, float(count))
    elif count < 2:
        low, high = 0.0, 1.0
    return {"value": value, "low": low, "high": high, "n": int(known.sum())}


def _mean(values: np.ndarray, codes: np.ndarray, draws: _Draws, measure: str) -> Metric:
    known = np.isfinite(values)
    n = int(known.sum())
    if not n:
        return _undefined(NOT_MEASURED if len(values) else NO_CASE, 0)
    value = float(values[known].mean())
    # Values that are all 0 or all 1 have no spread to resample either.
    if measure in HITS or np.isin(values[known], (0.0, 1.0)).all():
        low, high = wilson(value, effective_n(values[known].astype(bool), dense_codes(codes[known])))
    elif len(np.unique(codes[known])) < 2:
        low, high = (-1.0 if measure in SIGNED else 0.0), 1.0
    else:
        filled = np.where(known, values, 0.0)
        with np.errstate(invalid="ignore"):
            drawn = draws.sums(filled) / draws.sums(known.astype(np.float64))
        low, high = percentile_interval(drawn, value)
    return {"value": value, "low": low, "high": high, "n": n}


def _undefined(why: str, n: int) -> Metric:
    return {"value": None, "low": None, "high": None, "n": n, "why": why}


def _codes(table: MeasureTable, groups: Groups) -> np.ndarray:
    names = None if groups is None else [groups.get(case, "") for case in table.case_ids.tolist()]
    return dense_codes(group_codes(names, len(table)))


def _values(measure: str, table: MeasureTable) -> np.ndarray:
    """A measure a case; lesions found as a share of the case's lesions."""
    values = table.measures[measure]
    if measure != BY_LESION:
        return values
    return np.divide(values, table.lesions, out=np.full(len(values), np.nan), where=table.lesions > 0)


def _with_one(table: MeasureTable, measure: str) -> MeasureTable:
    return replace(table, measures={measure: table.measures[measure]})


def _shared(tables: list[MeasureTable]) -> list[str]:
    ids = [set(table.case_ids.tolist()) for table in tables]
    return sorted(set.intersection(*ids)) if ids else []


def _one_map(table: MeasureTable) -> MeasureTable:
    kinds = set(zip(table.methods.tolist(), table.maps.tolist(), strict=True))
    return table if len(kinds) <= 1 else table.of()


def _matched(a: MeasureTable, b: MeasureTable) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both in the order of the first: the same case, measured on the map of the same class."""
    place = {key: i for i, key in enumerate(zip(b.case_ids.tolist(), b.labels.tolist(), strict=True))}
    keys = zip(a.case_ids.tolist(), a.labels.tolist(), strict=True)
    pairs = [(i, place[key]) for i, key in enumerate(keys) if key in place]
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]
