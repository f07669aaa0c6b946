"""The list of members of a ZIP file, read as it lies on disk (PKWARE APPNOTE 6.3.10, section 4.3).

Python's zipfile makes an object of every member before it gives the first: ten million of them are ten
gigabytes. Here the list is gone through entry by entry, and what has to be known of all of them (where each
begins) takes eight bytes a member.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.batch.inputs.entry import ArchiveLimits
from models.errors import BadInput

STORED, DEFLATED, AES = 0, 8, 99
ENCRYPTED, SIZES_FOLLOW, UTF8, MASKED = 0x1, 0x8, 0x800, 0x2041
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
LOCAL_MARK = b"PK\x03\x04"
_ENTRY_MARK, _END_MARK, _END64_MARK, _LOCATOR_MARK = (
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
)
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_MOST_SALVAGED = 100_000
"""Members found in a file whose list is lost; they are kept in memory."""
_FARTHEST = 1 << 62
"""Offsets beyond are as wrong as this one, and no file can be moved to them."""
_CHUNK = 1 << 16


class DamagedZip(Exception):
    """The file is no whole ZIP file from here on."""


class DividedZip(Exception):
    """The file is one of several parts."""


@dataclass(frozen=True, slots=True)
class Member:
    """An entry of the list. position: for `ZipTable.at`. offset: of the member's own
    header in the file. name: as stored, at most the limit's bytes. unix: its mode, 0 where it has none."""

    position: int
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    unix: int
    is_folder: bool
    name_bytes: int

    @property
    def least_end(self) -> int:
        """Where the member ends at the earliest."""
        return self.offset + LOCAL_HEADER.size + self.name_bytes + self.packed

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & (ENCRYPTED | MASKED)) or self.method == AES


class ZipTable:
    """start: of the list, before which all members end. salvaged: True where the list is lost and members
    were found by their own headers, up to where the file breaks off."""

    def __init__(self, path: Path, limits: ArchiveLimits):
        self._limits, self.salvaged = limits, False
        self._found: list[Member] = []
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            try:
                self.start, self._end, self._shift, count = _directory(file, size)
            except DamagedZip:
                self.start = self._end = size
                self._shift, self.salvaged = 0, True
                self._found = list(_by_their_headers(file, size, limits))
                if not self._found:
                    raise
                return
        if count > limits.most_members:
            raise _crowded(limits)

    def members(self, file: BinaryIO) -> Iterator[Member]:
        """All in the order of the list. DamagedZip where it cannot be followed, BadInput at the limit."""
        if self.salvaged:
            yield from self._found
            return
        at, count = self.start, 0
        while at < self._end:
            file.seek(at)
            member, at = self._entry(file, at)
            count += 1
            if count > self._limits.most_members:
                raise _crowded(self._limits)
            yield member

    def at(self, file: BinaryIO, position: int) -> Member:
        """The member of that position."""
        if self.salvaged:
            return self._found[position]
        file.seek(position)
        return self._entry(file, position)[0]

    def _entry(self, file: BinaryIO, at: int) -> tuple[Member, int]:
        """(member, where the next begins) at the file's place."""
        fields = _unpacked(_ENTRY, file, _ENTRY_MARK)
        _, made_by, _, flags, method, _, _, crc, packed, size, n, m, k, disk, _, attributes, offset = fields
        name, extra = file.read(n), file.read(m)
        if len(name) < n or len(extra) < m or disk not in (0, _FULL16):
            raise DamagedZip
        size, packed, offset = _in_64_bits(extra, size, packed, offset)
        offset = min(offset + self._shift, _FARTHEST)
        # Members of systems like Unix (3) and macOS (19) keep their mode; a link is told by it.
        unix = attributes >> 16 if made_by >> 8 in (3, 19) else 0
        is_folder = name[-1:] in (b"/", b"\\") or bool(attributes & 0x10 and size == 0)
        member = Member(
            at,
            name[: self._limits.longest_name + 1],
            flags,
            method,
            crc,
            packed,
            size,
            offset,
            unix,
            is_folder,
            n,
        )
        return member, at + _ENTRY.size + n + m + k


def _crowded(limits: ArchiveLimits) -> BadInput:
    return BadInput(f"The ZIP file lists more than {limits.most_members:,} files: divide it.")


def _directory(file: BinaryIO, size: int) -> tuple[int, int, int, int]:
    """(start of the list, its end, what is to be added to every offset, number of members as stated)."""
    tail_at = max(0, size - _END.size - _FULL16)
    file.seek(tail_at)
    tail = file.read(_END.size + _FULL16)
    at = _end_record(tail)
    if at is None:
        raise DamagedZip
    _, disk, list_disk, _, count, length, offset, _ = _END.unpack_from(tail, at)
    end = tail_at + at
    if _FULL16 in (count, disk, list_disk) or _FULL32 in (length, offset):
        found = _end_record_64(file, end)
        if found is not None:
            end, disk, list_disk, count, length, offset = found
    if disk or list_disk:
        raise DividedZip
    # Something may stand before the archive, as in one that unpacks itself.
    shift = end - length - offset
    if shift < 0 or length > end:
        raise DamagedZip
    return end - length, end, shift, count


