"""What a compressed frame says of itself, read before a decoder is given it.

A decoder allocates what the frame's own header promises, whatever the DICOM tags say; so both must agree.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from models.study.dicom.elements import Unreadable

_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
RLE = "1.2.840.10008.1.2.5"

#: Transfer syntax -> the start-of-frame markers it may hold (ITU-T T.81 table B.1, T.87 annex C).
JPEG = {
    _JPEG_BASELINE: (0xC0,),
    _JPEG_EXTENDED: (0xC0, 0xC1),
    **dict.fromkeys(_JPEG_LOSSLESS, (0xC3,)),
    **dict.fromkeys(_JPEG_LS, (0xF7,)),
}
#: Compressed syntaxes that are read, with their names for people.
TITLES = {
    _JPEG_BASELINE: "JPEG baseline",
    _JPEG_EXTENDED: "JPEG extended",
    _JPEG_LOSSLESS[0]: "JPEG lossless",
    _JPEG_LOSSLESS[1]: "JPEG lossless",
    _JPEG_LS[0]: "JPEG-LS lossless",
    _JPEG_LS[1]: "JPEG-LS near-lossless",
    _JPEG_2000[0]: "JPEG 2000 lossless",
    _JPEG_2000[1]: "JPEG 2000",
    RLE: "RLE lossless",
}
_STARTS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
# JPEG 2000 markers (A.3).
_STYLE, _COMPONENT_STYLE, _TILE_PART, _START_OF_DATA, _END_OF_STREAM = 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_MOST_SCANS = 64
_MOST_PARTS = 65_536
_MOST_BLOCKS = 4_000_000
_BAD = "holds compressed pixels that are damaged or cut short"


@dataclass(frozen=True)
class Frame:
    """Size of one frame as its tags have it. bits: allocated for a sample."""

    columns: int
    rows: int
    samples: int
    bits: int


def checked_codestream(data: bytes, syntax: str, frame: Frame) -> bytes:
    """What the decoder may be given; Unreadable unless it is of the syntax and size that the tags state."""
    try:
        if syntax in JPEG:
            _jpeg(data, JPEG[syntax], frame)
        elif syntax in _JPEG_2000:
            data = _unboxed(data)
            _jpeg_2000(data, frame)
        elif syntax == RLE:
            _rle(data, frame)
    except (struct.error, IndexError):
        raise Unreadable(_BAD) from None
    return data


def _unboxed(data: bytes) -> bytes:
    """The code stream of a frame that came as a whole JP2 file, which PS3.5 annex A.4.4 forbids and some
    makers do (ISO/IEC 15444-1 annex I)."""
    at = 0
    while data[:4] == b"\0\0\0\x0c" and at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        if kind == b"jp2c":
            return data[at + head : at + size if size else len(data)]
        if size < head:
            break
        at += size
    return data


def _agree(found: tuple[int, int, int], frame: Frame) -> None:
    if found != (frame.columns, frame.rows, frame.samples):
        raise Unreadable("holds compressed pixels of another size than the file says")


def _jpeg(data: bytes, starts: tuple[int, ...], frame: Frame) -> None:
    """One frame of an allowed process, of few scans, of a size known at once (T.81 B.2.2)."""
    if data[:2] != b"\xff\xd8":
        raise Unreadable(_BAD)
    at, seen, parts = 2, False, 0
    while data[at + 1] != 0xDA:
        marker = data[at + 1]
        if data[at] != 0xFF:
            raise Unreadable(_BAD)
        if marker == 0xFF:
            at += 1
            continue
        parts += 1
        if parts > _MOST_PARTS or marker == 0xDE or (marker in _STARTS and (marker not in starts or seen)):
            raise Unreadable("holds compressed pixels of a kind that is not read")
        if marker in starts:
            seen = True
            bits, rows, columns, samples = struct.unpack_from(">BHHB", data, at + 4)
            _agree((columns, rows, samples), frame)
            if bits > frame.bits:
                raise Unreadable("holds compressed pixels of more bits than the file says")
        at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
    if not seen or data.count(b"\xff\xda", at) > _MOST_SCANS or data.rfind(b"\xff\xd9") < at:
        raise Unreadable(_BAD)
    if any(data.find(bytes((0xFF, start)), at) >= 0 for start in starts if start != 0xF7):
        # A second frame behind the first, of a size that nobody checked.
        raise Unreadable("holds compressed pixels of a kind that is not read")


def _jpeg_2000(data: bytes, frame: Frame) -> None:
    """A code stream (not a JP2 box) whose SIZ marker agrees, of a bounded number of tiles, code blocks and
    precincts (ISO/IEC 15444-1 annex A)."""
    if data[:4] != b"\xff\x4f\xff\x51":
        raise Unreadable(_BAD)
    x1, y1, x0, y0, tile_w, tile_h, tile_x, tile_y, samples = struct.unpack_from(">8IH", data, 8)
    _agree((x1 - x0, y1 - y0, samples), frame)
    if not (tile_w and tile_h and tile_x <= x0 and tile_y <= y0):
        raise Unreadable(_BAD)
    tiles = -((tile_x - x1) // tile_w) * -((tile_y - y1) // tile_h)
    if not 0 < tiles <= _MOST_PARTS:
        raise Unreadable("holds compressed pixels of too many parts")
    for component in range(samples):
        bits, across, down = struct.unpack_from(">3B", data, 42 + 3 * component)
        if (bits & 0x7F) + 1 > frame.bits or not 1 <= across <= 2 or not 1 <= down <= 2:
            raise Unreadable("holds compressed pixels of a kind that is not read")
    _tile_parts(data, tiles, frame)


def _tile_parts(data: bytes, tiles: int, frame: Frame) -> None:
    """Every tile has its part, whole, since a decoder shows what is missing as black; and every COD and COC
    of the main and the tile parts' headers is of moderate size (A.4.2, A.6.1, A.6.2)."""
    at, end, parts = 2, 0, 0
    seen: set[int] = set()
    while at + 4 <= len(data) and parts <= _MOST_PARTS:
        parts += 1
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _START_OF_DATA:
            at = end
            continue
        if marker == _TILE_PART:
            index, size = struct.unpack_from(">HI", data, at + 4)
            # A length of 0: the last tile part, which reaches to the end of the stream.
            end = at + size if size >= 14 else max(at, data.rfind(b"\xff\xd9"))
            if end > len(data) or end <= at:
                raise Unreadable(_BAD)
            seen.add(index)
        elif marker == _STYLE:  # Scod, four bytes of SGcod, then SPcod
            _precincts(data[at + 4] & 1, data[at + 9 : at + 2 + length], frame)
        elif marker == _COMPONENT_STYLE:  # Ccoc (one byte below 257 components), Scoc, then SPcoc
            _precincts(data[at + 5] & 1, data[at + 6 : at + 2 + length], frame)
        elif marker == _END_OF_STREAM:
            break
        at += 2 + max(2, length)
    if parts > _MOST_PARTS:
        raise Unreadable("holds compressed pixels of too many parts")
    if seen != set(range(tiles)):
        raise Unreadable(_BAD)


