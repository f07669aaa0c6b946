"""Members of a ZIP file, each read by itself, in any order and from any process."""

from __future__ import annotations

import stat
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from models.batch.inputs import names, unpacking
from models.batch.inputs.entry import ArchiveLimits, Entry
from models.batch.inputs.loads import Refusal, united
from models.batch.inputs.mask_places import MaskPlaces
from models.batch.inputs.names import sentence
from models.batch.inputs.zip_table import (
    DEFLATED,
    LOCAL_HEADER,
    LOCAL_MARK,
    STORED,
    UTF8,
    DamagedZip,
    DividedZip,
    Member,
    ZipTable,
)
from models.batch.item import Load
from models.errors import BadInput

ENCRYPTED = "is encrypted: pack it again without a password."
METHOD = "is compressed in a way that is not read here: pack it again as an ordinary ZIP file."
OVERLAPS = "shares its bytes with another member of the archive, as no honest ZIP file does: it is refused."
CHANGED = "is not where its archive's list says: the archive is damaged or was changed; pack it again."


@dataclass(frozen=True)
class ZipMember:
    """Loads one member: opens the archive, checks the member's own header against the list, unpacks within
    the limits, compares size and checksum. end: before which its bytes end."""

    path: Path
    name: str
    member: Member
    end: int
    limits: ArchiveLimits

    def __call__(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                return self._read(file)
        except OSError as error:
            why = f"cannot be read from its archive ({error.strerror}): check the disk."
            raise BadInput(sentence(self.name, why)) from None

    def _read(self, file: BinaryIO) -> bytes:
        member = self.member
        file.seek(member.offset)
        header = file.read(LOCAL_HEADER.size)
        if len(header) < LOCAL_HEADER.size or not header.startswith(LOCAL_MARK):
            raise BadInput(sentence(self.name, CHANGED))
        _, _, flags, method, _, _, _, _, _, n, m = LOCAL_HEADER.unpack(header)
        stored_name = file.read(n)[: len(member.name)]
        listed = (member.flags & 1, member.method, member.name_bytes, member.name)
        if (flags & 1, method, n, stored_name) != listed:
            raise BadInput(sentence(self.name, CHANGED))
        start = member.offset + LOCAL_HEADER.size + n + m
        if start + member.packed > self.end:
            raise BadInput(sentence(self.name, OVERLAPS))
        file.seek(start)
        if member.method == STORED:
            content = unpacking.plain_bytes(file, member.size, self.name, self.limits)
        else:
            content = unpacking.inflated_bytes(file, member.packed, member.size, self.name, self.limits)
        if zlib.crc32(content) != member.crc:
            raise BadInput(sentence(self.name, unpacking.DAMAGED))
        return content


class ZipSource:
    """An archive with random access: nothing is unpacked but what is loaded."""

    kind, countable = "zip", True

    def __init__(self, path: Path, limits: ArchiveLimits):
        self._path, self._limits = path.absolute(), limits
        self.title = names.clean(path.name)
        self.prefix = f"{self.title}/"
        self._passed_over = 0
        self._masks = MaskPlaces()
        # Where each member begins, in order: none may reach into the next.
        self._starts = array("Q")

    def prepare(self) -> None:
        shown = names.shown(self.title)
        try:
            self._table = ZipTable(self._path, self._limits)
            self._look_through()
        except DividedZip:
            raise BadInput(
                f'"{shown}" is one part of a divided ZIP file: pack the images as one file.'
            ) from None
        except DamagedZip:
            raise BadInput(
                f'"{shown}" is not a whole ZIP file: it is damaged or cut short; copy it again.'
            ) from None
        except OSError as error:
            raise BadInput(f'"{shown}" cannot be read ({error.strerror}): check the disk.') from None

    def _look_through(self) -> None:
        self._masks, self._passed_over, starts = MaskPlaces(), 0, array("Q")
        with self._path.open("rb") as file:
            try:
                for member in self._table.members(file):
                    starts.append(member.offset)
                    name = _name(member)
                    if member.is_folder:
                        continue
                    if names.passed_over(name.split("/")):
                        self._passed_over += 1
                    elif len(name) <= self._limits.longest_name:
                        self._masks.add(name, member.position)
            except DamagedZip:
                pass  # entries() ends with a row that says so
        self._starts = array("Q", np.sort(np.frombuffer(starts, np.uint64)).tobytes())
        self._masks.close()

    def entries(self, loads: bool = True) -> Iterator[Entry]:
        try:
            with self._path.open("rb") as file, self._path.open("rb") as beside:
                for member in self._table.members(file):
                    entry = self._entry(member, beside, loads)
                    if entry is not None:
                        yield entry
            whole = not self._table.salvaged
        except (DamagedZip, OSError):
            whole = False
        if not whole:
            shown = names.shown(self.title)
            why = (
                f'"{shown}" is damaged or cut short: the files after these are lost; copy the archive again.'
            )
            yield Entry("(the rest of the archive)", why=why)

    def _entry(self, member: Member, beside: BinaryIO, loads: bool) -> Entry | None:
        """None for folders, for what is passed over, and for masks of an image."""
        name = _name(member)
        if member.is_folder or names.passed_over(name.split("/")):
            return None
        mask = names.is_mask(name)
        if not (loads or mask):
            return Entry(name)
        why = self._why_not(member, name)
        if mask and not why:
            if self._masks.has_image(name) or names.in_mask_folder(name.split("/")[:-1]):
                return None
            why = sentence(name, names.STRAY_MASK)
        if why:
            return Entry(name, why=why)
        return Entry(name, self._load(member, name), mask=united(self._masks_of(name, beside)))

    def notices(self) -> list[str]:
        said = self._masks.notices(self.title)
        if self._passed_over:
            said.append(names.passed_over_sentence(self._passed_over, self.title))
        return said

    @property
    def has_masks(self) -> bool:
        return len(self._masks) > 0

    def fraction(self) -> float | None:
        return None

    def _masks_of(self, name: str, file: BinaryIO) -> list[Load]:
        found = []
        for place in self._masks.of(name):
            member = self._table.at(file, place)
            of = _name(member)
            if names.is_mask(of) and names.picture_of(of) == names.picture_of(name):
                why = self._why_not(member, of)
                found.append(Refusal(why) if why else self._load(member, of))
        return found

    def _load(self, member: Member, name: str) -> ZipMember:
        return ZipMember(self._path, name, member, self._end_of(member), self._limits)

    def _end_of(self, member: Member) -> int:
        """Where the next member begins, or the list; where this one does if another begins there too."""
        at = bisect_right(self._starts, member.offset)
        if at > 1 and self._starts[at - 2] == member.offset:
            return member.offset
        return min(self._starts[at], self._table.start) if at < len(self._starts) else self._table.start

    def _why_not(self, member: Member, name: str) -> str:
        """The sentence for a member that is refused by what the list says of it; else ""."""
        kind = stat.S_IFMT(member.unix)
        if len(member.name) > self._limits.longest_name:
            return sentence(name, names.TOO_LONG)
        if names.leaves_archive(name):
            return sentence(name, names.LEAVES)
        if kind == stat.S_IFLNK:
            return sentence(name, names.LINK)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            return sentence(name, names.NO_FILE)
        if member.encrypted:
            return sentence(name, ENCRYPTED)
        if names.is_archive(name):
            return sentence(name, unpacking.NESTED)
        if names.is_slide(name):
            return sentence(name, names.SLIDE_INSIDE)
        if member.method not in (STORED, DEFLATED) or (
            member.method == STORED and member.size != member.packed
        ):
            return sentence(name, METHOD)
        if member.least_end > self._end_of(member):
            return sentence(name, OVERLAPS)
        if unpacking.too_much(member.size, member.packed, self._limits):
            return unpacking.ratio_sentence(name, self._limits)
        if member.size > self._limits.largest_file:
            return unpacking.size_sentence(name, member.size, self._limits.largest_file)
        return ""


def _name(member: Member) -> str:
    """A member's name. Without the mark for UTF-8 it is that too where it can be, else in the letters of the
    first IBM PC, as the standard says (appendix D)."""
    try:
        text = member.name.decode("utf-8")
    except UnicodeDecodeError:
        marked = member.flags & UTF8
        text = member.name.decode(*("utf-8", "surrogateescape") if marked else ("cp437", "strict"))
    name = names.clean(text)
    return name if names.leaves_archive(name) else names.tidy(name) or "unnamed"
