"""Small archives for tests, honest ones and others."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from models.batch.item import Item
from models.batch.listing import Listing, list_inputs
from models.errors import BadInput


def png(value: int = 0, side: int = 4) -> bytes:
    """A grey PNG, all of one value; made by hand so that a test needs no drawing library."""
    rows = b"".join(b"\0" + bytes([value]) * side for _ in range(side))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def zipped(
    path: Path, files: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method=zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files:
            if isinstance(name, zipfile.ZipInfo):
                name.compress_type = method
            archive.writestr(name, content)
    return path


def tarred(
    path: Path, files: Iterable[tuple[str | tarfile.TarInfo, bytes]], mode="w", form=tarfile.PAX_FORMAT
) -> Path:
    with tarfile.open(path, mode, format=form) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            if entry.isreg():
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def local_header(
    name: bytes, packed: int, size: int, crc: int, method: int = 8, flags: int = 0, extra=b""
) -> bytes:
    return (
        struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", 20, flags, method, 0, 33, crc, packed, size, len(name), len(extra)
        )
        + name
        + extra
    )


def entry(
    name: bytes, packed: int, size: int, crc: int, offset: int, method: int = 8, flags: int = 0, extra=b""
) -> bytes:
    lengths = (len(name), len(extra), 0, 0, 0, 0)
    head = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, flags, method, 0, 33, crc, packed, size, *lengths, offset
    )
    return head + name + extra


def end_record(count: int, length: int, offset: int) -> bytes:
    return struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, length, offset, 0)


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def outcomes(listing: Listing) -> dict[str, bytes | str]:
    """Key -> the bytes of each item, or the sentence that it is refused with."""
    return {item.key: outcome(item) for item in listing}


def outcome(item: Item) -> bytes | str:
    if item.why:
        assert item.load is None
        return item.why
    try:
        given = item.load()
    except BadInput as refusal:
        return str(refusal)
    return given.read_bytes() if isinstance(given, Path) else given


def only(path: Path, **options) -> bytes | str:
    """What becomes of the one item of an input."""
    (found,) = outcomes(list_inputs([path], **options)).values()
    return found
