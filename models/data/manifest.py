"""A manifest: a CSV that names a data set's images, one a row, with paths relative to itself.

Columns: `file` and `label`; optionally `mask_file`, `patient_id` (or `patient_or_case_id`), `modality`,
`split`, `dup_group`, `dup_label_conflict`, `case_id`. Every other column is kept in `Case.columns`.
"""

import csv
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from models.errors import BadInput

PATIENT_COLUMNS = ("patient_id", "patient_or_case_id")


@dataclass(frozen=True)
class Case:
    """One row of a manifest.

    `file` and `mask_file` are joined to the manifest's folder; nothing says that they exist. `group` is equal
    for cases that must stay together in a split: same patient, same duplicate group, or a chain of both.
    `label` is as written (empty where the manifest has none); `split` likewise. `row` counts the file's
    records with the header as 1, the number a spreadsheet shows.
    """

    case_id: str
    file: Path
    label: str
    mask_file: Path | None
    patient_id: str
    group: str
    modality: str | None
    split: str | None
    contradictory: bool
    row: int
    columns: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Manifest:
    """The rows of one manifest file in their order; `digest` is the SHA-256 of the file's bytes (hex).

    left_out: cases that `clean` took out of `cases`; a split still places them, so that it does not hang on
    what could be read. packs: the manifests that `merge` joined. source: the manifest whose images `prepare`
    cut; the column `source_case` of each case names its case there. All three are empty for a manifest as
    read.
    """

    path: Path
    digest: str
    cases: tuple[Case, ...]
    left_out: tuple[Case, ...] = ()
    packs: tuple["Manifest", ...] = ()
    source: "Manifest | None" = None

    @property
    def listed(self) -> tuple[Case, ...]:
        """All cases, those left out included."""
        return self.cases + self.left_out

    @property
    def name(self) -> str:
        """The pack's name: the folder's for a `manifest.csv`, the file's own otherwise."""
        if self.packs:
            return "+".join(pack.name for pack in self.packs)
        return self.path.resolve().parent.name if self.path.stem == "manifest" else self.path.stem

    @property
    def missing(self) -> tuple[Case, ...]:
        """Cases whose image file is not on disk (looked up at each call)."""
        return tuple(case for case in self.cases if not case.file.is_file())

    def labels(self) -> tuple[str, ...]:
        """The distinct labels, sorted; an empty label is none."""
        return tuple(sorted({case.label for case in self.cases} - {""}))

    def by_id(self) -> dict[str, Case]:
        return {case.case_id: case for case in self.cases}


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest. Raises BadInput, naming the row where there is one, when it cannot be used."""
    path = Path(path)
    if path.is_dir():
        path = path / "manifest.csv"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"There is no manifest at {path}: give a CSV with columns file and label.") from None
    except OSError as error:
        raise BadInput(f"The manifest {path} cannot be read ({error.strerror}): check the path.") from None
    rows = _rows(data, path.name)
    ids = _case_ids(rows, path.name)
    groups = _groups(rows, ids)
    conflicts = _conflicts(rows)
    cases = [_case(row, path.parent, *rest) for row, *rest in zip(rows, ids, groups, conflicts, strict=True)]
    return Manifest(path, hashlib.sha256(data).hexdigest(), tuple(cases))


def class_of(label: str, label_map: Mapping[str, str], classes: Sequence[str], row: int | None = None) -> str:
    """The class that a manifest's label stands for: by the map, else a class of the same name.

    Upper and lower case are told apart only where both are there. `row` is the manifest row, for the message.
    Raises BadInput for a label that is neither mapped nor a class, or that is mapped to no class.
    """
    table = {name: name for name in classes} | dict(label_map)
    found = table.get(label)
    if found is None:
        folded = {table[key] for key in table if key.casefold() == label.strip().casefold()}
        found = folded.pop() if len(folded) == 1 else None
    if found in classes:
        return found
    where = "" if row is None else f" in row {row} of the manifest"
    known = ", ".join(classes)
    if found is not None:
        raise BadInput(
            f"The label {label!r}{where} is mapped to {found!r}, but the run's classes are {known}: "
            "map it to one of these."
        )
    wanted = f"--map {label or 'LABEL'}={classes[0]}"
    what = f"The label {label!r}{where} is not known" if label else f"The label{where} is empty"
    raise BadInput(
        f"{what} and the run's classes are {known}: say which class it means, for example {wanted!r}."
    )


def parse_label_map(pairs: Iterable[str], classes: Sequence[str]) -> dict[str, str]:
    """`["benign=other", ...]`, as given with --map, as a mapping.

    Raises BadInput for a pair that is malformed or names no class.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        label, equals, name = (part.strip() for part in pair.rpartition("="))
        if not (equals and label and name):
            raise BadInput(f"--map {pair!r} is not understood: write it as benign={classes[0]}.")
        if name not in classes:
            raise BadInput(f"--map {pair!r} names no class of the run: choose one of {', '.join(classes)}.")
        mapping[label] = name
    return mapping


