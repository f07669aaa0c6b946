"""Headers of a TAR file (POSIX.1-2017, pax; GNU tar), one after the other, from any stream of bytes.

Python 3.11's tarfile is not for strangers' files: it keeps every member, reads an extended header of any size
into memory, and can be led in circles by a negative size (CVE-2024-6232, CVE-2025-8194).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from models.batch.inputs.entry import ArchiveLimits
from models.errors import BadInput

BLOCK = 512
FILE, FOLDER, LINK, DEVICE, SPARSE, UNKNOWN = "file", "folder", "link", "device", "sparse", "unknown"
_KINDS = {
    b"0": FILE, b"\0": FILE, b"7": FILE, b"5": FOLDER, b"1": LINK, b"2": LINK, b"3": DEVICE, b"4": DEVICE,
    b"6": DEVICE, b"S": SPARSE,
}  # fmt: skip
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", (b"x", b"X"), b"g"
_MOST_EXTENSIONS = 16
"""Extended headers before one member; an honest one has three at the most."""
_MOST_HOLES = 1 << 16
"""Blocks that list the holes of a sparse file."""
_LARGEST = 1 << 60


class DamagedTar(Exception):
    """No header where one has to be, or no end where the archive ends."""


@dataclass(frozen=True, slots=True)
class TarHeader:
    """at: where the member's first header is. data: where its bytes begin; size: how many there are."""

    at: int
    name: bytes
    kind: str
    data: int
    size: int
    too_long: bool = False


class Stream:
    """Bytes in order. `read` gives fewer only at the end; `move` goes forward."""

    def __init__(self, read: Callable[[int], bytes], move: Callable[[int], None], place: int = 0):
        self._read, self._move, self.place = read, move, place

    def read(self, size: int) -> bytes:
        data = self._read(size)
        self.place += len(data)
        return data

    def move_to(self, place: int) -> None:
        if place > self.place:
            self._move(place - self.place)
            self.place = place


def headers(stream: Stream, limits: ArchiveLimits) -> Iterator[TarHeader]:
    """Every member from the stream's place on. The stream may be moved up to a member's end in between.

    DamagedTar where the archive breaks off or is none, and where its end mark is missing: then it is not
    known to be whole. BadInput at the limit of members.
    """
    count = 0
    while True:
        header = next_header(stream, limits)
        if header is None:
            return
        count += 1
        if count > limits.most_members:
            raise BadInput(f"The TAR file holds more than {limits.most_members:,} files: divide it.")
        yield header
        stream.move_to(header.data + _padded(header.size))


def next_header(stream: Stream, limits: ArchiveLimits) -> TarHeader | None:
    """The member at the stream's place with what its extended headers say of it; None at the end mark."""
    at, name, pax, too_long = stream.place, None, {}, False
    for _ in range(_MOST_EXTENSIONS):
        block = stream.read(BLOCK)
        if len(block) < BLOCK:
            raise DamagedTar
        if not block.strip(b"\0"):
            return None
        if not is_header(block):
            raise DamagedTar
        kind, size = block[156:157], _number(block[124:136])
        if kind in (_LONG_NAME, _LONG_LINK, _PAX_GLOBAL, *_PAX):
            if size > limits.most_header:
                too_long = True
                stream.move_to(stream.place + _padded(size))
                continue
            data = stream.read(_padded(size))[:size]
            if len(data) < size:
                raise DamagedTar
            if kind == _LONG_NAME:
                name = data.rstrip(b"\0")
            elif kind in _PAX:
                pax.update(_records(data))
            continue
        if kind == b"S" and block[482]:
            _skip_holes(stream)
        return _member(block, at, stream.place, name, pax, too_long, limits)
    raise DamagedTar


def is_header(block: bytes) -> bool:
    """Whether the block's checksum is right (summed as unsigned or, by old programs, as signed bytes)."""
    if len(block) < BLOCK:
        return False
    try:
        stated = _number(block[148:156])
    except DamagedTar:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    total = sum(rest)
    return stated in (total, total - 256 * sum(byte > 127 for byte in rest))


def _skip_holes(stream: Stream) -> None:
    """Move behind the further blocks of GNU tar's old sparse header."""
    for _ in range(_MOST_HOLES):
        block = stream.read(BLOCK)
        if len(block) < BLOCK:
            break
        if not block[504]:
            return
    raise DamagedTar


def _member(
    block: bytes, at: int, data: int, name: bytes | None, pax: dict, too_long: bool, limits: ArchiveLimits
) -> TarHeader:
    kind = _KINDS.get(block[156:157], UNKNOWN)
    if any(key.startswith(b"GNU.sparse") for key in pax):
        kind = SPARSE
    size = _number(block[124:136])
    if b"size" in pax:
        # Digits and nothing else: int() would take signs, blanks and underscores too.
        if not pax[b"size"].isdigit() or len(pax[b"size"]) > 20:
            raise DamagedTar
        size = min(int(pax[b"size"]), _LARGEST)
    if kind in (FOLDER, LINK, DEVICE):
        # Hard links state the size of what they link to, and no bytes follow (pax, "linkname").
        size = 0
    found = pax.get(b"path", name if name is not None else _own_name(block))
    if block[156:157] == b"\0" and found.endswith(b"/"):
        kind = FOLDER  # of the oldest programs, which had no mark for folders
    too_long |= len(found) > limits.longest_name
    return TarHeader(at, found[: limits.longest_name], kind, data, size, too_long)


def _own_name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _number(field: bytes) -> int:
    """An octal number, or one of 8 bits a byte after a first byte of 0x80; negative ones are damage."""
    if field[:1] == b"\x80":
        return min(int.from_bytes(field[1:], "big"), _LARGEST)
    text = field.partition(b"\0")[0].strip()
    if not text:
        return 0
    if any(byte not in b"01234567" for byte in text):
        raise DamagedTar
    return int(text, 8)


def _records(data: bytes) -> dict[bytes, bytes]:
    """The records "length key=value\\n" of a pax header, each by its own length."""
    found, at = {}, 0
    while at < len(data) and data[at]:
        digits = data[at : at + 20].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = data[at + len(digits) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if length < len(digits) + 4 or at + length > len(data) or not equals or not value.endswith(b"\n"):
            raise DamagedTar
        found[key] = value[:-1]
        at += length
    return found


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
