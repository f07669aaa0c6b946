"""A visitor's file and what it holds, read once and forgotten with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.evaluation import Predictions
from models.runs.cases import CaseTable
from models.runs.importing import (
    NO_LABEL,
    Log,
    Mapping,
    Table,
    facts_from,
    guess_mapping,
    kind_of,
    predictions_from,
    read_log,
    read_table,
)
from pages.ui.plain_text import amount, plain


@dataclass(frozen=True, eq=False)
class Cases:
    """What a table was read as. facts: what it says of its cases besides, for subgroups."""

    predictions: Predictions
    facts: CaseTable | None

    @cached_property
    def summary(self) -> str:
        """Cases, patients, labels, parts and columns for subgroups in a few sentences (Markdown)."""
        cases = self.predictions
        patients = len(np.unique(cases.patient_ids))
        whose = f" of {amount(patients, 'patient')}" if patients != len(cases) else ""
        counts = np.bincount(cases.labels[cases.labels >= 0], minlength=len(cases.classes))
        labels = [f"{n:,} {plain(name)}" for name, n in zip(cases.classes, counts, strict=True) if n]
        unlabelled = int((cases.labels < 0).sum())
        labels += [f"{unlabelled:,} without a label"] if unlabelled else []
        parts, sizes = np.unique(cases.splits, return_counts=True)
        split = ", ".join(f"{size:,} {part}" for part, size in zip(parts, sizes, strict=True))
        by_part = f" By part: {split}." if len(parts) > 1 else ""
        named = [plain(name) for name in self.facts.columns if name != "label"] if self.facts else []
        for_subgroups = f" For subgroups: {', '.join(named)}." if named else ""
        return f"{amount(len(cases), 'case')}{whose}: {', '.join(labels)}.{by_part}{for_subgroups}"


class Upload:
    """A file as it came. `mark` tells one upload from the next. Everything read from it raises BadInput where
    the file is not such a thing."""

    def __init__(self, name: str, content: bytes, mark: str) -> None:
        self.name, self.content, self.mark = name, content, mark
        self._values: dict[str, tuple[str, ...]] = {}
        self._cases: tuple[Mapping, Cases] | None = None

    @cached_property
    def kind(self) -> str:
        """ "run", "predictions" or "log" (models.runs.importing.kind_of)."""
        return kind_of(self.content, self.name)

    @cached_property
    def table(self) -> Table:
        return read_table(self.content, self.name)

    @cached_property
    def guessed(self) -> Mapping:
        """What the table's columns seem to be."""
        return guess_mapping(self.table)

    @cached_property
    def is_scores(self) -> bool:
        """Whether it is without doubt a table of predictions: one with labels and scores."""
        if self.kind != "predictions":
            return False
        return bool(self.guessed.label and (self.guessed.score or self.guessed.probabilities))

    @cached_property
    def log(self) -> Log:
        return read_log(self.content, self.name)

    def values(self, column: str) -> tuple[str, ...]:
        """The distinct labels of a column in their order; "unknown" and the like are none."""
        if column not in self._values:
            cells = dict.fromkeys(self.table.column(column))
            self._values[column] = tuple(cell for cell in cells if cell.casefold() not in NO_LABEL)
        return self._values[column]

    def cases(self, mapping: Mapping) -> Cases:
        """The table as that mapping reads it; read again only when the mapping changes."""
        if self._cases is None or self._cases[0] != mapping:
            self._cases = None
            predictions = predictions_from(self.table, mapping)
            facts = facts_from(self.table, mapping, tuple(predictions.case_ids.tolist()))
            self._cases = mapping, Cases(predictions, facts)
        return self._cases[1]
