"""The results of a batch that was made elsewhere, taken into a folder that `read_batch` opens: the whole
folder as a ZIP, or its table alone."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from models.batch.folder import HEADER_FILE, TABLE_FILE
from models.batch.item import OK, STATUSES, UNREADABLE, Row, Score
from models.batch.journal import JOURNAL_FILE, Journal
from models.batch.plan import SCHEMA_VERSION
from models.batch.results import read_batch
from models.batch.scoring import FACTS
from models.batch.storage import storing, write_json
from models.errors import BadInput

if TYPE_CHECKING:
    from models.runs import Run

#: What a batch's folder holds; nothing else of a ZIP is looked at.
_OURS = re.compile(
    rf"{re.escape(HEADER_FILE)}|{re.escape(JOURNAL_FILE)}|shards/part-\d+-[0-9a-f]+\.parquet"
    r"|(heatmaps|measures|thumbnails)(/[A-Za-z0-9_][A-Za-z0-9._-]{0,150}){1,2}",
    re.ASCII,
)
MOST_MEMBERS, MOST_ROWS = 400_000, 1_000_000
MOST_BYTES = 2 << 30
_LARGEST_PICTURE = 64 << 20
_CHUNK = 1 << 20
_KNOWN = ("case_id", "patient_id", "group", "split", "label", "status", "why")
# Files that a table names and does not bring.
_FILES = ("heatmap", "thumbnail", "measures")
UNKNOWN_RUN = "unknown-run"


def take_folder(source: Path, name: str, folder: Path) -> None:
    """The batch that lies in a ZIP, at its top or below one folder of it. BadInput where there is none, or
    where it holds too much; whatever is not a batch's own file is passed over."""
    from models.runs.unpacking import DAMAGED, harmful_kind

    try:
        with zipfile.ZipFile(source) as archive:
            if len(archive.infolist()) > MOST_MEMBERS:
                raise BadInput(f"{name} lists more than {MOST_MEMBERS:,} files: open it where it was made.")
            members = _members(archive, name)
            if any(harmful_kind(entry) for entry in members.values()):
                raise BadInput(f"{name} holds links or encrypted files: pack the batch's folder plainly.")
            total = sum(entry.file_size for entry in members.values())
            if total > MOST_BYTES:
                raise BadInput(
                    f"{name} holds {total / 1e9:.1f} GB, more than the {MOST_BYTES >> 30} GB that are taken: "
                    "put the batch's folder below the one that LESIONLENS_WORK names, or pack it without "
                    "heatmaps."
                )
            with storing(folder):
                for relative, entry in members.items():
                    _write(archive, entry, folder / relative, name)
    except DAMAGED as error:
        raise BadInput(f"{name} cannot be unpacked ({type(error).__name__}): pack it again.") from None
    _check(folder, name)


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Relative name -> entry, of the batch whose header lies highest."""
    names = [entry.filename for entry in archive.infolist()]
    heads = [each for each in names if PurePosixPath(each).name == HEADER_FILE]
    if not heads:
        raise BadInput(
            f"{name} holds no {HEADER_FILE}, so no batch: pack the folder that --out named, or give its "
            f"{TABLE_FILE}."
        )
    above = min(heads, key=lambda head: (head.count("/"), head))[: -len(HEADER_FILE)]
    found = {}
    for entry in archive.infolist():
        relative = entry.filename[len(above) :] if entry.filename.startswith(above) else ""
        if _OURS.fullmatch(relative) and not entry.is_dir():
            found[relative] = entry
    return found


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, name: str) -> None:
    """One file, never more bytes than its entry declares."""
    left = entry.file_size
    if path.suffix in (".png", ".jpg") and left > _LARGEST_PICTURE:
        raise BadInput(f"{name} holds a picture of {left >> 20} MB: it is refused.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as stream, open(path, "xb") as target:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise BadInput(f"{name} holds more data than it declares ({path.name}): it is refused.")
            target.write(chunk)


def _check(folder: Path, name: str) -> None:
    try:
        found = read_batch(folder)
        empty = next(iter(found.rows()), None) is None
    except BadInput:
        raise BadInput(f"The batch in {name} cannot be read: pack its whole folder again.") from None
    if empty:
        raise BadInput(f"The batch in {name} has no row yet: give it when something was scored.")


@dataclass(frozen=True, eq=False)
class BatchTable:
    """A batch's table as columns of text. classes: those of its p_ columns."""

    name: str
    columns: Mapping[str, Sequence[str]]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns["case_id"])


def read_batch_table(source: bytes | Path, name: str) -> BatchTable:
    """`predictions.csv` or `predictions.parquet` of a batch. BadInput for what is no such table."""
    columns = _parquet(source, name) if _is_parquet(source) else _csv(source, name)
    classes = tuple(column.removeprefix("p_") for column in columns if column.startswith("p_"))
    if "case_id" not in columns or len(classes) < 2:
        raise BadInput(
            f"{name} is no table of a batch: it needs case_id and a column p_<class> for every class."
        )
    if not columns["case_id"]:
        raise BadInput(f"{name} has no row: give the table of a batch that scored something.")
    return BatchTable(name, columns, classes)


