"""Writing a slide: a tiled, pyramidal BigTIFF of JPEG tiles, row of tiles by row of tiles.

No library among the requirements writes tiles of a TIFF (Pillow and OpenCV write strips), so the dozen tags
that it takes are written here: TIFF 6.0, sections 2, 15 and 22; BigTIFF; JPEG tiles by TIFF Technical Note 2,
each a JPEG file of its own. It is for slides this program draws; OpenSlide reads them as "generic-tiff".
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

TILE = 256
_QUALITY = 88
_SHORT, _LONG, _RATIONAL, _LONG8 = 3, 4, 5, 16
_SIZES = {_SHORT: 2, _LONG: 4, _RATIONAL: 8, _LONG8: 8}
_FORMATS = {_SHORT: "H", _LONG: "I", _RATIONAL: "II", _LONG8: "Q"}
_CENTIMETRE, _JPEG, _YCBCR = 3, 7, 6

Rows = Callable[[int, int], np.ndarray]
"""(top, height) -> uint8 RGB [height, width, 3]: some rows of the full-size picture."""


def write_pyramid(
    path: Path, width: int, height: int, rows: Rows, mpp: float | None = None, quality: int = _QUALITY
) -> Path:
    """Write a slide of width x height pixels, halved again and again until one tile holds it.

    rows: asked for bands of TILE rows from the top downwards, once each. mpp: micrometres a pixel, or None to
    leave the scale out. A few bands are in memory at a time. Tiles of one colour alone are stored once.
    """
    if width < 1 or height < 1:
        raise ValueError(f"A slide of {width} x {height} pixels cannot be written.")
    levels = _Levels(width, height, quality)
    with tempfile.TemporaryFile(dir=path.parent) as body, path.open("wb") as sink:
        for top in range(0, height, TILE):
            band = rows(top, min(TILE, height - top))
            levels.add(0, band, body)
        levels.finish(body)
        sink.write(b"II" + struct.pack("<HHHQ", 43, 8, 0, 0))
        start = sink.tell()
        body.seek(0)
        while block := body.read(1 << 20):
            sink.write(block)
        _write_directories(sink, levels.tables, start, mpp)
    return path


class _Level:
    """One storey while it is written: its pending rows, and where its tiles went."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.pending: list[np.ndarray] = []
        self.waiting = self.received = 0
        self.offsets: list[int] = []
        self.counts: list[int] = []


class _Levels:
    def __init__(self, width: int, height: int, quality: int) -> None:
        self.tables = [_Level(width, height)]
        while max(width, height) > TILE:
            width, height = max(1, width // 2), max(1, height // 2)
            self.tables.append(_Level(width, height))
        self._quality = quality
        self._known: dict[bytes, tuple[int, int]] = {}

    def add(self, at: int, rows: np.ndarray, body: BinaryIO) -> None:
        """Rows of one storey, which become tiles as soon as a band is whole, and rows of the next storey."""
        level = self.tables[at]
        rows = rows[: level.height - level.received]
        level.pending.append(rows)
        level.waiting += len(rows)
        level.received += len(rows)
        while level.waiting >= TILE:
            band = np.concatenate(level.pending) if len(level.pending) > 1 else level.pending[0]
            self._emit(at, band[:TILE], body)
            level.pending, level.waiting = [band[TILE:]], len(band) - TILE

    def finish(self, body: BinaryIO) -> None:
        for at, level in enumerate(self.tables):
            if level.waiting:
                self._emit(at, np.concatenate(level.pending), body)
            level.pending, level.waiting = [], 0

    def _emit(self, at: int, band: np.ndarray, body: BinaryIO) -> None:
        level = self.tables[at]
        for left in range(0, level.width, TILE):
            offset, count = self._stored(_whole_tile(band[:, left : left + TILE]), body)
            level.offsets.append(offset)
            level.counts.append(count)
        if at + 1 < len(self.tables):
            self.add(at + 1, _halved(band, self.tables[at + 1].width), body)

    def _stored(self, tile: np.ndarray, body: BinaryIO) -> tuple[int, int]:
        """Where the tile is in the body, and how long; of one colour alone it is not written twice."""
        colour = tile[0, 0]
        plain = bool((tile == colour).all())  # bare glass: most of a slide
        if plain and colour.tobytes() in self._known:
            return self._known[colour.tobytes()]
        encoded = _jpeg(tile, self._quality)
        place = body.tell(), len(encoded)
        body.write(encoded)
        if plain:
            self._known[colour.tobytes()] = place
        return place


def _whole_tile(part: np.ndarray) -> np.ndarray:
    """uint8 [TILE, TILE, 3]: at the right and bottom border the last pixels are repeated."""
    below, beside = TILE - part.shape[0], TILE - part.shape[1]
    return part if not (below or beside) else np.pad(part, ((0, below), (0, beside), (0, 0)), mode="edge")


def _halved(band: np.ndarray, width: int) -> np.ndarray:
    """The band at half its size, averaged two by two; an odd last row or column is left out."""
    import cv2

    height = len(band) // 2
    if not height:
        return band[:0, :width]
    even = np.ascontiguousarray(band[: 2 * height, : 2 * width])
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)


