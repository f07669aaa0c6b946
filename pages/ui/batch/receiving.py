"""Files as they are given to the page: put under our own names, until they are taken in.

A stranger's names open nothing. Loose files go into one uncompressed archive, whose members keep their names,
so that folders, labels and masks are found there by the same code that finds them in any archive.
"""

from __future__ import annotations

import shutil
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from models.errors import BadInput
from pages.ui.batch.orders import Uploads
from pages.ui.batch.places import INCOMING
from pages.ui.sentences import size

#: Of one upload together: a browser's upload is held in memory until it is taken in.
MOST_BYTES = 2 << 30
#: Of one file, in the MB of `st.file_uploader`.
LARGEST_MB = 1024
BY_COMMAND = "use the command line, which reads files where they are (python -m xai batch --help)"
TABLES = (".csv", ".tsv")
_FILES, _ARCHIVE, _LABELS, _MASK = "files", "archive-{}", "labels.csv", "mask-{:05d}"


@dataclass(frozen=True)
class Given:
    """What a person gave. images: files, archives, or all of a folder; labels: a CSV; masks: pictures."""

    images: Sequence[BinaryIO]
    labels: BinaryIO | None = None
    masks: Sequence[BinaryIO] = ()
    folder: bool = False

    @property
    def bytes(self) -> int:
        return sum(_size(each) for each in (*self.images, *self.masks))

    @property
    def table(self) -> BinaryIO | None:
        """The labels: as given, or the one table among the files that were dropped."""
        if self.labels is not None or self.folder:
            return self.labels
        tables = [each for each in self.images if _is_table(each)]
        return tables[0] if len(tables) == 1 else None

    @property
    def pictures(self) -> list[BinaryIO]:
        return [each for each in self.images if each is not self.table]


def receive(home: Path, given: Given, watch: Callable[[int], None] = lambda done: None) -> Uploads:
    """Put the files into home/incoming. BadInput where there is none, or too much of it."""
    if not given.pictures:
        raise BadInput("No images were given: drop files, a folder or an archive.")
    if given.bytes > MOST_BYTES:
        raise BadInput(
            f"These files have {size(given.bytes)} and the limit of one upload is {size(MOST_BYTES)}: give "
            f"fewer, or {BY_COMMAND}."
        )
    incoming = home / INCOMING
    incoming.mkdir(mode=0o700, parents=True)
    archives = [] if given.folder else [each for each in given.pictures if is_archive(each)]
    loose = [each for each in given.pictures if each not in archives]
    inputs = []
    for number, archive in enumerate(archives, 1):
        inputs.append(_ARCHIVE.format(number))
        _copy(archive, incoming / inputs[-1])
        watch(number)
    if loose:
        inputs.insert(0, _FILES)
        _pack(loose, incoming / _FILES, given.folder, lambda done: watch(len(archives) + done))
    if given.table is not None:
        _copy(given.table, incoming / _LABELS)
    masks = []
    for number, mask in enumerate(given.masks):
        masks.append((mask.name, _MASK.format(number)))
        _copy(mask, incoming / masks[-1][1])
    labels = _LABELS if given.table is not None else ""
    table = _table_key(given, archives, inputs[-len(archives) :], alone=len(inputs) == 1)
    return Uploads(tuple(inputs), len(loose), len(archives), labels, tuple(masks), table)


def _table_key(given: Given, archives: Sequence[BinaryIO], names: Sequence[str], alone: bool) -> str:
    """The key that a table of labels inside an archive would have as an image, which it is not; else ""."""
    home = getattr(given.table, "archive", None)
    if home is None or home not in archives:
        return ""
    return given.table.name if alone else f"{names[archives.index(home)]}/{given.table.name}"


def is_archive(file: BinaryIO) -> bool:
    """Whether it begins as a ZIP, TAR or GZIP file does."""
    file.seek(0)
    head = file.read(262)
    file.seek(0)
    return (
        head[:4] in (b"PK\3\4", b"PK\5\6", b"PK\7\x08") or head[:2] == b"\x1f\x8b" or head[257:] == b"ustar"
    )


def _pack(files: Sequence[BinaryIO], path: Path, folder: bool, watch: Callable[[int], None]) -> None:
    """Files into one archive, uncompressed, under their own names; of a folder below its first part, which is
    the folder's own name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True, strict_timestamps=False) as archive:
        for number, file in enumerate(files, 1):
            parts = PurePosixPath(file.name.replace("\\", "/")).parts
            name = "/".join(parts[1:] if folder and len(parts) > 1 else parts) or f"file {number}"
            entry = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
            file.seek(0)
            with warnings.catch_warnings(action="ignore"):  # a name twice: the listing numbers it
                member = archive.open(entry, "w", force_zip64=True)
            with member:
                shutil.copyfileobj(file, member, 1 << 20)
            watch(number)


def _copy(file: BinaryIO, path: Path) -> None:
    file.seek(0)
    with open(path, "wb") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)


def _size(file: BinaryIO) -> int:
    at = file.tell()
    end = file.seek(0, 2)
    file.seek(at)
    return end


def _is_table(file: BinaryIO) -> bool:
    return file.name.casefold().endswith(TABLES)
