"""Labels that somebody wrote for the images of a batch: a CSV, or the folders that images lie in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from models.batch.inputs import names
from models.data.manifest import class_of
from models.errors import BadInput

if TYPE_CHECKING:
    from models.batch.listing import Listing

# The first that a table has; compared without case, blanks, "-" and "_".
_COLUMNS = {
    "file": (
        "file", "filename", "image", "imagefile", "imagename", "path", "filepath", "imagepath", "key", "name",
        "caseid", "imageid", "case", "id",
    ),
    "label": ("label", "class", "diagnosis", "pathology", "truth", "groundtruth", "target", "outcome"),
    "patient_id": ("patientid", "patientorcaseid", "patient", "subjectid", "subject"),
    "group": ("group", "dupgroup", "cluster"),
    "mask_file": ("maskfile", "mask", "maskname", "maskpath"),
}  # fmt: skip
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Label:
    """What a row of a label file says of one image. row: counted with the header as 1. mask_file: as written,
    or ""."""

    file: str
    label: str
    patient_id: str = ""
    group: str = ""
    mask_file: str = ""
    row: int = 0


@dataclass(eq=False)
class Labels:
    """Labels by file. `folder`: where relative mask files lie, None for an upload.

    A row belongs to an image where the shorter of their two paths is the end of the longer: "benign/x.png"
    labels "archive.zip/benign/x.png", and "/data/benign/x.png" labels "x.png". Upper and lower case are one;
    a row's file may lack its extension. An end that more than one row has belongs to none of them.
    """

    title: str
    rows: tuple[Label, ...]
    folder: Path | None = None
    _whole: dict[str, Label] = field(default_factory=dict, repr=False)
    _ends: dict[str, Label | None] = field(default_factory=dict, repr=False)
    _masks: set[str] = field(default_factory=set, repr=False)

    def __post_init__(self):
        for row in self.rows:
            plain = _plain(row.file)
            self._whole[plain] = row
            while "/" in plain:
                plain = plain.partition("/")[2]
                twice = self._ends.get(plain, row) is not row
                self._ends[plain] = None if twice else row
            if row.mask_file:
                self._masks.add(_plain(row.mask_file))

    def __len__(self) -> int:
        return len(self.rows)

    def find(self, name: str) -> Label | None:
        """The row of an image, by its path or name; None where there is none, or no single one."""
        plain = _plain(name)
        end = plain
        while end:
            for form in (end, _stem(end)):
                if form in self._whole:
                    return self._whole[form]
            end = end.partition("/")[2]
        for form in (plain, _stem(plain)):
            if form in self._ends:
                return self._ends[form]
        return None

    def is_mask(self, name: str) -> bool:
        """Whether a file of that path is a mask that some row names, and no row's image."""
        end = _plain(name) if self._masks else ""
        while end and end not in self._masks:
            end = end.partition("/")[2]
        return bool(end) and self.find(name) is None

    def mask_path(self, row: Label) -> Path | None:
        """The row's mask as a file beside the label file, or None where there is none."""
        if not row.mask_file or self.folder is None:
            return None
        path = (self.folder / row.mask_file).absolute()
        return path if path.is_file() else None

    def labels(self) -> tuple[str, ...]:
        """The distinct labels in their order; an empty one is none."""
        return tuple(dict.fromkeys(row.label for row in self.rows if row.label))


def read_labels(source: bytes | str | Path, name: str = "") -> Labels:
    """Labels of a CSV with the columns file and label, and optionally patient_id, group and mask_file, under
    these or the other usual names; in UTF-8 or UTF-16, separated by commas, semicolons or tabs.

    A cell that says that nobody knows ("", "unknown", "n/a") is no label. BadInput, naming the row where
    there is one, for what cannot be read so and for a file with two labels.
    """
    from models.runs.importing import NO_LABEL, read_table

    folder = None if isinstance(source, bytes) else Path(source).parent
    shown = names.shown(name or ("labels.csv" if isinstance(source, bytes) else str(source)))
    table = read_table(source, shown)
    found = _columns(table.columns, shown)
    cells = {role: table.column(column) for role, column in found.items()}
    rows: dict[str, Label] = {}
    for at, file in enumerate(cells["file"]):
        row = Label(row=at + 2, **{role: names.clean(column[at]) for role, column in cells.items()})
        if row.label.casefold() in NO_LABEL:
            row = Label(row.file, "", row.patient_id, row.group, row.mask_file, row.row)
        if not _plain(file):
            if any(column[at] for column in cells.values()):
                raise BadInput(f"Row {row.row} of {shown} names no file: fill it in or delete the row.")
            continue
        first = rows.setdefault(_plain(file), row)
        if first.label != row.label:
            raise BadInput(
                f"Rows {first.row} and {row.row} of {shown} give two labels to the same file: keep one."
            )
    if not rows:
        raise BadInput(f"{shown} names no file: give an image a row.")
    return Labels(shown, tuple(rows.values()), folder)


def check_labels(
    labelled: Labels | Listing,
    label_map: Mapping[str, str],
    classes: Sequence[str],
    leave_out: Collection[str] = (),
) -> None:
    """BadInput naming the labels that are no class of a run, before anything is scored with it.

    leave_out: labels that the run was trained without (its card's `data.leave_out`); they are no error here,
    and their images are scored without a label.
    """
    unused = {label.strip().casefold() for label in leave_out}
    unknown = []
    for label in labelled.labels():
        if label.strip().casefold() in unused:
            continue
        try:
            class_of(label, label_map, classes)
        except BadInput:
            unknown.append(label)
    if not unknown:
        return
    quoted = ", ".join(repr(names.shortened(label, 60)) for label in unknown[:_MOST_NAMED])
    more = f" and {len(unknown) - _MOST_NAMED:,} more" if len(unknown) > _MOST_NAMED else ""
    example = names.shortened(unknown[0], 60)
    raise BadInput(
        f"The labels {quoted}{more} of {names.shown(labelled.title)} are no classes of the run, which are "
        f"{', '.join(classes)}: say which class each means, for example --map '{example}={classes[0]}'."
    )


def known_labels(label_map: Mapping[str, str], classes: Iterable[str]) -> frozenset[str]:
    """What a folder may be called to be a label of a run: its classes, and whatever its map leads to them."""
    return frozenset(label.strip().casefold() for label in (*classes, *label_map))


def _columns(columns: Sequence[str], shown: str) -> dict[str, str]:
    """Role -> column of the table."""
    plain = {_squeezed(column): column for column in reversed(columns)}
    found = {}
    for role, known in _COLUMNS.items():
        column = next((plain[each] for each in known if each in plain), None)
        if column is not None and column not in found.values():
            found[role] = column
    for role in ("file", "label"):
        if role not in found:
            listed = ", ".join(names.shortened(column, 40) for column in columns[:12])
            raise BadInput(
                f"{shown} has no column {role!r} (found: {listed}): it needs the columns file and label."
            )
    return found


def _squeezed(column: str) -> str:
    return "".join(c for c in column.casefold() if c not in " _-")


def _plain(path: str) -> str:
    """A path for comparing: "/" between folders, none around, no drive, one form of accents, no case."""
    text = names.tidy(names.clean(path.strip()).strip("/"))
    return text.casefold()


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return folder + slash + stem if dot and stem else path