def _precincts(stated: int, style: bytes, frame: Frame) -> None:
    """style: levels, code block width and height (as exponents less 2), its style, transformation, and a
    precinct size for each resolution where they are stated."""
    levels = style[0]
    block = (style[1] & 15) + (style[2] & 15) + 4
    if levels > 32 or (frame.columns * frame.rows * frame.samples >> block) > _MOST_BLOCKS:
        raise Unreadable("holds compressed pixels of too many parts")
    if not stated:
        return
    for resolution, size in enumerate(style[5 : 6 + levels]):
        scale = levels - resolution
        across = max(1, (frame.columns >> scale) >> (size & 15))
        down = max(1, (frame.rows >> scale) >> (size >> 4))
        if across * down * frame.samples > _MOST_BLOCKS // 8:
            raise Unreadable("holds compressed pixels of too many parts")


def _rle(data: bytes, frame: Frame) -> None:
    """Each segment expands to no more than one byte plane of the image (PS3.5 annex G)."""
    count, *starts = struct.unpack_from("<16I", data)
    planes = frame.samples * frame.bits // 8
    if count != planes or any(start < 64 or start > len(data) for start in starts[:count]):
        raise Unreadable(_BAD)
    bound = frame.columns * frame.rows
    ends = [*starts[1:count], len(data)]
    for start, end in zip(starts[:count], ends, strict=True):
        if not start <= end or _expanded(data[start:end], bound) < bound:
            raise Unreadable(_BAD)


def _expanded(segment: bytes, bound: int) -> int:
    """Bytes that a segment expands to; Unreadable well above the bound."""
    at, total, size = 0, 0, len(segment)
    while at < size and total <= bound + 256:
        head = segment[at]
        if head < 128:
            total += min(head + 1, size - at - 1)
            at += head + 2
        else:
            total += 257 - head if head > 128 and at + 1 < size else 0
            at += 2 if head > 128 else 1
    if total > bound + 256:
        raise Unreadable("expands to more than its pixels need")
    return total
