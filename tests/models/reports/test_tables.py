"""Tables as CSV: read back as written, and nothing that a spreadsheet would run."""

import csv
import io

import numpy as np
import pytest

from models.reports.tables import to_csv, to_csv_bytes

FORMULAS = [
    "=1+1",
    "+A1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    '=HYPERLINK("http://x","y")',
    "=cmd|' /C calc'!A0",
    "-",
    "+",
    "\uff1d1+1",
    "-1 dose",
    "--1",
]


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_is_shown_as_it_is_written(cell):
    [[found]] = read(to_csv([cell], []))
    assert found.lstrip(" ").startswith("'") and found.replace("'", "") == cell.replace("'", "")
    assert read(to_csv(["a"], [[cell]]))[1] == [found]


@pytest.mark.parametrize("cell", ["-3", "+0.5", "-1.5e-7", "-.5", "12 %"[:2], "a=b", "3-4", "x@y.org", "'"])
def test_numbers_and_words_stay_as_they_are(cell):
    assert read(to_csv(["a"], [[cell]])) == [["a"], [cell]]


def test_a_separator_of_another_locale_begins_no_formula():
    assert read(to_csv(["a"], [["x;=1+1"], ["x\n@y"], ["a; b"]]))[1:] == [["x;'=1+1"], ["x\n'@y"], ["a; b"]]


def test_cells_that_are_no_text():
    row = [None, float("nan"), True, 1, 0.1 + 0.2, -2.5, np.float64(-1e-9), np.int64(7), np.str_("=1")]
    assert read(to_csv(list("abcdefghi"), [row]))[1] == [
        "", "", "true", "1", "0.30000000000000004", "-2.5", "-1e-09", "7", "'=1",
    ]  # fmt: skip


def test_commas_quotes_and_lines_come_back_whole():
    rows = [['a,"b"', "two\nlines"], ["\u00fc", ""]]
    assert read(to_csv(["x", "y"], rows)) == [["x", "y"], *rows]


def test_letters_beyond_ascii_are_marked_for_spreadsheets():
    assert to_csv_bytes(["a"], [["b"]]) == b"a\r\nb\r\n"
    marked = to_csv_bytes(["a"], [["\u00fc"]])
    assert marked.startswith(b"\xef\xbb\xbf") and marked.decode("utf-8-sig") == "a\r\n\u00fc\r\n"