def _jpeg(tile: np.ndarray, quality: int) -> bytes:
    import cv2

    done, encoded = cv2.imencode(".jpg", tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError(f"OpenCV did not encode a tile of shape {tile.shape}.")
    return encoded.tobytes()


def _write_directories(sink: BinaryIO, levels: list[_Level], start: int, mpp: float | None) -> None:
    """The directories behind the tiles, each pointing at the next; the header points at the first."""
    link = 8
    for at, level in enumerate(levels):
        here = _aligned(sink)
        _patch(sink, link, here)
        entries = list(_tags(level, at, start, None if mpp is None else mpp * 2**at))
        sink.write(struct.pack("<Q", len(entries)))
        outside = here + 8 + 20 * len(entries) + 8
        extra = b""
        for tag, kind, values in entries:
            data = struct.pack(f"<{len(values)}{_FORMATS[kind][0]}", *values)
            count = len(data) // _SIZES[kind]
            if len(data) <= 8:
                place = data.ljust(8, b"\0")
            else:
                place = struct.pack("<Q", outside + len(extra))
                extra += data + b"\0" * (-len(data) % 8)
            sink.write(struct.pack("<HHQ", tag, kind, count) + place)
        link = sink.tell()
        sink.write(struct.pack("<Q", 0) + extra)


def _tags(
    level: _Level, at: int, start: int, mpp: float | None
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    yield 254, _LONG, (1 if at else 0,)  # NewSubfileType: a reduced copy
    yield 256, _LONG, (level.width,)
    yield 257, _LONG, (level.height,)
    yield 258, _SHORT, (8, 8, 8)
    yield 259, _SHORT, (_JPEG,)
    yield 262, _SHORT, (_YCBCR,)
    yield 277, _SHORT, (3,)
    if mpp is not None:  # pixels a centimetre
        ratio = round(1e4 / mpp * 1000), 1000
        yield 282, _RATIONAL, ratio
        yield 283, _RATIONAL, ratio
    yield 284, _SHORT, (1,)
    if mpp is not None:
        yield 296, _SHORT, (_CENTIMETRE,)
    yield 322, _LONG, (TILE,)
    yield 323, _LONG, (TILE,)
    yield 324, _LONG8, tuple(start + offset for offset in level.offsets)
    yield 325, _LONG, tuple(level.counts)
    yield 530, _SHORT, (2, 2)  # chroma at half size, as OpenCV writes JPEG


def _aligned(sink: BinaryIO) -> int:
    sink.write(b"\0" * (-sink.tell() % 8))
    return sink.tell()


def _patch(sink: BinaryIO, at: int, value: int) -> None:
    end = sink.tell()
    sink.seek(at)
    sink.write(struct.pack("<Q", value))
    sink.seek(end)
