"""Everything that is to be scored, from files, folders, archives and manifests, one item at a time."""

from __future__ import annotations

import copy
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from models.batch.inputs import ArchiveLimits, Entry, Source, names
from models.batch.inputs.loads import FileOf, Held
from models.batch.inputs.opening import open_sources
from models.batch.inputs.survey import MOST_FOLDERS, Survey, check_matches, together
from models.batch.item import Item, Load
from models.batch.labels import Labels
from models.errors import BadInput

Frames = Literal["first", "all"]


def list_inputs(
    inputs: Sequence[str | Path],
    *,
    labels: Labels | None = None,
    frames: Frames = "first",
    limits: ArchiveLimits | None = None,
) -> Listing:
    """What there is to score in files, folders (recursively), archives (ZIP, TAR, TAR.GZ, told by content)
    and manifests (CSV with file and label), in the order given.

    frames: "all" makes an item of every frame of a multi-frame DICOM. BadInput where an input is not there or
    cannot be used, where no image is found, and where the labels match nothing or more than one file; what is
    wrong with one file is its item's `why`, or is said when it is loaded.
    """
    if not inputs:
        raise BadInput("Nothing was given to score: give image files, folders, archives or a manifest.")
    return Listing(open_sources([Path(each) for each in inputs], limits or ArchiveLimits()), labels, frames)


def folder_labels(listing: Listing, known: Collection[str]) -> Listing:
    """The listing with the names of folders as labels, where it has no others and its folders are classes.

    known: what may be a label (`models.batch.labels.known_labels`). A level of folders counts where it holds
    two or more and all of them are known: the first below the input, or one below that. Where only some are
    known nothing is labelled, and a notice says so. The listing itself where nothing changes.
    """
    return listing.labelled_by_folders({each.strip().casefold() for each in known})


