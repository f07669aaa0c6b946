"""What of a run is looked at: a part of its split, by image, breast or patient, for one class, filtered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.runs import Run

NOT_STATED = "not stated"
#: A column of words with more values than this is no filter; numbers become a range.
MOST_VALUES = 24
FEW_NUMBERS = 6


@dataclass(frozen=True)
class Filter:
    """A column of cases.csv and the values that stay; for `span` the lowest and highest number that do."""

    column: str
    values: tuple[str, ...] = ()
    span: tuple[float, float] | None = None

    @property
    def chosen(self) -> str:
        """The values in words."""
        return ", ".join(self.values) if self.span is None else f"{self.span[0]:g} to {self.span[1]:g}"

    @property
    def said(self) -> str:
        return f"{self.column.replace('_', ' ')} {self.chosen}"


@dataclass(frozen=True)
class View:
    """A view of a run. label: the class looked at; None for all classes of more than two."""

    run: Run
    part: str
    unit: str
    label: str | None
    filters: tuple[Filter, ...] = ()


def values_of(column: np.ndarray) -> tuple[str, ...] | tuple[float, float] | None:
    """What a filter on the column (str [n]) offers: its values, a range of numbers, or nothing (None)."""
    values = np.unique(column)
    known = values[values != ""]
    if len(known) > FEW_NUMBERS:
        try:
            numbers = known.astype(np.float64)
        except ValueError:
            numbers = np.full(1, np.nan)
        if np.isfinite(numbers).all():
            return float(numbers.min()), float(numbers.max())
    if not len(known) or len(values) < 2 or len(values) > MOST_VALUES:
        return None
    return (*known.tolist(), *([NOT_STATED] if len(known) < len(values) else []))


def kept(columns: Mapping[str, np.ndarray], filters: Sequence[Filter], n: int) -> np.ndarray | None:
    """Which of the n rows pass every filter, bool [n]; None where there is no filter."""
    if not filters:
        return None
    keep = np.ones(n, dtype=bool)
    for wanted in filters:
        column = columns[wanted.column]
        if wanted.span is not None:
            numbers = np.full(n, np.nan)
            known = column != ""
            numbers[known] = column[known].astype(np.float64)
            low, high = wanted.span
            keep &= (numbers >= low) & (numbers <= high)
        else:
            keep &= np.isin(column, ["" if value == NOT_STATED else value for value in wanted.values])
    return keep