def _end_record(tail: bytes) -> int | None:
    """Where the end record begins whose comment ends with the file; else the last that has room for it."""
    loose, at = None, tail.rfind(_END_MARK)
    while at >= 0:
        if at + _END.size <= len(tail):
            ends = at + _END.size + _END.unpack_from(tail, at)[-1]
            if ends == len(tail):
                return at
            if ends < len(tail) and loose is None:
                loose = at
        at = tail.rfind(_END_MARK, 0, at)
    return loose


def _end_record_64(file: BinaryIO, end: int) -> tuple[int, int, int, int, int, int] | None:
    """(its place, disk, disk of the list, members, length, offset) of a ZIP64 file, or None."""
    if end < _LOCATOR.size:
        return None
    file.seek(end - _LOCATOR.size)
    mark, _, stated, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
    if mark != _LOCATOR_MARK:
        return None
    for at in (stated, end - _LOCATOR.size - _END64.size):
        if not 0 <= at <= end - _LOCATOR.size - _END64.size:
            continue
        file.seek(at)
        mark, _, _, _, disk, list_disk, _, count, length, offset = _END64.unpack(file.read(_END64.size))
        if mark == _END64_MARK:
            return at, disk, list_disk, count, length, offset
    raise DamagedZip


def _in_64_bits(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The three with what their ZIP64 field says where they say that it does (4.5.3)."""
    values = [size, packed, offset]
    wanted = [i for i, value in enumerate(values) if value == _FULL32]
    at = 0
    while wanted and at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == 1:
            if length < 8 * len(wanted) or at + 4 + length > len(extra):
                raise DamagedZip
            for place, i in enumerate(wanted):
                (values[i],) = struct.unpack_from("<Q", extra, at + 4 + 8 * place)
            break
        at += 4 + length
    return values[0], values[1], values[2]


def _by_their_headers(file: BinaryIO, size: int, limits: ArchiveLimits) -> Iterator[Member]:
    """The members of a file that has lost its list: one after the other from its beginning, as far as each is
    whole."""
    at = count = 0
    while at + LOCAL_HEADER.size <= size:
        file.seek(at)
        try:
            _, _, flags, method, _, _, crc, packed, length, n, m = _unpacked(LOCAL_HEADER, file, LOCAL_MARK)
            name, extra = file.read(n), file.read(m)
            if not name:
                return
            length, packed, _ = _in_64_bits(extra, length, packed, 0)
            ends = at + LOCAL_HEADER.size + n + m + packed
            if flags & SIZES_FOLLOW and not packed:
                packed, length, crc, ends = _followed(file, method, at + LOCAL_HEADER.size + n + m, limits)
        except DamagedZip:
            return
        if ends > size or count >= _MOST_SALVAGED:
            return
        short = name[: limits.longest_name + 1]
        folder = name[-1:] in (b"/", b"\\")
        yield Member(count, short, flags, method, crc, packed, length, at, 0, folder, n)
        at, count = ends, count + 1


def _followed(file: BinaryIO, method: int, start: int, limits: ArchiveLimits) -> tuple[int, int, int, int]:
    """(packed, size, crc, end with its descriptor) of a member whose sizes stand after it: found by unpacking
    it, within the limit."""
    if method != DEFLATED:
        raise DamagedZip
    inflate, packed, size, crc = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0, 0
    try:
        while not inflate.eof:
            given = inflate.unconsumed_tail or file.read(_CHUNK)
            packed += 0 if inflate.unconsumed_tail else len(given)
            piece = inflate.decompress(given, 16 * _CHUNK)
            size, crc = size + len(piece), zlib.crc32(piece, crc)
            if not given or size > limits.largest_file:
                raise DamagedZip
    except zlib.error:
        raise DamagedZip from None
    packed -= len(inflate.unused_data)
    file.seek(start + packed)
    descriptor = file.read(24)
    # With or without its mark, with sizes of four or eight bytes: told by what it has to say (4.3.9).
    for mark, form in ((b"PK\x07\x08", "<III"), (b"PK\x07\x08", "<IQQ"), (b"", "<III"), (b"", "<IQQ")):
        if descriptor[: len(mark) + struct.calcsize(form)] == mark + struct.pack(form, crc, packed, size):
            return packed, size, crc, start + packed + len(mark) + struct.calcsize(form)
    raise DamagedZip


def _unpacked(form: struct.Struct, file: BinaryIO, mark: bytes) -> tuple:
    data = file.read(form.size)
    if len(data) < form.size or not data.startswith(mark):
        raise DamagedZip
    return form.unpack(data)