@dataclass(frozen=True)
class _Row:
    number: int
    cells: dict[str, str]

    def get(self, column: str) -> str:
        return self.cells.get(column, "")

    @property
    def patient(self) -> str:
        return next((self.get(column) for column in PATIENT_COLUMNS if self.get(column)), "")


def _rows(data: bytes, name: str) -> list[_Row]:
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
        records = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except UnicodeDecodeError:
        raise BadInput(f"The manifest {name} is not UTF-8 text: save it as a CSV in UTF-8.") from None
    except csv.Error as error:
        raise BadInput(f"The manifest {name} is not a valid CSV ({error}): save it as CSV again.") from None
    header = [column.strip() for column in records[0]] if records else []
    for column in ("file", "label"):
        if column not in header:
            found = ", ".join(filter(None, header[:12]))[:200] or "nothing"
            raise BadInput(
                f"The manifest {name} has no column {column!r} (found: {found}): it needs file and label."
            )
    named = [column for column in header if column]
    if twice := next((column for column in named if named.count(column) > 1), None):
        raise BadInput(f"The manifest {name} has two columns named {twice!r}: keep one of them.")
    rows = [_row(number, header, record, name) for number, record in enumerate(records[1:], 2) if any(record)]
    if not rows:
        raise BadInput(f"The manifest {name} lists no images: add a row for each image below its header.")
    return rows


def _row(number: int, header: list[str], record: list[str], name: str) -> _Row:
    if any(record[len(header) :]):
        raise BadInput(
            f"Row {number} of the manifest {name} has {len(record)} cells under {len(header)} columns: "
            "put values that hold a comma in double quotes."
        )
    cells = {column: value.strip() for column, value in zip(header, record, strict=False) if column}
    if not cells.get("file"):
        raise BadInput(f"Row {number} of the manifest {name} names no file: fill it in or delete the row.")
    if "\0" in cells["file"] or "\0" in cells.get("mask_file", ""):
        raise BadInput(f"Row {number} of the manifest {name} has a zero byte in a file name: correct it.")
    return _Row(number, cells)


def _case_ids(rows: list[_Row], name: str) -> list[str]:
    """The column `case_id` where filled, else the file's stem: with its folders, then with its extension too,
    where the plain stems would not tell the files apart."""
    paths = [PurePosixPath(row.get("file")) for row in rows]
    forms = ([path.stem for path in paths], [str(path.with_suffix("")) for path in paths])
    plain = next((form for form in forms if len(set(form)) == len(form)), [str(path) for path in paths])
    ids = [row.get("case_id") or default for row, default in zip(rows, plain, strict=True)]
    first: dict[str, int] = {}
    for row, case_id in zip(rows, ids, strict=True):
        if case_id in first:
            raise BadInput(
                f"Rows {first[case_id]} and {row.number} of the manifest {name} are both "
                f"the case {case_id!r}: list each case once."
            )
        first[case_id] = row.number
    return ids


def _groups(rows: list[_Row], ids: list[str]) -> list[str]:
    """A name a row, equal for rows joined by patient or duplicate group, directly or through others.

    Names carry their kind, so a patient and a duplicate group of the same name stay apart, and do not depend
    on the order of the rows.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    keys = []
    for row, case_id in zip(rows, ids, strict=True):
        named = (("duplicates", row.get("dup_group")), ("patient", row.patient))
        links = [f"{kind}:{value}" for kind, value in named if value] or [f"case:{case_id}"]
        for link in links[1:]:
            parent[root(link)] = root(links[0])
        keys.append(links)
    members: dict[str, set[str]] = defaultdict(set)
    for links in keys:
        members[root(links[0])].update(links)
    return [min(members[root(links[0])]) for links in keys]


def _conflicts(rows: list[_Row]) -> list[bool]:
    """Whether a row's image also stands under another label: as the manifest says or, without that column,
    as its duplicate groups show."""
    if any("dup_label_conflict" in row.cells for row in rows):
        return [row.get("dup_label_conflict").casefold() in ("1", "true", "yes") for row in rows]
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row.get("dup_group")].add(row.get("label"))
    return [bool(row.get("dup_group")) and len(labels[row.get("dup_group")]) > 1 for row in rows]


def _case(row: _Row, folder: Path, case_id: str, group: str, contradictory: bool) -> Case:
    mask = row.get("mask_file")
    return Case(
        case_id=case_id,
        file=folder / row.get("file"),
        label=row.get("label"),
        mask_file=folder / mask if mask else None,
        patient_id=row.patient or case_id,
        group=group,
        modality=row.get("modality") or None,
        split=row.get("split") or None,
        contradictory=contradictory,
        row=row.number,
        columns=row.cells,
    )
