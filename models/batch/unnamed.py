"""DICOM files whose paths name the person they are of: in a batch they go under another key.

Hospitals name files and folders after patients, numbers and dates. What a batch writes must not, so the key
of such an item is made of a digest of the one it is listed under. It is the same each time, so that a batch
that is gone on with knows what it has done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from models.batch.inputs import names
from models.batch.item import Item

_REPLACED = re.compile(r"dicom-([0-9a-f]{16})\.dcm(#\d+)?").fullmatch

_NO_DICOM = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif")


def unnamed(item: Item, source: bytes | Path) -> Item:
    """The item, under another key and name where its key holds what the file says of a person.

    source: what `item.load` gave. Raises nothing that reading the file would not.
    """
    from models.study import tells_of_person

    return _replaced(item) if tells_of_person(source, item.key) else item


def unopened(item: Item) -> Item:
    """The same of a file that must not be opened, since nobody survives it: under another key, unless its
    ending says that it is no DICOM."""
    return item if item.key.lower().endswith(_NO_DICOM) else _replaced(item)


def replaced_key(key: str, frame: str = "") -> str:
    """What a key is replaced by; whoever has the images so finds that of a row again. frame: "#3", or ""."""
    return f"dicom-{names.digest64(key):016x}.dcm{frame}"


def _replaced(item: Item) -> Item:
    frame = f"#{item.frame + 1}" if item.key.endswith(f"#{item.frame + 1}") else ""
    key = replaced_key(item.key, frame)
    return replace(item, key=key, name=names.shown(key))


class DoneKeys:
    """The keys of a batch's rows, asked for keys as the input lists them: a replaced one is known by its
    digest."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys: set[str] = set()
        self._digests: set[int] = set()
        self.update(keys)

    def update(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.add(key)

    def add(self, key: str) -> None:
        self._keys.add(key)
        if replaced := _REPLACED(key):
            self._digests.add(int(replaced[1], 16))

    def __contains__(self, key: object) -> bool:
        if key in self._keys:
            return True
        return bool(self._digests) and names.digest64(str(key)) in self._digests

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def replaced(self) -> int:
        """Files that go under another key."""
        return len(self._digests)

    def copy(self) -> DoneKeys:
        return DoneKeys(self._keys)
