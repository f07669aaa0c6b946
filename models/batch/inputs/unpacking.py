"""Bytes of one member of an archive, never more than the limits whatever its header promises."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from models.batch.inputs.entry import ArchiveLimits
from models.batch.inputs.names import sentence
from models.errors import BadInput

NESTED = "is an archive inside the archive: unpack it first."
DAMAGED = "is damaged in its archive: it does not unpack to what was packed; pack it again."
CUT_SHORT = "is cut short in its archive: the archive is not whole; copy it again."
_CHUNK = 1 << 16
_ARCHIVE_MARKS = (
    b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",
)  # fmt: skip


def is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def archive_inside(head: bytes) -> bool:
    """Whether a file that begins so is an archive itself, whatever it is called."""
    return not is_dicom(head) and (head.startswith(_ARCHIVE_MARKS) or head[257:262] == b"ustar")


def too_much(size: int, packed: int, limits: ArchiveLimits) -> bool:
    """Whether so much from so little is refused: no picture shrinks like that, and it fills the memory."""
    return size > limits.ratio_floor and size > limits.highest_ratio * packed


def ratio_sentence(name: str, limits: ArchiveLimits) -> str:
    return sentence(
        name,
        f"unpacks to more than {limits.highest_ratio:,} times its size, as no picture does: it is refused.",
    )


def size_sentence(name: str, size: int, most: int) -> str:
    return sentence(
        name, f"has {size / 2**20:,.1f} MiB and the limit is {most / 2**20:,.1f} MiB: export a smaller image."
    )


def plain_bytes(file: BinaryIO, size: int, name: str, limits: ArchiveLimits) -> bytes:
    """`size` bytes at the file's place, of a member that is not compressed."""
    room = _Room(name, size, limits)
    left = size
    while left:
        piece = file.read(min(left, _CHUNK if room.kept < 512 else 16 * _CHUNK))
        if not piece:
            raise BadInput(sentence(name, CUT_SHORT))
        room.take(piece)
        left -= len(piece)
    return room.content()


def inflated_bytes(file: BinaryIO, packed: int, size: int, name: str, limits: ArchiveLimits) -> bytes:
    """What `packed` bytes of a deflated stream at the file's place hold: exactly `size` bytes."""
    room, left = _Room(name, size, limits), packed
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflate.eof:
            given = inflate.unconsumed_tail
            if not given:
                given = file.read(min(left, _CHUNK))
                left -= len(given)
                if not given:
                    raise BadInput(sentence(name, DAMAGED if not left else CUT_SHORT))
            room.take(inflate.decompress(given, 4 * _CHUNK))
            if too_much(room.kept, packed, limits):
                raise BadInput(ratio_sentence(name, limits))
    except zlib.error:
        raise BadInput(sentence(name, DAMAGED)) from None
    if left or inflate.unused_data:
        raise BadInput(sentence(name, DAMAGED))
    return room.content()


class _Room:
    """Bytes of one file as they come, up to the size that was promised and the limit of its kind."""

    def __init__(self, name: str, size: int, limits: ArchiveLimits):
        self._name, self._size, self._limits = name, size, limits
        self._pieces: list[bytes] = []
        self._most = limits.largest_file
        self.kept = 0
        if size > self._most:
            raise BadInput(size_sentence(name, size, self._most))

    def take(self, piece: bytes) -> None:
        if self.kept < 512 <= self.kept + len(piece) or (not self._pieces and self._size < 512):
            self._look(b"".join([*self._pieces, piece])[:512])
        self._pieces.append(piece)
        self.kept += len(piece)
        if self.kept > self._size:
            raise BadInput(sentence(self._name, DAMAGED))
        if self.kept > self._most:
            raise BadInput(size_sentence(self._name, self._size, self._most))

    def content(self) -> bytes:
        if self.kept != self._size:
            raise BadInput(sentence(self._name, DAMAGED))
        return b"".join(self._pieces)

    def _look(self, head: bytes) -> None:
        """The first bytes tell which limit holds."""
        if archive_inside(head):
            raise BadInput(sentence(self._name, NESTED))
        limits = self._limits.files
        self._most = limits.max_dicom_bytes if is_dicom(head) else limits.max_bytes
        if self._size > self._most:
            raise BadInput(size_sentence(self._name, self._size, self._most))
