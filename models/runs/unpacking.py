"""Zip files of strangers: the limits on them, and the tests that every entry has to pass."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

from models.errors import BadInput

MAX_ENTRIES = 200
MAX_FILE_BYTES = 256 << 20
MAX_TOTAL_BYTES = 512 << 20
MAX_LISTED = 20_000
"""A zip file of 56 MB can list 1.2 million entries, which Python reads first: 40 s and half a gigabyte."""
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, EOFError,
    UnicodeDecodeError,
)  # fmt: skip
_CHUNK = 1 << 20
_LISTED = b"PK\x01\x02"


def refuse_endless_list(source: Path | bytes, name: str) -> None:
    """BadInput where a zip file lists more than MAX_LISTED files, counted before anything reads the list."""
    listed, end = 0, b""
    with BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as stream:
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
