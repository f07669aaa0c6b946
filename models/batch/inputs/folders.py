"""Images of a folder and of all folders below it; and files that were named one by one."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.batch.inputs import names
from models.batch.inputs.entry import Entry
from models.batch.inputs.loads import FileOf, united
from models.batch.inputs.names import sentence
from models.batch.item import Load
from models.errors import BadInput
from models.study import Limits, slide_format

LINK_OUT = "is a link that leads out of the folder: put the file itself there."
BROKEN_LINK = "is a link that leads nowhere: put the file itself there."
ARCHIVE = "is an archive inside the folder: give it as an input of its own."
# What every batch leaves in its folder: the pictures there are no input, of this batch or of another.
RESULTS = ("batch.json", "journal.jsonl")
SHUT = "is a folder that cannot be read: check its permissions and the length of its path."


@dataclass(frozen=True, slots=True)
class _Listed:
    """kind: "file", "folder", "linked folder" or "refused" with why."""

    name: str
    path: Path
    kind: str
    why: str = ""


@dataclass
class _Folder:
    """One folder while it is being walked. below: its path below the root with a last "/", or ""."""

    below: str
    listed: list[_Listed]
    masks: dict[str, Load] | None = None
    pictures: set[str] = field(default_factory=set)


@dataclass
class _Counts:
    passed_over: int = 0
    linked_folders: int = 0
    results: int = 0


class FolderSource:
    """A folder, recursively, in the order of names; the lists of one path of folders are in memory at a time.

    Folders are never entered through links, so that none is read twice and no circle is run.
    """

    kind, countable = "folder", True

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        self._root = os.path.realpath(folder)
        self.title = names.clean(os.path.basename(self._root)) or "folder"
        self.prefix = f"{self.title}/"
        self._counts = _Counts()
        self._lists_itself = False
        # Where the masks of the images of a folder lie, both by their paths below the root.
        self._mask_folders: dict[tuple[str, ...], list[str]] = {}

    def prepare(self) -> None:
        self._counts, masks = _Counts(), defaultdict(set)
        title = names.shown(self.title)
        try:
            os.scandir(self.folder).close()
        except OSError as error:
            raise BadInput(
                f'The folder "{title}" cannot be read ({error.strerror}): check its permissions.'
            ) from None
        if all((self.folder / name).is_file() for name in RESULTS):
            raise BadInput(f'"{title}" holds the results of a batch: give the folder of the images.')
        for folder, entry in self._walk(self._counts):
            name = names.clean(folder.below + entry.name)
            if entry.kind == "file" and names.is_mask(name):
                masks[names.without_roles(name.split("/")[:-1])].add(folder.below)
            self._lists_itself |= _is_manifest(folder, entry)
        self._mask_folders = {images: sorted(places) for images, places in masks.items()}

    def entries(self, loads: bool = True) -> Iterator[Entry]:
        for folder, entry in self._walk(_Counts()):
            name = names.clean(folder.below + entry.name)
            if entry.kind != "file":
                yield Entry(name, why=entry.why)
                continue
            if _is_manifest(folder, entry):
                continue
            if folder.masks is None:
                self._look_around(folder)
            picture = names.picture_of(name)
            if names.is_mask(name):
                # A stray one in a folder of masks is an image by no reading; one among images may be.
                if picture not in folder.pictures and not names.in_mask_folder(name.split("/")[:-1]):
                    yield Entry(name, why=sentence(name, names.STRAY_MASK))
                continue
            why = sentence(name, ARCHIVE) if names.is_archive(name) else slide_refusal(entry.path)
            yield Entry(name, None if why else FileOf(entry.path), why=why, mask=folder.masks.get(picture))

    def notices(self) -> list[str]:
        title, counts, said = names.shown(self.title), self._counts, []
        if counts.passed_over:
            said.append(names.passed_over_sentence(counts.passed_over, self.title, "file or folder"))
        if counts.linked_folders:
            said.append(
                f"{counts.linked_folders:,} links to folders inside {title} were not followed: their images "
                "are listed where they are."
            )
        if counts.results:
            many = "folder" if counts.results == 1 else "folders"
            said.append(f"{counts.results:,} {many} inside {title} with results of a batch: passed over.")
        if self._lists_itself:
            said.append(
                f"The manifest.csv in {title} was passed over: give that file as the input to use its labels "
                "and masks."
            )
        return said

    @property
    def has_masks(self) -> bool:
        return bool(self._mask_folders)

    def fraction(self) -> float | None:
        return None

    def _look_around(self, folder: _Folder) -> None:
        """Fill in the masks of a folder's images, by picture, and which pictures it has."""
        found: dict[str, list[Load]] = defaultdict(list)
        of = names.without_roles(names.clean(folder.below).split("/")[:-1])
        for below in self._mask_folders.get(of, ()):
            for entry in folder.listed if below == folder.below else self._listed(below, _Counts()):
                inside = names.clean(below + entry.name)
                if entry.kind == "file" and names.is_mask(inside):
                    found[names.picture_of(inside)].append(FileOf(entry.path))
        folder.masks = {picture: united(masks) for picture, masks in found.items()}
        plain = (names.clean(folder.below + entry.name) for entry in folder.listed if entry.kind == "file")
        folder.pictures = (
            {names.picture_of(name) for name in plain if not names.is_mask(name)} if found else set()
        )

    def _walk(self, counts: _Counts) -> Iterator[tuple[_Folder, _Listed]]:
        """All files, and what is refused, with the folder they are in."""
        first = _Folder("", self._listed("", counts))
        open_folders = [(first, iter(first.listed))]
        while open_folders:
            folder, rest = open_folders[-1]
            entry = next(rest, None)
            if entry is None:
                open_folders.pop()
            elif entry.kind != "folder":
                yield folder, entry
            else:
                below = f"{folder.below}{entry.name}/"
                try:
                    inner = _Folder(below, self._listed(below, counts))
                    open_folders.append((inner, iter(inner.listed)))
                except OSError:
                    yield folder, _Listed(entry.name, entry.path, "refused", sentence(entry.name, SHUT))

    def _listed(self, below: str, counts: _Counts) -> list[_Listed]:
        """One folder in the order of names, without what is passed over."""
        with os.scandir(self.folder / below) as scanned:
            inside = sorted(scanned, key=lambda entry: entry.name)
        if below and sum(entry.name in RESULTS for entry in inside) == len(RESULTS):
            counts.results += 1
            return []
        # A slide of this format has a folder of parts beside it; the slide itself is refused as one.
        parts = {entry.name[:-5] for entry in inside if entry.name.casefold().endswith(".mrxs")}
        listed = []
        for entry in inside:
            if names.passed_over((entry.name,)):
                counts.passed_over += 1
                continue
            each = self._kind(entry)
            if each.kind == "linked folder":
                counts.linked_folders += 1
            elif each.kind != "folder" or entry.name not in parts:
                listed.append(each)
        return listed

    def _kind(self, entry: os.DirEntry) -> _Listed:
        name, path = entry.name, Path(entry.path)
        try:
            if entry.is_symlink():
                target = os.path.realpath(entry.path)
                if target != self._root and not target.startswith(self._root.rstrip(os.sep) + os.sep):
                    return _Listed(name, path, "refused", sentence(name, LINK_OUT))
                if not os.path.exists(target):
                    return _Listed(name, path, "refused", sentence(name, BROKEN_LINK))
                if os.path.isdir(target):
                    return _Listed(name, path, "linked folder")
                path = Path(target)
            elif entry.is_dir(follow_symlinks=False):
                return _Listed(name, path, "folder")
            elif entry.is_file(follow_symlinks=False):
                return _Listed(name, path, "file")
            if stat.S_ISREG(path.stat().st_mode):
                return _Listed(name, path, "file")
            return _Listed(name, path, "refused", sentence(name, names.NO_FILE))
        except OSError as error:
            why = f"cannot be looked at ({error.strerror}): check its permissions and the disk."
            return _Listed(name, path, "refused", sentence(name, why))


