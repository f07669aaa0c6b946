"""Taking in what was given: every image once, de-identified at the door, into the spool of its batch.

An upload is read member by member; what a DICOM says of a person is dropped before its bytes are kept, and
its name with it. Images of a data set on this computer are listed where they lie. What cannot be taken in
becomes an entry with the reason.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

from models.batch import Item
from models.batch.inputs import names
from models.batch.inputs.loads import FileOf, united
from models.errors import BadInput
from models.runs import Run
from pages.ui.batch.orders import Order, Pack, Phantoms, Uploads
from pages.ui.batch.places import INCOMING, SPOOL
from pages.ui.batch.spool import Entry, SpoolWriter
from pages.ui.plain_text import amount

Watch = Callable[[int, int | None], None]
"""Told how many images are taken in (or drawn), of how many; it may raise to stop."""
DRAWN = "drawn"
# In place of the listing's own notice, which names the folders: they may be called after people.
NOT_ALL_CLASSES = (
    "Folders named after classes stand beside others that are not, so nothing is labelled by its folder: "
    "rename these, or give the labels as a CSV."
)


def take_in(home: Path, order: Order, runs: Sequence[Run], watch: Watch) -> None:
    """Make the batch's spool; what was incoming is deleted in the end. It may be done again after it was
    broken off. BadInput where nothing can come of it: no image, labels that fit nothing, a full disk."""
    from models.batch.listing import folder_labels, list_inputs

    spool, source = home / SPOOL, order.source
    with disk_sentences():
        shutil.rmtree(spool, ignore_errors=True)
        spool.mkdir(mode=0o700, parents=True)
        labels = _labels(home / INCOMING, source) if order.use_labels else None
        inputs = _inputs(home, source, watch)
        try:
            listing = list_inputs(inputs, labels=labels, frames=order.frames)
        except BadInput as refusal:
            raise BadInput(_in_words(str(refusal), source)) from None
        said = _said(listing, source)
        if order.use_labels and labels is None and isinstance(source, Uploads):
            listing = folder_labels(listing, _known(runs))
            said += [NOT_ALL_CLASSES] if len(listing.notices) > len(said) else []
        writer = SpoolWriter(spool)
        try:
            taken = _Taking(writer, source, home, order.use_labels)
            taken.all(listing, watch)
            writer.finish(source.title, [*said, *taken.notices()])
        finally:
            writer.close()
        shutil.rmtree(home / INCOMING, ignore_errors=True)


def _inputs(home: Path, source: Uploads | Pack | Phantoms, watch: Watch) -> list[Path]:
    """What is listed; phantoms are drawn first."""
    if isinstance(source, Uploads):
        return [home / INCOMING / name for name in source.inputs]
    if isinstance(source, Pack):
        return [Path(source.path)]
    from models.data.phantoms import write_phantoms

    out = home / SPOOL / DRAWN
    return [
        write_phantoms(
            source.modality, source.count, source.seed, out, marker=source.marker,
            progress=lambda done: watch(done, source.count),
        )
    ]  # fmt: skip


def _labels(incoming: Path, source: Uploads | Pack | Phantoms):
    from models.batch.labels import read_labels

    if not isinstance(source, Uploads) or not source.labels:
        return None
    return read_labels((incoming / source.labels).read_bytes(), "the table of labels")


def _known(runs: Sequence[Run]) -> frozenset[str]:
    """What a folder may be called to be a label of every run."""
    from models.batch.labels import known_labels

    return frozenset.intersection(*(known_labels(run.card.label_map, run.classes) for run in runs))


def _said(listing, source: Uploads | Pack | Phantoms) -> list[str]:
    """The listing's notices; of phantoms there is nothing to say."""
    return [] if isinstance(source, Phantoms) else [_in_words(said, source) for said in listing.notices]


def _in_words(sentence: str, source: Uploads | Pack | Phantoms) -> str:
    """Our own names of what was given, as people call it."""
    if not isinstance(source, Uploads):
        return sentence
    sentence = re.sub(r"\b(of|in) files\b", r"\1 the files given", sentence)
    return re.sub(r'"?\barchive-(\d+)\b"?', r"archive \1" if source.archives > 1 else "the archive", sentence)


