"""A run's audit as the page looks at it: the table of its cases, and what is counted from it, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from models.data.manifest import Case
from models.errors import BadInput
from models.runs import Run
from pages.ui.trust import words
from xai.audit import SIZES
from xai.audit.figures import column_figures, paired_difference
from xai.audit.table import BASELINES, JOINT, MeasureTable, case_groups

Metric = Mapping[str, Any]
T = TypeVar("T")
#: Fewer cases than this are shown with a word of warning.
FEW = 10


@dataclass(frozen=True)
class Look:
    """What of an audit is looked at. label: the class whose cases, with that class's map. measure: the one
    that is drawn case by case."""

    method: str
    map: str
    label: str
    measure: str


@dataclass(frozen=True, eq=False)
class Audited:
    """An audit of a run. document: its JSON, None for a table stored without one. groups: case id -> group.
    places: case id -> row of the run's predictions.csv, for the cases that have one. files: case id -> the
    case as its manifest lists it, and `on` what was audited, of an audit made on this visit."""

    run: Run
    table: MeasureTable
    document: Mapping[str, Any] | None
    groups: Mapping[str, str]
    places: Mapping[str, int]
    files: Mapping[str, Case] = field(default_factory=dict)
    on: str = ""
    _kept: dict = field(default_factory=dict, repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes with audited cases, the positive one first."""
        own = set(self.table.labels.tolist())
        first = [self.run.positive] if self.run.positive in own else []
        return (*first, *(name for name in self.run.classes if name in own and name not in first))

    @property
    def maps(self) -> tuple[str, ...]:
        """ "joint" and, where there are several, the branches."""
        return self.table.map_names

    @property
    def measures(self) -> tuple[str, ...]:
        """Measures with a value anywhere, headline first."""
        found = {name for name, values in self.table.measures.items() if np.isfinite(values).any()}
        known = (*words.MEASURES, *words.FAITHFULNESS)
        return (*(name for name in known if name in found), *sorted(found - set(known)))

    def cases(self, look: Look) -> MeasureTable:
        """The rows looked at, one a case."""
        return self._once(("cases", look.method, look.map, look.label), lambda: self._cases(look))

    def beside(self, look: Look, baseline: str) -> MeasureTable:
        """The same cases' rows of a baseline."""
        key = "beside", baseline, look.label
        return self._once(key, lambda: self.table.of("", baseline, look.label))

    def figures(self, look: Look, size: str | None = None) -> dict[str, Metric]:
        """Every measure of the cases looked at, with its interval; of one size of lesion where `size` is
        given."""
        key = "figures", look.method, look.map, look.label, size
        return self._once(key, lambda: self._figures(self.cases(look), size))

    def baseline(self, look: Look, name: str) -> dict[str, Metric]:
        """Every measure of a baseline on the cases of the class looked at; empty where it was not kept."""

        def counted() -> dict[str, Metric]:
            table = self.beside(look, name)
            return self._figures(table, None) if len(table) else {}

        return self._once(("baseline", name, look.label), counted)

    def over(self, look: Look, baseline: str, measure: str) -> Metric | None:
        """The map's measure less the baseline's, on the same cases; None where there is no baseline."""

        def counted() -> Metric | None:
            own, other = self.cases(look), self.beside(look, baseline)
            return paired_difference(own, other, measure, self.groups) if len(other) else None

        return self._once(("over", look.method, look.map, look.label, baseline, measure), counted)

    @property
    def openable(self) -> bool:
        """Whether a case of it can be opened by its row."""
        return any(case in self.places for case in set(self.table.case_ids.tolist()))

    def row(self, case_id: str) -> int | None:
        """The case's row in predictions.csv."""
        return self.places.get(case_id)

    def _cases(self, look: Look) -> MeasureTable:
        found = self.table.of(look.method, look.map, look.label)
        if not len(found):
            raise BadInput(f"No case of the class {look.label} has a mask: choose another class or map.")
        return found

    def _figures(self, table: MeasureTable, size: str | None) -> dict[str, Metric]:
        keep = None if size is None else in_size(table, size)
        if keep is not None and not keep.any():
            return {}
        return column_figures(table if keep is None else table.take(keep), self.groups)

    def _once(self, key: tuple, make: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def in_size(table: MeasureTable, size: str) -> np.ndarray:
    """bool [n]: the cases whose lesion is of that size."""
    low, high = next((low, high) for name, low, high in SIZES if name == size)
    return (table.lesion_shares >= low) & (table.lesion_shares < high)


def graded(table: MeasureTable, measure: str) -> np.ndarray:
    """float64 [n]: a measure a case, the lesions found as a share of the case's lesions."""
    values = table.measures[measure]
    if measure != "lesions_hit":
        return values
    return np.divide(values, table.lesions, out=np.full(len(values), np.nan), where=table.lesions > 0)


def audited(
    run: Run,
    table: MeasureTable,
    document: Mapping[str, Any] | None,
    case_ids: Iterable[str],
    groups: Mapping[str, str] | None = None,
    files: Mapping[str, Case] | None = None,
    on: str = "",
) -> Audited:
    """An audit ready to look at. case_ids: of the run's predictions in their order, where the audited cases
    are among them. groups: None for what the run's predictions tell."""
    places = {str(case): row for row, case in enumerate(case_ids)}
    known = case_groups(run) if groups is None else groups
    return Audited(run, table, document, known, places, files or {}, on)


__all__ = ["BASELINES", "JOINT", "Audited", "Look", "audited", "graded", "in_size"]