def _is_manifest(folder: _Folder, entry: _Listed) -> bool:
    return not folder.below and entry.kind == "file" and entry.name == "manifest.csv"


class FilesSource:
    """Image files that were given one by one. Masks beside their image, among those given, are its masks."""

    kind, countable, title, prefix = "files", True, "files", ""

    def __init__(self, paths: Sequence[Path]):
        self._paths = paths
        self._masks: dict[tuple[Path, str], list[Load]] = {}

    def prepare(self) -> None:
        given = {_beside(path) for path in self._paths if not names.is_mask(path.name)}
        self._masks = {}
        for path in self._paths:
            if names.is_mask(path.name) and _beside(path) in given:
                self._masks.setdefault(_beside(path), []).append(FileOf(path.absolute()))

    def entries(self, loads: bool = True) -> Iterator[Entry]:
        for path in self._paths:
            name, masks = names.clean(path.name), self._masks.get(_beside(path), [])
            if not names.is_mask(path.name):
                why, known_as = slide_refusal(path), names.clean(str(path))
                load = None if why else FileOf(path.absolute())
                yield Entry(name, load, why=why, mask=united(masks), known_as=known_as)
            elif not masks:
                yield Entry(name, why=sentence(name, names.STRAY_MASK))

    def notices(self) -> list[str]:
        return []

    @property
    def has_masks(self) -> bool:
        return bool(self._masks)

    def fraction(self) -> float | None:
        return None


def _beside(path: Path) -> tuple[Path, str]:
    return path.parent, names.picture_of(path.name)


def slide_refusal(path: Path) -> str:
    """The sentence for a whole slide, told by its extension, or by its content where a TIFF is too large to
    be read as a picture; else ""."""
    if names.is_slide(path.name):
        return sentence(path.name, names.SLIDE)
    if not path.name.casefold().endswith((".tif", ".tiff")):
        return ""
    try:
        slide = path.stat().st_size > Limits().max_bytes and slide_format(path)
    except OSError:
        return ""  # whoever reads the file says so
    return sentence(path.name, names.SLIDE) if slide else ""
