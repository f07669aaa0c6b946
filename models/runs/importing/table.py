"""A stranger's CSV as columns of text: its encoding and delimiter told by its content, its size bounded."""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import BadInput
from models.runs.history import read_limited

if TYPE_CHECKING:
    import pyarrow

MAX_BYTES = 256 << 20
MAX_ROWS = 1_000_000
MAX_COLUMNS = 300
_LONGEST_HEADER = 1 << 20
DELIMITERS = ",;\t|"
_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")


@dataclass(frozen=True, eq=False)
class Table:
    """n rows of text under named columns. Row numbers count the header as 1, as a spreadsheet does."""

    name: str
    delimiter: str
    data: pyarrow.Table

    def __len__(self) -> int:
        return self.data.num_rows

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.data.column_names)

    def column(self, name: str) -> list[str]:
        """n cells without the blanks around them; BadInput for a column that is not there."""
        if name not in self.columns:
            known = ", ".join(self.columns[:12])
            raise BadInput(f"{self.name} has no column {name!r} (found: {known}): choose one of its columns.")
        return [cell.strip() for cell in self.data.column(name).to_pylist()]

    def head(self, rows: int = 5) -> list[dict[str, str]]:
        """The first rows, for a preview."""
        return self.data.slice(0, rows).to_pylist()


def read_table(source: bytes | str | Path, name: str = "") -> Table:
    """The CSV in these bytes or at that path, in UTF-8 or UTF-16, its cells separated by one of DELIMITERS.

    BadInput, naming the row where there is one, for what is no such file, is empty or too large.
    """
    if not isinstance(source, bytes):
        name = name or Path(source).name
        source = read_limited(Path(source), MAX_BYTES, "table")
    name = name or "the table"
    if len(source) > MAX_BYTES:
        raise BadInput(f"{name} is larger than {MAX_BYTES >> 20} MiB: leave out columns that are not needed.")
    content = _utf8(source, name)
    header = content.partition(b"\n")[0].decode("utf-8", "replace")
    if not header.strip():
        raise BadInput(f"{name} is empty: give a CSV with the names of its columns in the first row.")
    delimiter = max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)
    data = _parsed(content, delimiter, name)
    _check_columns(data.column_names, name)
    if not data.num_rows:
        raise BadInput(f"{name} has no rows below its header: give a case a row.")
    if data.num_rows > MAX_ROWS:
        raise BadInput(f"{name} has {data.num_rows} rows and at most {MAX_ROWS} are read: give a part of it.")
    return Table(name, delimiter, data)


def _utf8(content: bytes, name: str) -> bytes:
    """The content in UTF-8 without a byte order mark."""
    # UTF-16 is what spreadsheets call "Unicode text".
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise BadInput(f"{name} is not a CSV in UTF-8 (row {row}): save it as CSV in UTF-8.") from None
    if "\0" in text:
        raise BadInput(f"{name} is not a CSV (it holds zero bytes): save the table as CSV in UTF-8.")
    return text.encode() if wide else content.removeprefix(codecs.BOM_UTF8)


def _parsed(content: bytes, delimiter: str, name: str) -> pyarrow.Table:
    import pyarrow
    from pyarrow import csv as arrow

    header = _header(content, delimiter, name)
    # The header is read as a row, so that a row number in an error counts it.
    given = [f"f{i}" for i in range(len(header))]
    try:
        data = arrow.read_csv(
            pyarrow.BufferReader(content),
            # One thread reads in order, so that an error names the row.
            read_options=arrow.ReadOptions(use_threads=False, column_names=given),
            parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(given, pyarrow.string()), strings_can_be_null=False
            ),
        )
    except pyarrow.ArrowInvalid as error:
        found = _ROW.search(str(error))
        if found:
            row, wanted, got = found.groups()
            raise BadInput(
                f"Row {row} of {name} has {got} cells under {wanted} columns: put values that hold "
                f"a {'tab' if delimiter == chr(9) else repr(delimiter)} in double quotes."
            ) from None
        raise BadInput(f"{name} is not a whole CSV: save the table as CSV in UTF-8 again.") from None
    return _without_blank_end(data.slice(1).rename_columns(header))


def _without_blank_end(data: pyarrow.Table) -> pyarrow.Table:
    """Spreadsheets like to add rows of nothing but commas."""
    rows = data.num_rows
    while rows and not any(str(column[rows - 1]).strip() for column in data.columns):
        rows -= 1
    return data.slice(0, rows)


def _header(content: bytes, delimiter: str, name: str) -> list[str]:
    """Names without the blanks around them; a nameless column (a data frame's index) is called "index"."""
    start = content[:_LONGEST_HEADER].decode("utf-8", "ignore")
    try:
        cells = next(csv.reader(io.StringIO(start, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise BadInput(f"{name} is not a CSV ({error}): save the table as CSV in UTF-8.") from None
    # Before anything is done for each: a header of a million commas is one megabyte.
    _refuse_many(len(cells), name)
    stripped = [cell.strip() for cell in cells]
    return [
        each or ("index" if "index" not in stripped else f"column {i + 1}") for i, each in enumerate(stripped)
    ]


def _refuse_many(columns: int, name: str) -> None:
    if columns > MAX_COLUMNS:
        raise BadInput(f"{name} has over {MAX_COLUMNS} columns and no more are read: leave some out.")


def _check_columns(columns: list[str], name: str) -> None:
    if twice := next((column for column in columns if columns.count(column) > 1), None):
        raise BadInput(f"{name} has two columns named {twice!r}: rename one of them.")
