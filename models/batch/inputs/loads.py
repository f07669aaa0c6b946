"""Loads of single files and of bytes at hand. Each can be pickled, so that another process may call it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from models.batch.item import Load
from models.errors import BadInput


@dataclass(frozen=True)
class FileOf:
    """A file on disk; what is in it is read, with every limit, by `models.study`."""

    path: Path

    def __call__(self) -> Path:
        return self.path


@dataclass(frozen=True)
class Held:
    """Bytes that were read already, as those of a member of a TAR.GZ."""

    content: bytes = field(repr=False)

    def __call__(self) -> bytes:
        return self.content


@dataclass(frozen=True)
class Refusal:
    """What turned out to be unreadable while it was read in order."""

    why: str

    def __call__(self) -> bytes:
        raise BadInput(self.why)


@dataclass(frozen=True)
class United:
    """Several masks of one image as one: a pixel is of the lesion where any of them says so."""

    masks: tuple[Load, ...]

    def __call__(self) -> bytes:
        from models.study.mask import united_mask

        return united_mask([load() for load in self.masks])


def united(masks: list[Load]) -> Load | None:
    """The one mask of an image, or None."""
    if len(masks) < 2:
        return masks[0] if masks else None
    return United(tuple(masks))
