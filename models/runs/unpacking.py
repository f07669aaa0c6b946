"""Zip files of strangers: their limits, and a folder taken out of one so that nothing in it can harm."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from models.errors import BadInput

MAX_ENTRIES = 200
MAX_FILE_BYTES = 256 << 20
MAX_TOTAL_BYTES = 512 << 20
MAX_LISTED = 20_000
"""Entries of any use or none: a zip file of 64 MB can list a million, and Python reads them all first."""
DAMAGED = (zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeDecodeError, zlib.error, struct.error)
_CHUNK = 1 << 20
_LISTED = b"PK\x01\x02"


def unpack_folder(source: Path, into: Path, wanted: Callable[[str], bool], name: str) -> tuple[str, ...]:
    """Write the wanted files of a zip file under `into`; their names there, sorted.

    wanted: says by its relative name whether a file is of use; what is not is never opened. name: what the
    person calls the zip file. BadInput for a file that is no whole zip file, for a wanted entry that is a
    link, encrypted, leads out of the folder or is there twice, and for more than MAX_ENTRIES wanted files or
    MAX_TOTAL_BYTES of them, declared or found. Files written before a refusal stay under `into`: give a
    temporary folder.
    """
    refuse_endless_list(source, name)
    try:
        with zipfile.ZipFile(source) as archive:
            chosen = _choose(archive, wanted, name)
            for inner, entry in chosen.items():
                write_entry(archive, entry, into / inner, name)
    except DAMAGED:
        raise BadInput(f"{name} is not a whole zip file: pack the folder again.") from None
    except OSError as error:
        # A file where another entry has a folder, or a name too long for this disk.
        raise BadInput(f"{name} cannot be unpacked ({error.strerror or error}): pack it again.") from None
    return tuple(sorted(chosen))


def refuse_endless_list(source: Path, name: str) -> None:
    """BadInput where a zip file lists more than MAX_LISTED files, counted before anything reads the list."""
    listed, end = 0, b""
    with open(source, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            listed += (end + chunk).count(_LISTED)
            end = chunk[-len(_LISTED) + 1 :]
    if listed > MAX_LISTED:
        raise BadInput(f"{name} lists more than {MAX_LISTED} files: pack one run alone.")


def write_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, name: str) -> None:
    """One file, never more bytes than its entry declares: a stream may promise little and hold a lot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.file_size
    with archive.open(entry) as stream, open(path, "xb") as target:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise BadInput(f"{name} holds more data than it declares ({path.name}): it is refused.")
            target.write(chunk)


def harmful_kind(entry: zipfile.ZipInfo) -> bool:
    """A link, a device, an encrypted or an oversized file."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return kind not in (0, stat.S_IFREG) or bool(entry.flag_bits & 0x1) or entry.file_size > MAX_FILE_BYTES


def _choose(archive: zipfile.ZipFile, wanted: Callable[[str], bool], name: str) -> dict[str, zipfile.ZipInfo]:
    """The wanted entries by name, once names, kinds and declared sizes are harmless."""
    chosen: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        inner = entry.filename
        if entry.is_dir() or not wanted(inner):
            continue
        if not _stays_inside(inner):
            raise BadInput(
                f"{name} holds a file that leads out of its folder ({inner[:80]!r}): pack it again."
            )
        if harmful_kind(entry):
            raise BadInput(
                f"{name} holds a link, an encrypted or an oversized file ({inner[:80]!r}): pack it again."
            )
        if inner in chosen:
            raise BadInput(f"{name} holds {inner[:80]!r} twice: pack it again.")
        chosen[inner] = entry
    if len(chosen) > MAX_ENTRIES or sum(entry.file_size for entry in chosen.values()) > MAX_TOTAL_BYTES:
        most = f"{MAX_ENTRIES} files or {MAX_TOTAL_BYTES >> 20} MiB"
        raise BadInput(f"{name} holds more than {most}: pack the folder of one run alone.")
    return chosen


def _stays_inside(inner: str) -> bool:
    path = PurePosixPath(inner)
    return (
        0 < len(inner) <= 400
        and inner.isprintable()
        and not path.is_absolute()
        and ".." not in path.parts
        and "\\" not in inner
        and inner[1:2] != ":"
    )
