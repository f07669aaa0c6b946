"""The first pass through the names of a source: how many, which labels, which folders."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.batch.inputs import names
from models.batch.labels import Label, Labels
from models.errors import BadInput

MOST_FOLDERS = 100
"""Folders of one level beyond which they are no labels."""
_LEVELS = 4

Levels = list[dict[str, None]]
"""By depth, the folders found there in their order."""


def no_levels() -> Levels:
    return [{} for _ in range(_LEVELS)]


@dataclass
class Survey:
    """What was found of a source.

    entries: None where there was no pass. items: None where that or frames that were not counted keep it
    unknown. levels: folders that may be labels, None without a pass. matched: label row -> the first file it
    was found for; ambiguous: row -> another file. masks: those that rows name and that are there;
    masks_missing: those that are not.
    """

    items: int | None = 0
    entries: int | None = 0
    levels: Levels | None = field(default_factory=no_levels)
    labels: dict[str, None] = field(default_factory=dict)
    masks: int = 0
    masks_missing: int = 0
    matched: dict[Label, str] = field(default_factory=dict)
    ambiguous: dict[Label, str] = field(default_factory=dict)
    _digests: array = field(default_factory=lambda: array("Q"))

    @classmethod
    def none_made(cls) -> Survey:
        return cls(items=None, entries=None, levels=None)

    def see(self, name: str, folders: Sequence[str]) -> None:
        """One more entry. folders: those of its path that may be a label, the outermost first."""
        self.entries += 1
        if self.items is not None:
            self.items += 1
        self._digests.append(names.digest64(names.shortened(name)))
        for level, folder in zip(self.levels, folders, strict=False):
            if len(level) <= MOST_FOLDERS:
                level[folder] = None

    def see_label(self, label: str, row: Label | None, path: str, has_mask: bool) -> None:
        if label:
            self.labels[label] = None
        if row is None:
            return
        if row.mask_file:
            self.masks += has_mask
            self.masks_missing += not has_mask
        if self.matched.setdefault(row, path) != path:
            self.ambiguous.setdefault(row, path)

    def unique(self) -> bool:
        """Whether every name was there once. Forgets the names."""
        digests, self._digests = np.frombuffer(self._digests, np.uint64), array("Q")
        return len(np.unique(digests)) == len(digests)


def together(levels: Iterable[Levels | None]) -> Levels | None:
    """Levels of folders of all sources; None where those of one are not known."""
    united = no_levels()
    for each in levels:
        if each is None:
            return None
        for level, folders in zip(united, each, strict=True):
            level.update(folders)
    return united


def check_matches(labels: Labels, surveys: Sequence[Survey], title: str) -> list[str]:
    """Notices about rows without a file; BadInput where no row has one, or one row has several."""
    matched: dict[Label, str] = {}
    for survey in surveys:
        for row, path in survey.matched.items():
            other = survey.ambiguous.get(row) or matched.get(row)
            if other:
                raise BadInput(
                    f"Row {row.row} of {labels.title} labels more than one file ({names.shortened(path, 60)} "
                    f"and {names.shortened(other, 60)}): write the folder too."
                )
            matched[row] = path
    if not matched:
        example = names.shortened(labels.rows[0].file, 60)
        raise BadInput(
            f"None of the {len(labels):,} files that {labels.title} labels is in {title} (the first is "
            f'"{example}"): write the files as they are called there.'
        )
    notices = []
    if missing := [row.file for row in labels.rows if row not in matched]:
        notices.append(
            f"{len(missing):,} of the {len(labels):,} files that {labels.title} labels are not in {title}: "
            f"{names.first_of(missing)}."
        )
    if masks := sum(survey.masks_missing for survey in surveys):
        notices.append(
            f"{masks:,} of the masks that {labels.title} names were not found beside it: give a label file "
            "from a folder that holds them, or name them as their image with _mask at the end."
        )
    return notices
