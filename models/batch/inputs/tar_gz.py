"""Members of a TAR through gzip, which can be read in order only."""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from models.batch.inputs import names, unpacking
from models.batch.inputs.entry import ArchiveLimits, Entry
from models.batch.inputs.loads import Held, Refusal, united
from models.batch.inputs.names import sentence
from models.batch.inputs.tar_headers import BLOCK, FOLDER, DamagedTar, Stream, TarHeader, headers, is_header
from models.batch.inputs.tars import REST, AnyTar, name_of
from models.batch.item import Load
from models.errors import BadInput

_CHUNK = 1 << 20
_MOST_PADDING = 64 << 20
"""Bytes that may follow the end mark."""


class TarGzSource(AnyTar):
    """A TAR through gzip: read from its beginning to its end, one member's bytes at a time in memory.

    One of up to `counted_bytes` is read through once before the work: then its images are counted, and its
    masks are kept in memory as far as they fit.
    """

    kind = "tar.gz"

    def __init__(self, path: Path, limits: ArchiveLimits):
        super().__init__(path, limits)
        self._masks: dict[str, list[Load]] = {}
        self._mask_notice = ""
        self._read, self._bytes = 0, 1

    def prepare(self) -> None:
        with self.refused():
            self._bytes = max(1, self._path.stat().st_size)
            if not is_header(self._first_block()):
                raise BadInput(
                    f'"{names.shown(self.title)}" is a gzip file that holds no whole TAR: unpack it, or pack '
                    "the images as TAR.GZ."
                )
            self.countable = self._bytes <= self._limits.counted_bytes
            if self.countable:
                self._look_through()
            else:
                self._mask_notice = (
                    f"Masks inside {names.shown(self.title)} are not used, since it can only be read in "
                    "order: pack it as ZIP to have them measured."
                )

    def _look_through(self) -> None:
        """Count what is passed over and keep the masks."""
        self._passed_over, kept, pictures = 0, 0, set()
        masks: dict[str, list[Load]] = defaultdict(list)
        try:
            for header, name, stream in self._members():
                if names.passed_over(name.split("/")):
                    self._passed_over += 1
                elif not names.is_mask(name):
                    pictures.add(names.digest64(names.picture_of(name)))
                elif not self.why_not(header, name) and kept <= self._limits.masks_kept:
                    kept += header.size
                    if kept <= self._limits.masks_kept:
                        masks[names.picture_of(name)].append(_taken(stream, header, name, self._limits))
        except (DamagedTar, _Bomb):
            pass  # entries() ends with a row that says so
        if kept > self._limits.masks_kept:
            masks = {}
            self._mask_notice = (
                f"The masks inside {names.shown(self.title)} are too many to be kept while it is read in "
                "order, and are not used: pack it as ZIP to have them measured."
            )
        self._masks = {name: each for name, each in masks.items() if names.digest64(name) in pictures}

    def entries(self, loads: bool = True) -> Iterator[Entry]:
        try:
            for header, name, stream in self._members():
                why = self.why_not(header, name)
                if names.passed_over(name.split("/")) or (names.is_mask(name) and not why):
                    continue
                mask = None if why else united(self._masks.get(names.picture_of(name), []))
                fetch = None if why else partial(_taken, stream, header, name, self._limits)
                yield Entry(name, fetch=fetch, why=why, mask=mask)
        except (DamagedTar, OSError):
            yield self.damage()
        except _Bomb:
            yield Entry(REST, why=unpacking.ratio_sentence(self.title, self._limits))

    def _members(self) -> Iterator[tuple[TarHeader, str, Stream]]:
        """All but folders. DamagedTar where it breaks off or its checksum is wrong, _Bomb where it swells."""
        with self._path.open("rb") as file:
            inflated = _Inflated(file, self._limits)
            stream = Stream(inflated.read, inflated.skip)
            for header in headers(stream, self._limits):
                self._read = file.tell()
                if header.kind != FOLDER:
                    yield header, name_of(header), stream
            inflated.drain()
            self._read = self._bytes

    def _first_block(self) -> bytes:
        with self._path.open("rb") as file:
            try:
                return _Inflated(file, self._limits).read(BLOCK)
            except (DamagedTar, _Bomb):
                return b""

    def notices(self) -> list[str]:
        return [*super().notices(), *filter(None, [self._mask_notice])]

    @property
    def has_masks(self) -> bool:
        return bool(self._masks)

    def fraction(self) -> float | None:
        return min(1.0, self._read / self._bytes)


class _Bomb(Exception):
    """More bytes than so small a file can honestly hold."""


class _Inflated:
    """The content of a gzip file in order, its ratio watched. DamagedTar where it breaks off."""

    def __init__(self, file: BinaryIO, limits: ArchiveLimits):
        self._file, self._limits = file, limits
        self._gzip = gzip.GzipFile(fileobj=file, mode="rb")
        self._given = 0

    def read(self, size: int) -> bytes:
        """Fewer bytes than asked for only at the end."""
        pieces, left = [], size
        while left:
            piece = self._piece(min(left, _CHUNK))
            if not piece:
                break
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        while size:
            piece = self._piece(min(size, _CHUNK))
            if not piece:
                raise DamagedTar
            size -= len(piece)

    def drain(self) -> None:
        """On to the end, where the checksum of the whole is. What is longer than any padding is no end."""
        for _ in range(_MOST_PADDING // _CHUNK):
            if not self._piece(_CHUNK):
                return
        raise DamagedTar

    def _piece(self, size: int) -> bytes:
        try:
            piece = self._gzip.read1(size)
        except (EOFError, zlib.error, OSError):  # gzip.BadGzipFile is an OSError
            raise DamagedTar from None
        self._given += len(piece)
        if unpacking.too_much(self._given, self._file.tell(), self._limits):
            raise _Bomb
        return piece


def _taken(stream: Stream, header: TarHeader, name: str, limits: ArchiveLimits) -> Load:
    """The load of the member at which the stream is: its bytes, or the refusal they end in."""
    try:
        return Held(unpacking.plain_bytes(stream, header.size, name, limits))
    except BadInput as refusal:
        return Refusal(str(refusal))
    except DamagedTar:
        return Refusal(sentence(name, unpacking.CUT_SHORT))
    except _Bomb:
        return Refusal(unpacking.ratio_sentence(name, limits))
