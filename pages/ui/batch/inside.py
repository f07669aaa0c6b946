"""A table of labels that lies among the images: in the folder that was given, or inside a ZIP."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import BinaryIO

from models.errors import BadInput
from pages.ui.batch.receiving import TABLES, is_archive

#: A larger member is not looked at.
MOST_BYTES = 32 << 20
_MOST_TABLES = 8


class Member(io.BytesIO):
    """A table out of a ZIP. name: of the member, archive: the one it lies in."""

    def __init__(self, content: bytes, name: str, archive: BinaryIO) -> None:
        super().__init__(content)
        self.name, self.archive = name, archive


def table_inside(files: Sequence[BinaryIO], folder: bool) -> BinaryIO | None:
    """The one CSV that can be read as labels, of a folder's files or of the ZIPs among loose ones; None where
    there is none, or more than one, or a table was dropped beside the archives. A TAR would have to be read
    as a whole to know, and is not."""
    tables = [file for file in files if _is_table(file.name)]
    if folder:
        found = [file for file in tables[:_MOST_TABLES] if _reads(file)]
    else:
        found = [] if tables else [member for file in files if is_archive(file) for member in _members(file)]
    return found[0] if len(found) == 1 else None


def _members(archive: BinaryIO) -> list[Member]:
    """The tables of labels in a ZIP. What is wrong with the archive is said by whoever lists it."""
    try:
        with zipfile.ZipFile(archive) as opened:
            tables = [each for each in opened.infolist() if _is_table(each.filename) and each.file_size]
            members = []
            for each in tables[:_MOST_TABLES]:
                if each.file_size <= MOST_BYTES:
                    with opened.open(each) as stream:
                        members.append(Member(stream.read(MOST_BYTES), each.filename, archive))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError, KeyError):
        return []
    return [member for member in members if _reads(member)]


def _reads(table: BinaryIO) -> bool:
    from models.batch.labels import read_labels

    table.seek(0)
    try:
        read_labels(table.read(), "labels.csv")
    except BadInput:
        return False
    finally:
        table.seek(0)
    return True


def _is_table(name: str) -> bool:
    last = name.replace("\\", "/").rpartition("/")[2].casefold()
    return last.endswith(TABLES) and not last.startswith(".") and "__MACOSX/" not in name
