"""A visitor's file and what it holds, read once and forgotten with it."""

from __future__ import annotations

from functools import cached_property

from models.evaluation import Predictions
from models.runs.cases import CaseTable
from models.runs.importing import (
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


class Upload:
    """A file as it came. `mark` tells one upload from the next. Everything read from it raises BadInput where
    the file is not such a thing."""

    def __init__(self, name: str, content: bytes, mark: str) -> None:
        self.name, self.content, self.mark = name, content, mark
        self._values: dict[str, tuple[str, ...]] = {}
        self._predictions: tuple[Mapping, Predictions] | None = None

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
    def log(self) -> Log:
        return read_log(self.content, self.name)

    def values(self, column: str) -> tuple[str, ...]:
        """The distinct cells of a column that are not blank, in the order in which they come."""
        if column not in self._values:
            self._values[column] = tuple(cell for cell in dict.fromkeys(self.table.column(column)) if cell)
        return self._values[column]

    def predictions(self, mapping: Mapping) -> Predictions:
        """The table's cases, by the mapping asked for last read again only when it changes."""
        if self._predictions is None or self._predictions[0] != mapping:
            self._predictions = None
            self._predictions = mapping, predictions_from(self.table, mapping)
        return self._predictions[1]

    def facts(self, mapping: Mapping) -> CaseTable | None:
        """What the table says of its cases besides, for subgroups."""
        return facts_from(self.table, mapping, tuple(self.predictions(mapping).case_ids.tolist()))
