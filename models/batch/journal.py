"""What a batch has done so far, on disk: a line of JSON a case, there before the case is counted."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from models.batch.item import STATUSES, Row, Score
from models.batch.storage import storing

JOURNAL_FILE = "journal.jsonl"
_BLOCK = 1 << 20


class Journal:
    """The file, open to be added to by one process; what a stopped program left half written is cut off.

    Rows that are added together are on disk together, whole lines, before `add` returns.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_FILE
        with storing(folder):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
            self._file = os.open(self.path, flags, 0o644)
            self._end = whole_lines(self.path)
            os.ftruncate(self._file, self._end)

    def add(self, rows: Iterable[Row]) -> None:
        """Rows of finished cases. BadInput where the disk is full: the file then ends as it did before."""
        lines = memoryview(b"".join(line_of(row) for row in rows))
        with storing(self.path.parent):
            try:
                written = 0
                while written < len(lines):
                    written += os.write(self._file, lines[written:])
                os.fsync(self._file)
            except OSError:
                with suppress(OSError):  # a torn line does no harm, it is cut off the next time
                    os.ftruncate(self._file, self._end)
                raise
        self._end += len(lines)

    def close(self) -> None:
        os.close(self._file)


def line_of(row: Row) -> bytes:
    """A row as a line of JSON in ASCII: whatever a file is called, the line is one line."""
    content: dict[str, Any] = {"index": row.index, "key": row.key, "status": row.status}
    for name in ("why", "label", "patient_id", "group"):
        if value := getattr(row, name):
            content[name] = value
    if row.scores:
        content["scores"] = {
            run_id: {
                "p": [float(p) for p in score.probabilities],
                "logits": [float(logit) for logit in score.logits],
            }
            | ({"extra": plain(score.extra)} if score.extra else {})
            for run_id, score in row.scores.items()
        }
    if row.refusals:
        content["refusals"] = dict(row.refusals)
    if row.facts:
        content["facts"] = plain(row.facts)
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def row_of(line: bytes) -> Row | None:
    """The row of a line, or None for what is none."""
    try:
        content = json.loads(line)
        row = Row(**{name: content[name] for name in _PLAIN if name in content}, **_parts(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return row if row.status in STATUSES and isinstance(row.key, str) else None


def read_rows(folder: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Row]]:
    """(offset behind its line, row) of each whole line from byte `start` up to byte `stop`."""
    for _, end, row in read_lines(folder, start, stop):
        yield end, row


def read_lines(folder: Path, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, int, Row]]:
    """(byte at which its line begins, byte behind it, row) of each whole line that is a row."""
    path = folder / JOURNAL_FILE
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        at = start
        for line in file:
            before, at = at, at + len(line)
            if not line.endswith(b"\n") or (stop is not None and at > stop):
                return
            row = row_of(line)
            if row is not None:
                yield before, at, row


def whole_lines(path: Path) -> int:
    """The bytes up to the end of the last whole line; 0 where there is no file."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        while at > 0:
            begin = max(0, at - _BLOCK)
            file.seek(begin)
            found = file.read(at - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            at = begin
    return 0


def plain(values: Mapping[str, Any]) -> dict[str, float | int | str | bool | None]:
    """The values as JSON has them: NumPy's numbers as Python's, what is not finite as None."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> float | int | str | bool | None:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


_PLAIN = ("index", "key", "status", "why", "label", "patient_id", "group")


def _parts(content: Mapping[str, Any]) -> dict[str, Any]:
    scores = {
        run_id: Score(tuple(score["p"]), tuple(score["logits"]), score.get("extra", {}))
        for run_id, score in content.get("scores", {}).items()
    }
    return {"scores": scores, "refusals": content.get("refusals", {}), "facts": content.get("facts", {})}