def take_table(table: BatchTable, folder: Path, run: Run | None = None) -> None:
    """Write the table as a batch of one run. run: which one made it, with the same classes; else nobody knows
    and a probability of 0.5 calls the last class. BadInput for rows that hold no such numbers."""
    if run is not None and tuple(run.classes) != table.classes:
        raise BadInput(f"The run {run.id} has other classes than {table.name}: choose the one that made it.")
    run_id = run.id if run is not None else UNKNOWN_RUN
    rows = list(_rows(table, run_id))
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder)
    try:
        journal.add(rows)
    finally:
        journal.close()
    write_json(folder / HEADER_FILE, _header(table, run, run_id, rows))


def _header(table: BatchTable, run: Run | None, run_id: str, rows: Sequence[Row]) -> dict[str, Any]:
    extra = dict.fromkeys(name for row in rows for score in row.scores.values() for name in score.extra)
    logits = next((len(score.logits) for row in rows for score in row.scores.values()), 1)
    told = {
        "id": run_id,
        "digest": run.digest if run else "",
        "title": run.title if run else "A run that is not named",
        "modality": run.modality if run else "mixed",
        "classes": list(table.classes),
        "positive": run.positive if run else table.classes[-1],
        "threshold": run.operating_point.threshold if run else 0.5,
        "logits": logits,
        "label_map": dict(run.card.label_map) if run else {},
        "synthetic": bool(run and run.card.synthetic),
    }
    step = {"name": "table", "columns": list(extra), "signature": {}}
    return {
        "schema_version": SCHEMA_VERSION, "runs": [told], "steps": {run_id: [step] if extra else []},
        "engine": "", "label_map": {}, "inputs": table.name, "has_labels": any(row.label for row in rows),
        "has_masks": False, "total": len(rows), "started": "", "complete": True,
    }  # fmt: skip


def _rows(table: BatchTable, run_id: str) -> Iterator[Row]:
    columns, n = table.columns, len(table)
    logit_names = ["logit"] if "logit" in columns else [f"logit_{name}" for name in table.classes]
    logit_names = logit_names if set(logit_names) <= set(columns) else []
    numbers = {f"p_{name}" for name in table.classes} | set(logit_names)
    extras = [name for name in columns if name not in {*_KNOWN, *FACTS, *_FILES, *numbers}]
    seen: dict[str, int] = {}
    for at in range(n):
        cells = {name: _text(values[at]) for name, values in columns.items()}
        line = at + 2
        p = [_number(cells[f"p_{name}"], table.name, line) for name in table.classes]
        scored = None not in p
        key = _unlike(cells["case_id"] or f"row {line}", seen)
        status = cells.get("status", "") or (OK if scored else UNREADABLE)
        if status not in STATUSES or scored != (status == OK):
            raise BadInput(f"Row {line} of {table.name} does not say whether it was scored: write it again.")
        if scored and (not all(0 <= one <= 1 for one in p) or abs(sum(p) - 1) > 2e-3):
            raise BadInput(f"The probabilities in row {line} of {table.name} do not add to 1.")
        logits = tuple(_number(cells[name], table.name, line) or 0.0 for name in logit_names) or (0.0,)
        extra = {name: _plain(cells[name]) for name in extras if cells[name]}
        yield Row(
            at, key, status, cells.get("why", ""), cells.get("label", ""), cells.get("patient_id", ""),
            cells.get("group", ""), {run_id: Score(tuple(p), logits, extra)} if scored else {},
            facts={name: _plain(cells[name]) for name in FACTS if cells.get(name)},
        )  # fmt: skip


def _unlike(key: str, seen: dict[str, int]) -> str:
    """The key, with a number behind it where it was there before."""
    count = seen[key] = seen.get(key, 0) + 1
    return key if count == 1 else _unlike(f"{key} ({count})", seen)


def _text(cell: str) -> str:
    """A cell without the apostrophe that kept a spreadsheet from running it (`models.reports.tables`)."""
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in "=+-@\t\r" else cell


def _number(cell: str, name: str, line: int) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        raise BadInput(f"Row {line} of {name} holds {cell[:20]!r} where a number belongs: write it again.")
    return value


def _plain(cell: str) -> float | str | bool:
    if cell in ("true", "false"):
        return cell == "true"
    try:
        value = float(cell)
    except ValueError:
        return cell
    return value if abs(value) != float("inf") and value == value else cell


def _csv(source: bytes | Path, name: str) -> dict[str, list[str]]:
    from models.runs.importing import read_table

    table = read_table(source, name)
    return {column: table.column(column) for column in table.columns}


def _is_parquet(source: bytes | Path) -> bool:
    if isinstance(source, bytes):
        return source[:4] == b"PAR1"
    with open(source, "rb") as file:
        return file.read(4) == b"PAR1"


def _parquet(source: bytes | Path, name: str) -> dict[str, list[str]]:
    import pyarrow
    from pyarrow import parquet

    from models.reports.tables import safe_cell

    try:
        opened = pyarrow.BufferReader(source) if isinstance(source, bytes) else source
        with parquet.ParquetFile(opened) as file:
            if file.metadata.num_rows > MOST_ROWS:
                raise BadInput(f"{name} has more than {MOST_ROWS:,} rows: open it where it was made.")
            found = file.read().to_pydict()
    except (pyarrow.ArrowException, OSError, ValueError, NotImplementedError):
        raise BadInput(f"{name} cannot be read as Parquet: write it again.") from None
    return {
        column: [value if isinstance(value, str) else safe_cell(value) for value in values]
        for column, values in found.items()
    }
