"""What an audit has done so far, on disk: a line of JSON a case, as soon as it is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.errors import BadInput

_VERSION = 1


class Journal:
    """A file of JSON lines. The first one says which audit it is of (`signature`), each further one is an
    entry: {"case": ...}, {"skipped": ...}, {"thresholds": ...} or {"randomisation": ...}."""

    def __init__(self, path: Path, signature: dict[str, Any]) -> None:
        self.path = path
        self._signature = {"version": _VERSION} | signature

    def begin(self, resume: bool) -> list[dict[str, Any]]:
        """The entries there are, the file ready for more of them.

        A line that a stopped program left half written is dropped. BadInput where there is an audit already
        and `resume` is not set, or one of another run, other cases or other questions.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self._write("w", {"audit": self._signature})
            return []
        if not resume:
            raise BadInput(
                f"{self.path} holds an audit that was begun: give --resume to go on, or another --out."
            )
        first, *entries = list(self._entries()) or [{}]
        if first.get("audit") != self._signature:
            raise BadInput(
                f"{self.path} holds an audit of another run, of other cases or with other choices: "
                "give another --out."
            )
        # Written anew without a broken last line, which would spoil the next one.
        whole = "".join(_line(entry) for entry in (first, *entries))
        self.path.write_text(whole, encoding="utf-8")
        return entries

    def add(self, kind: str, content: Any) -> None:
        """One more entry, on disk when this returns."""
        self._write("a", {kind: content})

    def _write(self, mode: str, entry: dict[str, Any]) -> None:
        with self.path.open(mode, encoding="utf-8") as sink:
            sink.write(_line(entry))

    def _entries(self) -> Iterator[dict[str, Any]]:
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                return
            if not isinstance(entry, dict):
                return
            yield entry


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
