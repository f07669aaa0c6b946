"""Cells of a table as numbers, with the row and column of the first that is none."""

from __future__ import annotations

import numpy as np

from models.errors import BadInput
from models.runs.importing.table import Table

_BLANK = ("", "na", "nan", "none", "null", "-")


def numbers(table: Table, column: str) -> np.ndarray:
    """float64 [n]; BadInput, naming the row, for a cell that is blank or no finite number. Where semicolons
    part the cells, a comma is a decimal comma."""
    values, cells = _parsed(table, column)
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        what = "is empty" if cells[row].casefold() in _BLANK else f"has {cells[row][:40]!r}"
        raise BadInput(f"Row {row + 2} of {table.name} {what} under {column}: it needs a number.")
    return values


def numbers_or_none(table: Table, column: str) -> np.ndarray | None:
    """float64 [n] with NaN for blanks, or None where some cell is a word."""
    values, cells = _parsed(table, column)
    words = (
        cells[row].casefold() not in (*_BLANK, "inf", "-inf") for row in np.flatnonzero(np.isnan(values))
    )
    return None if any(words) else values


def _parsed(table: Table, column: str) -> tuple[np.ndarray, list[str]]:
    cells = table.column(column)
    if table.delimiter == ";":
        cells = [
            cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell for cell in cells
        ]
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        values = np.full(len(cells), np.nan)
        for row, cell in enumerate(cells):
            try:
                values[row] = float(cell)
            except ValueError:
                continue
    # Python reads "0_5" as 5, which no table means.
    values[[row for row, cell in enumerate(cells) if "_" in cell]] = np.nan
    return values, cells
