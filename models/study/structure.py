"""What a file's structure announces, walked in plain Python before any decoder sees it.

A decoder keeps a record of every chunk, segment and table entry, repeats its work for every progressive scan,
and visits every page when asked how many there are. So these are counted first, within bounds, straight from
the bytes. A walk that meets damage stops and reports what it saw: refusing damage is the decoder's part.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
# PNG's interlacing: first column, first row, column step and row step of each pass (section 8.2).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_PIECE = 64 * 1024
# Some writers leave a little behind the last line; nobody means 64 KiB.
_SURPLUS = 64 * 1024
# TIFF types of which a decoder makes an object for each value (TIFF 6.0 section 2, BigTIFF); texts and raw
# bytes are kept as they are.
_TIFF_TABLE_TYPES = {3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 16, 17, 18}


@dataclass(frozen=True)
class Structure:
    """frames: of an animation, or pages. parts: chunks, segments or the longest table. scans: of a JPEG."""

    frames: int = 1
    parts: int = 0
    scans: int = 1


def image_format(data: bytes) -> str | None:
    """The format by its first bytes, whatever the file is called: PNG, JPEG, BMP, TIFF, GIF, or None."""
    return next((name for signature, name in _SIGNATURES if data.startswith(signature)), None)


def structure(data: bytes, form: str, most_parts: int, most_frames: int) -> Structure:
    """Counts for a file of format `form`; counting stops one past either bound."""
    if form == "PNG":
        return _png(data, most_parts)
    if form == "JPEG":
        return _jpeg(data, most_parts)
    if form == "GIF":
        return _gif(data, most_parts, most_frames)
    if form == "TIFF":
        return _tiff(data, most_parts, most_frames)
    return Structure()


def overfull_png(data: bytes) -> bool:
    """True where a PNG's compressed stream goes on after its image is full.

    Call it once the header's size is known to be acceptable: it inflates what that size takes, in pieces.
    """
    header = next((body for kind, body in _png_chunks(data) if kind == b"IHDR"), b"")
    if len(header) < 13:
        return False
    room = _png_bytes(*struct.unpack(">IIBBBBB", header[:13])) + _SURPLUS
    inflate, pieces = zlib.decompressobj(), (body for kind, body in _png_chunks(data) if kind == b"IDAT")
    try:
        for body in pieces:
            for at in range(0, len(body), _PIECE):
                rest = bytes(body[at : at + _PIECE])
                while rest and not inflate.eof:
                    room -= len(inflate.decompress(rest, 16 * _PIECE))
                    rest = inflate.unconsumed_tail
                    if room < 0:
                        return True
    except zlib.error:
        pass
    return False


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(kind, body) of each chunk; the last body may be cut short (PNG third edition, section 5.3)."""
    view, at = memoryview(data), 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], view[at + 8 : at + 8 + length]
        at += 12 + length


def _png_bytes(width: int, height: int, bits: int, colour: int, _: int, __: int, interlace: int) -> int:
    """Bytes of all scan lines with their filter bytes (PNG third edition, sections 7.2, 8.1, 11.2.1)."""
    bits *= {2: 3, 4: 2, 6: 4}.get(colour, 1)
    passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
    sizes = [(-((x - width) // dx), -((y - height) // dy)) for x, y, dx, dy in passes]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if min(columns, rows) > 0)


def _png(data: bytes, most: int) -> Structure:
    """Chunks, and the frames an `acTL` chunk announces (PNG third edition, section 11.3.6.1)."""
    parts, frames = 0, 1
    for kind, body in _png_chunks(data):
        parts += 1
        if kind == b"acTL" and len(body) >= 4:
            frames = max(1, struct.unpack_from(">I", body)[0])
        if parts > most:
            break
    return Structure(frames, parts)


def _jpeg(data: bytes, most: int) -> Structure:
    """Segments before the first scan, and scans in all (ITU-T T.81, B.1.1)."""
    at, parts = 2, 0
    while parts <= most:
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data) or data[at + 1] == 0xDA:
            break
        marker = data[at + 1]
        if marker in (0x00, 0xFF) or marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        parts += 1
        at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
    # Inside compressed data a 0xFF is followed by 0 or a restart marker, so this counts little but scans.
    return Structure(1, parts, data.count(b"\xff\xda", max(at, 0)))


def _gif(data: bytes, most_parts: int, most_frames: int) -> Structure:
    """Image blocks and extensions (GIF89a, sections 17 to 24)."""
    if len(data) < 13:
        return Structure()
    at, parts, frames = 13 + _colour_table(data[10]), 0, 0
    while at < len(data) and parts <= most_parts and frames <= most_frames:
        parts += 1
        if data[at] == 0x2C and at + 10 <= len(data):
            frames += 1
            at += 11 + _colour_table(data[at + 9])
        elif data[at] == 0x21:
            at += 2
        else:
            break
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return Structure(max(1, frames), parts)


def _colour_table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _tiff(data: bytes, most_parts: int, most_frames: int) -> Structure:
    """Pages, and the entries of the longest table of the first (TIFF 6.0 section 2; BigTIFF)."""
    order = "<" if data.startswith(b"II") else ">"
    big = 43 in (data[2], data[3])
    head, entry, offset = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    entry_size = 20 if big else 12
    frames, parts, seen = 0, 0, set()
    try:
        (at,) = struct.unpack_from(order + offset, data, 8 if big else 4)
        while at and at not in seen and frames <= most_frames:
            seen.add(at)
            (entries,) = struct.unpack_from(order + head, data, at)
            at += struct.calcsize(head)
            if frames == 0:
                parts = entries
                for i in range(min(entries, most_parts)):
                    _, kind, count = struct.unpack_from(order + entry, data, at + i * entry_size)
                    parts = max(parts, count if kind in _TIFF_TABLE_TYPES else 0)
            frames += 1
            (at,) = struct.unpack_from(order + offset, data, at + entries * entry_size)
    except struct.error:
        pass
    return Structure(max(1, frames), parts)
