"""Tables as CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

# What makes a spreadsheet take a cell for a formula (OWASP, "CSV Injection"), with the full-width forms of
# the same signs; also behind a separator in the cell, where a spreadsheet of another locale begins a new one.
_FORMULA = re.compile(r"(^|[;\t\r\n])([ \u00a0]*)(?=[=+\-@\t\r\uff1d\uff0b\uff0d\uff20])")
# Begins with a letter or digit and has no separator: nothing of it could be taken for a formula.
_PLAIN = re.compile(r"([A-Za-z0-9_][^;\t\r\n]*)?")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?%?")


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV (RFC 4180): the columns' names, then a row a line.

    None and NaN are empty cells; numbers keep all their digits. Text that a spreadsheet could take for a
    formula (it begins with = + - @, tab or carriage return, and is no plain number) gets an apostrophe in
    front, which a program that reads the table back takes off again.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow([safe_cell(name) for name in columns])
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return stream.getvalue()


def to_csv_bytes(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """The same as UTF-8, with a byte order mark where a spreadsheet would else misread letters."""
    text = to_csv(columns, rows)
    return text.encode("utf-8" if text.isascii() else "utf-8-sig")


def safe_cell(value: Any) -> str:
    """One cell as text, made harmless."""
    # What nearly every cell of a large table is, first.
    if value is None:
        return ""
    if type(value) is float:
        return "" if value != value else repr(value)
    if type(value) is str and _PLAIN.fullmatch(value):
        return value.replace("\0", "")
    value = value.item() if hasattr(value, "item") else value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).replace("\0", "")
    return text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1'\2", text)