class Listing:
    """The items of a batch. It can be gone through again and again and gives the same keys each time; an item
    is made when it is asked for, so memory does not grow with their number.

    total: how many there are; None where only reading everything would tell. notices: whole sentences about
    what was passed over. title: of the inputs, for people. has_masks: whether any item may have a mask.
    """

    def __init__(self, sources: Sequence[Source], labels: Labels | None = None, frames: Frames = "first"):
        self._sources, self._labels, self._frames = tuple(sources), labels, frames
        self._alone = len(self._sources) == 1
        self._level: int | None = None
        self._reading: Source | None = None
        self.title: str = names.first_of([names.shown(source.title) for source in self._sources])
        surveys = [self._survey(source) for source in self._sources]
        # Keys are remembered while listing only where some name is there twice.
        self._unique = [
            source.countable and each.unique() for source, each in zip(sources, surveys, strict=True)
        ]
        self._levels = together(each.levels for each in surveys)
        self._found_labels = tuple(dict.fromkeys(label for each in surveys for label in each.labels))
        counts = [each.items for each in surveys]
        self.total: int | None = None if None in counts else sum(counts)
        self.notices: list[str] = [notice for source in self._sources for notice in source.notices()]
        self.has_masks: bool = any(each.has_masks for each in self._sources) or any(
            each.masks for each in surveys
        )
        if all(each.entries == 0 for each in surveys):
            raise BadInput(
                f"There is no image in {self.title}: give image files, or folders or archives that hold them."
            )
        if labels is not None:
            self.notices += check_matches(labels, surveys, self.title)

    @property
    def has_labels(self) -> bool:
        return bool(self._found_labels)

    def labels(self) -> tuple[str, ...]:
        """The distinct labels of the items, as written."""
        return self._found_labels

    def __iter__(self) -> Iterator[Item]:
        return self.items()

    def items(self, skip: Container[str] = ()) -> Iterator[Item]:
        """The items in order without those whose key is in `skip`, which keep their index. What is skipped of
        an archive is not unpacked where that can be spared."""
        index = 0
        for source, unique in zip(self._sources, self._unique, strict=True):
            keys = names.Keys(self._key_prefix(source), unique)
            self._reading = source
            with closing(source.entries()) as entries:
                for entry in entries:
                    if self._is_mask(source, entry):
                        continue
                    for item in self._framed(source, entry, keys.key(entry.key or entry.name), index, skip):
                        index += 1
                        if item is not None:
                            yield item

    def fraction(self) -> float | None:
        """Share of the input that the latest pass has read, by bytes, where it is one archive that is read in
        order; None elsewhere, where `total` tells more."""
        return self._reading.fraction() if self._reading is not None and self._alone else None

    def labelled_by_folders(self, known: Collection[str]) -> Listing:
        """See `folder_labels`."""
        if self.has_labels or self._levels is None:
            return self
        for level, folders in enumerate(self._levels):
            classes = [folder for folder in folders if folder.strip().casefold() in known]
            if len(classes) < 2:
                continue
            listing = copy.copy(self)
            others = [folder for folder in folders if folder not in classes]
            if others or len(folders) > MOST_FOLDERS:
                notice = (
                    f"The folders {names.first_of(classes)} could be labels, but {names.first_of(others)} "
                    "beside them could not, so nothing is labelled: rename them, or give the labels as a CSV."
                )
                listing.notices = [*self.notices, notice]
            else:
                listing._level, listing._found_labels = level, tuple(classes)
            return listing
        return self

    def _key_prefix(self, source: Source) -> str:
        return source.prefix if not self._alone or source.kind in ("zip", "tar", "tar.gz") else ""

    def _framed(
        self, source: Source, entry: Entry, key: str, index: int, skip: Container[str]
    ) -> Iterator[Item | None]:
        """The items of an entry, one a frame where all are asked for; None for each that is skipped."""
        if key in skip:
            yield None
            return
        load = entry.fetch() if entry.fetch is not None else entry.load
        item = self._item(source, entry, key, index, load)
        count = _frames_of(load, entry.name) if self._frames == "all" and not item.why else 1
        if count == 1:
            yield item
            return
        if source.kind in ("zip", "tar"):
            item = replace(item, load=Held(load()))  # unpacked once for all frames
        for frame in range(count):
            framed = f"{key}#{frame + 1}"
            yield None if framed in skip else replace(item, key=framed, index=index + frame, frame=frame)

    def _item(self, source: Source, entry: Entry, key: str, index: int, load: Load | None) -> Item:
        row = self._labels.find(_path(source, entry)) if self._labels is not None else None
        mask = self._labels.mask_path(row) if row is not None else None
        return Item(
            key=key,
            index=index,
            name=names.shown(entry.name),
            load=load,
            label=(row.label if row else "") or entry.label or self._folder_label(source, entry),
            patient_id=(row.patient_id if row else "") or entry.patient_id,
            group=(row.group if row else "") or entry.group,
            modality=entry.modality,
            mask=FileOf(mask) if mask is not None else entry.mask,
            why=entry.why,
        )

    def _is_mask(self, source: Source, entry: Entry) -> bool:
        """Whether the label file names this file as a mask."""
        return self._labels is not None and self._labels.is_mask(_path(source, entry))

    def _folder_label(self, source: Source, entry: Entry) -> str:
        if self._level is None:
            return ""
        folders = self._label_folders(source, entry)
        return folders[self._level] if len(folders) > self._level else ""

    def _label_folders(self, source: Source, entry: Entry) -> tuple[str, ...]:
        if source.kind == "manifest":
            return ()
        return names.label_folders(entry.name if self._alone else source.prefix + entry.name)

    def _survey(self, source: Source) -> Survey:
        """A pass through the names of a source, where that costs little or there are labels to be matched."""
        if not source.countable and self._labels is None:
            return Survey.none_made()
        survey = Survey()
        with closing(source.entries(loads=False)) as entries:
            for entry in entries:
                if self._is_mask(source, entry):
                    continue
                path = _path(source, entry)
                survey.see(entry.key or entry.name, self._label_folders(source, entry))
                row = self._labels.find(path) if self._labels is not None else None
                mask = self._labels.mask_path(row) if row is not None else None
                survey.see_label((row.label if row else "") or entry.label, row, path, mask is not None)
                if self._frames == "all" and names.may_be_dicom(entry.name):
                    survey.items = None
        return survey


def _path(source: Source, entry: Entry) -> str:
    """The longest path by which a label file may name an entry."""
    return entry.known_as or source.prefix + entry.name


def _frames_of(load: Load | None, name: str) -> int:
    """Frames of a DICOM; 1 for all else, and for what cannot be read: whoever reads it says why."""
    from models.study import count_frames

    if load is None or not names.may_be_dicom(name):
        return 1
    try:
        return max(1, count_frames(load(), names.shown(name)))
    except BadInput:
        return 1
