"""A batch's folder while somebody works in it: locked, its header checked, what is done taken over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.batch.journal import JOURNAL_FILE, Journal, read_rows
from models.batch.storage import locked, write_json
from models.batch.unnamed import DoneKeys
from models.errors import BadInput

if TYPE_CHECKING:
    from models.batch.plan import BatchPlan

HEADER_FILE = "batch.json"
SHARDS_FOLDER = "shards"
TABLE_FILE = "predictions.csv"
_MUST_AGREE = {
    "runs": "other runs",
    "steps": "other steps",
    "engine": "another engine",
    "label_map": "other label maps",
}


class BatchFolder:
    """The folder for one worker alone.

        with BatchFolder(plan) as folder:
            ... folder.done (keys), folder.counts, folder.journal.add(rows) ...
            folder.finish(complete=True)

    Entering raises BadInput where the folder cannot be written, is in use, holds another batch, or holds this
    one while the plan does not resume. What a killed program left is then whole again.
    """

    def __init__(self, plan: BatchPlan) -> None:
        self.plan, self.path = plan, plan.folder
        self._closing = ExitStack()

    def __enter__(self) -> BatchFolder:
        with ExitStack() as stack:
            stack.enter_context(locked(self.path))
            self.header = self._header()
            self.resumed = "started" in self.header
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self.header |= {"started": self.header.get("started", now), "finished": None, "complete": False}
            self._write()  # before anything else: a folder with a journal and no header is nobody's
            self.journal = Journal(self.path)
            stack.callback(self.journal.close)
            self.done = DoneKeys()
            self.counts: Counter[str] = Counter()
            self._take_over()
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def finish(self, complete: bool, **facts: Any) -> None:
        """Say in the header that the batch is through (or is not), with what else is to be kept there."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.header |= {"complete": complete, "finished": now if complete else None} | facts
        self._write()

    def _header(self) -> dict[str, Any]:
        """What is to stand in the header: the plan's, with when it was begun where it was."""
        found, wanted = read_header(self.path), self.plan.header()
        if found is None:
            if strange := next((n for n in (TABLE_FILE, JOURNAL_FILE) if (self.path / n).exists()), None):
                raise BadInput(f"{self.path} holds a {strange} of something else: give another folder.")
            return wanted
        same_batch(found, self.plan.signature(), self.path)
        if not self.plan.resume:
            raise BadInput(f"{self.path} holds a batch already: give --resume to go on, or another folder.")
        kept = {name: found[name] for name in ("started", "seconds") if name in found}
        return wanted | kept

    def _take_over(self) -> None:
        for _, row in read_rows(self.path):
            self._took(row.key, row.status)
        for key, status in _of_shards(self.path):
            self._took(key, status)

    def _took(self, key: str, status: str) -> None:
        if key not in self.done:
            self.done.add(key)
            self.counts[status] += 1

    def _write(self) -> None:
        write_json(self.path / HEADER_FILE, self.header)


def _of_shards(folder: Path) -> Iterator[tuple[str, str]]:
    """(key, status) of every row that workers on Ray left there; nothing else of them is read."""
    if not (folder / SHARDS_FOLDER).is_dir():
        return
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    from models.batch.shards import list_shards

    for path in list_shards(folder):
        try:
            with ParquetFile(path) as file:
                columns = file.read(columns=["key", "status"]).to_pydict()
        except (ArrowException, OSError, KeyError):
            raise BadInput(
                f"{SHARDS_FOLDER}/{path.name} is damaged: delete it and go on with --resume."
            ) from None
        yield from zip(columns["key"], columns["status"], strict=True)


def read_header(folder: Path) -> dict[str, Any] | None:
    """The content of `batch.json`, or None where there is none. BadInput for what is none of ours."""
    from models.batch.plan import SCHEMA_VERSION

    try:
        content = json.loads((folder / HEADER_FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        raise BadInput(f"The {HEADER_FILE} in {folder} cannot be read: give another folder.") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise BadInput(
            f"The batch in {folder} has schema version {version!r} and this program reads {SCHEMA_VERSION}: "
            "open it with the version of the program that made it."
        )
    return content


def same_batch(found: Mapping[str, Any], signature: Mapping[str, Any], folder: Path) -> None:
    """BadInput where the batch on disk was begun with something that changes its results."""
    for name, other in _MUST_AGREE.items():
        here = found.get(name)
        if name == "runs":
            here = [{"id": run.get("id"), "digest": run.get("digest")} for run in here or ()]
        if here != signature[name]:
            raise BadInput(f"{folder} holds a batch that was begun with {other}: give another folder.")
