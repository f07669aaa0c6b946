"""What a stranger's table says of its cases besides predictions, for subgroups and filters."""

from __future__ import annotations

from models.runs.cases import AGES, COLUMNS, CaseTable, age_group, share, telling
from models.runs.importing.mapping import Mapping
from models.runs.importing.table import Table

_OF_POOLED_RUNS = ("fold",)


def facts_from(table: Table, mapping: Mapping, case_ids: tuple[str, ...]) -> CaseTable | None:
    """The columns of `models.runs.cases.COLUMNS` that the table has, by those names or their other names.

    case_ids: of the table's rows, as `predictions_from` calls them. None where there is no such column: no
    other column of the table goes into a run, so that no name or date of a patient does.
    """
    taken = {mapping.case_id, mapping.label, mapping.patient_id, mapping.group, mapping.split, mapping.score}
    taken |= set((mapping.probabilities or {}).values())
    free = {name.casefold(): name for name in table.columns if name not in taken}
    found = {
        name: next((free[key] for key in (name, *others) if key in free), None)
        for name, others in COLUMNS.items()
        if name not in _OF_POOLED_RUNS
    }
    columns = {name: tuple(table.column(column)) for name, column in found.items() if column}
    if "age_group" not in columns and (age := next((free[key] for key in AGES if key in free), None)):
        columns["age_group"] = tuple(map(age_group, table.column(age)))
    if "lesion_size" in columns:
        columns["lesion_size"] = tuple(map(share, columns["lesion_size"]))
    if mapping.label:
        columns["label"] = tuple(table.column(mapping.label))
    columns = {name: columns[name] for name in COLUMNS if name in columns and telling(name, columns[name])}
    return CaseTable(case_ids, columns) if set(columns) - {"label"} else None
