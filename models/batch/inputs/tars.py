"""Members of a TAR file that is not compressed, each read by its place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.batch.inputs import names, unpacking
from models.batch.inputs.entry import ArchiveLimits, Entry
from models.batch.inputs.loads import Refusal, united
from models.batch.inputs.mask_places import MaskPlaces
from models.batch.inputs.names import sentence
from models.batch.inputs.tar_headers import (
    FILE,
    FOLDER,
    LINK,
    SPARSE,
    DamagedTar,
    Stream,
    TarHeader,
    headers,
    next_header,
)
from models.batch.item import Load
from models.errors import BadInput

SPARSE_FILE = "is stored with holes (a sparse file): pack it again without --sparse."
REST = "(the rest of the archive)"


@dataclass(frozen=True)
class TarMember:
    """Loads one member of a TAR that is not compressed, by its place. It has no checksum."""

    path: Path
    name: str
    place: int
    size: int
    limits: ArchiveLimits

    def __call__(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self.place)
                return unpacking.plain_bytes(file, self.size, self.name, self.limits)
        except OSError as error:
            why = f"cannot be read from its archive ({error.strerror}): check the disk."
            raise BadInput(sentence(self.name, why)) from None


class AnyTar:
    """What a TAR and a TAR.GZ have in common."""

    countable = True

    def __init__(self, path: Path, limits: ArchiveLimits):
        self._path, self._limits = path.absolute(), limits
        self.title = names.clean(path.name)
        self.prefix = f"{self.title}/"
        self._passed_over = 0

    def notices(self) -> list[str]:
        if not self._passed_over:
            return []
        return [names.passed_over_sentence(self._passed_over, self.title)]

    @contextmanager
    def refused(self) -> Iterator[None]:
        """What ends the whole archive before anything is read of it."""
        shown = names.shown(self.title)
        try:
            yield
        except OSError as error:
            raise BadInput(f'"{shown}" cannot be read ({error.strerror}): check the disk.') from None

    def damage(self) -> Entry:
        shown = names.shown(self.title)
        why = f'"{shown}" is damaged or cut short: the files after these are lost; copy the archive again.'
        return Entry(REST, why=why)

    def why_not(self, header: TarHeader, name: str) -> str:
        """The sentence for a member that is refused by its header; else ""."""
        if header.too_long:
            return sentence(name, names.TOO_LONG)
        if names.leaves_archive(name):
            return sentence(name, names.LEAVES)
        if header.kind == LINK:
            return sentence(name, names.LINK)
        if header.kind == SPARSE:
            return sentence(name, SPARSE_FILE)
        if header.kind != FILE:
            return sentence(name, names.NO_FILE)
        if names.is_archive(name):
            return sentence(name, unpacking.NESTED)
        if names.is_slide(name):
            return sentence(name, names.SLIDE_INSIDE)
        if header.size > self._limits.largest_file:
            return unpacking.size_sentence(name, header.size, self._limits.largest_file)
        return ""


class TarSource(AnyTar):
    """A TAR that is not compressed: members are read by their place, in any order and from any process."""

    kind = "tar"

    def __init__(self, path: Path, limits: ArchiveLimits):
        super().__init__(path, limits)
        self._masks = MaskPlaces()

    def prepare(self) -> None:
        self._masks, self._passed_over = MaskPlaces(), 0
        with self.refused(), self._path.open("rb") as file:
            seen = 0
            try:
                for header in headers(_of_file(file), self._limits):
                    name, seen = name_of(header), seen + 1
                    if header.kind == FOLDER:
                        continue
                    if names.passed_over(name.split("/")):
                        self._passed_over += 1
                    elif header.kind == FILE and not header.too_long:
                        self._masks.add(name, header.at)
            except DamagedTar:
                if not seen:
                    raise BadInput(
                        f'"{names.shown(self.title)}" is not a whole TAR file: it is damaged; copy it again.'
                    ) from None
                # else entries() ends with a row that says so
        self._masks.close()

    def entries(self, loads: bool = True) -> Iterator[Entry]:
        try:
            with self._path.open("rb") as file, self._path.open("rb") as beside:
                whole = os.fstat(file.fileno()).st_size
                for header in headers(_of_file(file), self._limits):
                    name = name_of(header)
                    if header.kind == FOLDER or names.passed_over(name.split("/")):
                        continue
                    why = self.why_not(header, name)
                    if names.is_mask(name) and not why:
                        if not (self._masks.has_image(name) or names.in_mask_folder(name.split("/")[:-1])):
                            yield Entry(name, why=sentence(name, names.STRAY_MASK))
                        continue
                    if not why and header.data + header.size > whole:
                        why = sentence(name, unpacking.CUT_SHORT)
                    mask = united(self._masks_of(name, beside)) if loads and not why else None
                    yield Entry(name, None if why else self._load(header, name), why=why, mask=mask)
        except (DamagedTar, OSError):
            yield self.damage()

    def notices(self) -> list[str]:
        return [*self._masks.notices(self.title), *super().notices()]

    @property
    def has_masks(self) -> bool:
        return len(self._masks) > 0

    def fraction(self) -> float | None:
        return None

    def _load(self, header: TarHeader, name: str) -> TarMember:
        return TarMember(self._path, name, header.data, header.size, self._limits)

    def _masks_of(self, name: str, file: BinaryIO) -> list[Load]:
        found = []
        for place in self._masks.of(name):
            file.seek(place)
            header = next_header(_of_file(file, place), self._limits)
            of = name_of(header)
            if names.is_mask(of) and names.picture_of(of) == names.picture_of(name):
                why = self.why_not(header, of)
                found.append(Refusal(why) if why else self._load(header, of))
        return found


def _of_file(file: BinaryIO, place: int = 0) -> Stream:
    def move(size: int) -> None:
        try:
            file.seek(size, os.SEEK_CUR)
        except OSError:  # farther than any file reaches
            raise DamagedTar from None

    return Stream(file.read, move, place)


def name_of(header: TarHeader) -> str:
    name = names.clean(header.name.decode("utf-8", "surrogateescape"))
    return name if names.leaves_archive(name) else names.tidy(name) or "unnamed"
