"""A listing small enough to read: files in the order given, or items made by hand."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.batch import Item


@dataclass(frozen=True)
class FromDisk:
    """What loads an item of a file; it can be pickled."""

    path: Path

    def __call__(self) -> Path:
        return self.path


class Listed:
    """Items in memory, with what a batch asks of its input (`models.batch.plan.Inputs`)."""

    def __init__(self, items: Sequence[Item], title: str = "images") -> None:
        self.all = tuple(items)
        self.total: int | None = len(self.all)
        self.notices: list[str] = []
        self.title = title
        self.has_labels = any(item.label for item in self.all)
        self.has_masks = any(item.mask for item in self.all)

    def __iter__(self) -> Iterator[Item]:
        return self.items()

    def items(self, skip: Container[str] = ()) -> Iterator[Item]:
        return (item for item in self.all if item.key not in skip)


def listed(paths: Sequence[Path], labels: Sequence[str] = ()) -> Listed:
    """The files, keyed by their names."""
    named = [*labels, *[""] * (len(paths) - len(labels))]
    return Listed(
        [
            Item(path.name, index, path.name, FromDisk(path), label=label)
            for index, (path, label) in enumerate(zip(paths, named, strict=True))
        ]
    )
