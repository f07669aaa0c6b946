"""The images of a batch that was given to the page: files under numbers, and the list of them.

spool.jsonl has a line an image: its key and name (already without what identifies anybody), label, mask and
where its bytes lie: below this folder, or in a data set of this computer. The list is written line by line,
`spool.json` last, so that a spool which has it is whole; it comes in the same order every time.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.batch import Item
from models.errors import BadInput

LIST, HEAD, FILES = "spool.jsonl", "spool.json", "files"
SCHEMA = 1
_A_FOLDER = 1000


@dataclass(frozen=True)
class FromDisk:
    """Gives the path of an image: `Item.load`. It can be pickled."""

    path: str

    def __call__(self) -> Path:
        return Path(self.path)


@dataclass(frozen=True)
class Entry:
    """A line of the list, as `models.batch.Item` has it. file, mask: below the spool, or absolute paths of a
    data set; "" for none. why: it was refused while it was taken in."""

    key: str
    name: str
    file: str = ""
    mask: str = ""
    label: str = ""
    patient_id: str = ""
    group: str = ""
    modality: str | None = None
    frame: int = 0
    synthetic: bool = False
    why: str = ""
    spool: Path | None = None

    @property
    def image(self) -> FromDisk | None:
        return self._at(self.file)

    @property
    def outline(self) -> FromDisk | None:
        return self._at(self.mask)

    def _at(self, file: str) -> FromDisk | None:
        return FromDisk(str((self.spool or Path()) / file)) if file else None

    def item(self, index: int) -> Item:
        load = None if self.why else self.image
        return Item(
            self.key, index, self.name, load, self.label, self.patient_id, self.group, self.modality,
            self.outline, self.frame, self.why,
        )  # fmt: skip


class SpoolWriter:
    """Writes a spool anew: files as they come, the list beside them, and in the end `finish`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count, self.bytes = folder, 0, 0
        self.with_label = self.with_mask = self.refused = 0
        (folder / FILES).mkdir(parents=True, exist_ok=True)
        (folder / HEAD).unlink(missing_ok=True)
        self._list = open(folder / LIST, "w", encoding="utf-8")  # noqa: SIM115 - closed by finish or close

    def store(self, content: bytes, ending: str = "") -> str:
        """Keep bytes under the number of the entry that comes next; where, for its `file` or `mask`."""
        place = f"{FILES}/{self.count // _A_FOLDER:04d}/{self.count:07d}{ending}"
        path = self.folder / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        self.bytes += len(content)
        return place

    def add(self, entry: Entry) -> None:
        fields = {
            name: value
            for name, value in vars(entry).items()
            if name != "spool" and value not in ("", None, False, 0)
        }
        self._list.write(json.dumps(fields, ensure_ascii=True) + "\n")
        self.count += 1
        self.with_label += bool(entry.label)
        self.with_mask += bool(entry.mask)
        self.refused += bool(entry.why)

    def finish(self, title: str, notices: list[str]) -> None:
        """Say that it is whole."""
        self._list.flush()
        os.fsync(self._list.fileno())
        self._list.close()
        head = {
            "schema": SCHEMA, "title": title, "total": self.count, "labels": self.with_label,
            "masks": self.with_mask, "refused": self.refused, "bytes": self.bytes, "notices": notices,
        }  # fmt: skip
        write_json(self.folder / HEAD, head)

    def close(self) -> None:
        """Let go of the list; a spool that was not finished is not whole."""
        self._list.close()


class SpoolListing:
    """The images of a whole spool, as often as asked, in the order in which they came
    (`models.batch.listing.Listing`'s form). BadInput where the spool is not whole."""

    def __init__(self, folder: Path) -> None:
        head = read_json(folder / HEAD)
        if head is None or not (folder / LIST).is_file():
            raise BadInput("The files of this batch were not all taken in: give them again.")
        self.folder = folder
        self.title: str = head["title"]
        self.total: int | None = head["total"]
        self.notices: list[str] = list(head["notices"])
        self.labels, self.masks, self.bytes = head["labels"], head["masks"], head["bytes"]
        self.has_labels, self.has_masks = head["labels"] > 0, head["masks"] > 0
        self._places: array | None = None

    def __len__(self) -> int:
        return self.total or 0

    def __iter__(self) -> Iterator[Item]:
        return self.items()

    def fraction(self) -> float | None:
        """None: the total is known."""
        return None

    def items(self, skip: Container[str] = ()) -> Iterator[Item]:
        """The images but those whose key is in `skip`; no file is opened."""
        with open(self.folder / LIST, encoding="utf-8") as lines:
            for index, line in enumerate(lines):
                entry = self._read(line)
                if entry.key not in skip:
                    yield entry.item(index)

    def entry(self, index: int) -> Entry:
        """One line of the list."""
        if self._places is None:
            self._places = self._measured()
        with open(self.folder / LIST, "rb") as lines:
            lines.seek(self._places[index])
            return self._read(lines.readline().decode("utf-8"))

    def _measured(self) -> array:
        """Where each line begins, eight bytes a line."""
        places, at = array("q"), 0
        with open(self.folder / LIST, "rb") as lines:
            for line in lines:
                places.append(at)
                at += len(line)
        return places

    def _read(self, line: str) -> Entry:
        return Entry(**json.loads(line), spool=self.folder)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(draft, path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The document; None where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
