"""What every kind of input gives: entries in a fixed order, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from models.batch.item import Load
from models.study import Limits


@dataclass(frozen=True)
class ArchiveLimits:
    """How much of a stranger's archive the program is willing to take on.

    most_members: entries of one archive. highest_ratio: bytes after unpacking for one before, of a member and
    of a TAR.GZ as a whole; counted only above ratio_floor, since a blank picture shrinks that much too.
    longest_name: bytes of a name; longer ones are cut, and their member is refused. most_header: bytes of an
    extended TAR header. counted_bytes: a TAR.GZ of up to that size is read once before the work begins, so
    that its images are counted and its masks found; masks_kept: bytes of masks then kept. files: bounds of a
    member itself.
    """

    most_members: int = 10_000_000
    highest_ratio: int = 1_000
    ratio_floor: int = 1 << 20
    longest_name: int = 4_096
    most_header: int = 1 << 20
    counted_bytes: int = 256 << 20
    masks_kept: int = 64 << 20
    files: Limits = field(default_factory=Limits)

    @property
    def largest_file(self) -> int:
        """Bytes of the largest file of any kind."""
        return max(self.files.max_bytes, self.files.max_dicom_bytes)


@dataclass(slots=True)
class Entry:
    """One file of a source, in the order of the source.

    name: path below the source with "/", for people: no control character, no lone surrogate. load, mask: as
    an Item's. fetch: gives the load where the source can be read in order only; it is to be called before the
    next entry is asked for, or never. why: a sentence where the entry is refused. key: the entry's name in
    the batch where that is not its path (a manifest's case). known_as: its path for a label file where that
    is longer than its name.
    """

    name: str
    load: Load | None = None
    fetch: Callable[[], Load] | None = None
    why: str = ""
    mask: Load | None = None
    label: str = ""
    patient_id: str = ""
    group: str = ""
    modality: str | None = None
    key: str = ""
    known_as: str = ""


class Source(Protocol):
    """One input. A new `entries()` begins anew; two may be under way at once."""

    title: str
    kind: str
    """"folder", "files", "zip", "tar", "tar.gz" or "manifest"."""
    prefix: str
    """Before the names of its entries where the batch has more inputs than this one: "name/" or ""."""
    countable: bool
    """Whether `entries()` costs little as long as nothing is loaded."""

    def prepare(self) -> None:
        """The first look: finds masks and what is to be said. BadInput where the input cannot be used."""

    def entries(self, loads: bool = True) -> Iterator[Entry]:
        """Every file that is no mask, in order. Without loads only their names and labels are right: quicker
        where they are counted."""

    def notices(self) -> list[str]: ...

    @property
    def has_masks(self) -> bool: ...

    def fraction(self) -> float | None:
        """Share of the input that the latest `entries()` has read, by bytes; None where unknown."""