@contextmanager
def disk_sentences() -> Iterator[None]:
    """A disk that is full, or may not be written, as one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BadInput(
                "The disk for batches is full: delete batches that are not needed any more, and try again."
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise BadInput("The folder for batches may not be written: change its permissions.") from None
        raise


@dataclass
class _Taking:
    """Entries of a spool, one after the other."""

    writer: SpoolWriter
    source: Uploads | Pack | Phantoms
    home: Path
    use_labels: bool
    scrubbed: int = 0
    unreadable_masks: int = 0

    def __post_init__(self) -> None:
        self._replaced: set[str] = set()
        self._last = _Kept("", "", "")
        self._masks = defaultdict(list)
        if isinstance(self.source, Uploads):
            for name, file in self.source.masks:
                self._masks[_stem(name)].append(FileOf(self.home / INCOMING / file))
        self._unused = set(self._masks)

    def all(self, listing, watch: Watch) -> None:
        total, table = listing.total, getattr(self.source, "table", "")
        if total and table:
            total -= 1
        for item in listing.items():
            watch(self.writer.count, total)
            if not table or self._key(item) != table:
                self.writer.add(self._entry(item))
        watch(self.writer.count, total)

    def notices(self) -> list[str]:
        said = []
        if self.scrubbed:
            said.append(
                f"{amount(self.scrubbed, 'DICOM file')} had a name that identifies a person: it was replaced."
            )
        if self.unreadable_masks:
            said.append(f"{amount(self.unreadable_masks, 'mask')} could not be read and is left out.")
        if self._unused:
            said.append(
                f"{amount(len(self._unused), 'mask')} that you gave belong to no image: name a mask as its "
                "image, or with _mask behind that name."
            )
        return said

    def _entry(self, item: Item) -> Entry:
        entry = Entry(
            self._key(item), item.name, label=item.label if self.use_labels else "",
            patient_id=item.patient_id, group=item.group, modality=item.modality, frame=item.frame,
            why=item.why, synthetic=isinstance(self.source, Phantoms),
        )  # fmt: skip
        try:
            if not entry.why:
                entry = self._with_image(entry, item)
        except BadInput as refusal:
            return replace(entry, why=str(refusal))
        return entry if entry.why else self._with_mask(entry, item)

    def _key(self, item: Item) -> str:
        """Without our own name for the one archive that everything lies in."""
        inputs = self.source.inputs if isinstance(self.source, Uploads) else ()
        return item.key.removeprefix(f"{inputs[0]}/") if len(inputs) == 1 else item.key

    def _with_image(self, entry: Entry, item: Item) -> Entry:
        if not isinstance(self.source, Uploads):
            return replace(entry, file=self._kept(item.load(), ""))
        base, number, frame = entry.key, "", ""
        if entry.key.endswith(f"#{item.frame + 1}"):
            base, number, frame = entry.key.rpartition("#")
        if not (item.frame and self._last.of == base):  # all frames of a file share its bytes
            self._last = self._at_the_door(base, item)
        kept = self._last
        if kept.key != base:
            entry = replace(entry, key=f"{kept.key}{number}{frame}", name=names.shown(kept.key))
        return replace(entry, file=kept.file, why=kept.why)

    def _at_the_door(self, key: str, item: Item) -> _Kept:
        """The image without what it says of a person, in the spool; a name that says it is replaced."""
        from models.study import Limits, deidentified, tells_of_person
        from models.study.dicom.door import name_at_the_door

        content = item.load()
        content = content.read_bytes() if isinstance(content, Path) else content
        # A patient's name may stand in the names of folders too.
        safe = name_at_the_door(content, key, Limits()) if tells_of_person(content, key) else key
        if safe != key:
            self.scrubbed += 1
            numbered = chain([safe], (f"{safe} ({n})" for n in count(2)))
            safe = next(each for each in numbered if each not in self._replaced)
            self._replaced.add(safe)
        try:
            return _Kept(key, safe, self.writer.store(deidentified(content, item.name)[0]))
        except BadInput as refusal:
            return _Kept(key, safe, "", str(refusal))

    def _with_mask(self, entry: Entry, item: Item) -> Entry:
        mask = item.mask or self._given_mask(item)
        try:
            return entry if mask is None else replace(entry, mask=self._kept(mask(), "_mask"))
        except BadInput:  # the image is scored all the same
            self.unreadable_masks += 1
            return entry

    def _kept(self, source: Path | bytes, ending: str) -> str:
        """Bytes go into the spool; a file of this computer stays where it is."""
        if isinstance(source, bytes):
            return self.writer.store(source, ending)
        if source.is_relative_to(self.home / INCOMING):
            return self.writer.store(source.read_bytes(), ending)
        inside = source.is_relative_to(self.writer.folder)
        return str(source.relative_to(self.writer.folder)) if inside else str(source.resolve())

    def _given_mask(self, item: Item):
        found = self._masks.get(_stem(item.name))
        if found is None:
            return None
        self._unused.discard(_stem(item.name))
        return united(found)


@dataclass(frozen=True)
class _Kept:
    """A file in the spool: the key it had, the one it has, and where it is, or why it is not."""

    of: str
    key: str
    file: str
    why: str = ""


def _stem(name: str) -> str:
    return names.picture_of(name.replace("\\", "/").rpartition("/")[2]).casefold()
