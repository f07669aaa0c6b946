"""A batch's tables: `predictions.csv` and `predictions.parquet`, and both again for every further run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.batch.item import OK, REFUSED
from models.batch.scoring import FACTS
from models.batch.storage import storing, whole_file

if TYPE_CHECKING:
    from models.batch.item import Row
    from models.batch.results import Batch, BatchRun

_ROWS = 10_000


def table_name(batch: Batch, run_id: str, ending: str = "csv") -> str:
    """The file of a run's table in the batch's folder."""
    return f"predictions.{ending}" if run_id == batch.runs[0].id else f"predictions-{run_id}.{ending}"


def write_tables(batch: Batch) -> list[Path]:
    """Every run's table as CSV and Parquet, each whole or not at all; a few thousand rows in memory at a
    time. BadInput where the disk is full."""
    written = []
    for run in batch.runs:
        for ending, write in (("csv", write_csv), ("parquet", write_parquet)):
            path = batch.folder / table_name(batch, run.id, ending)
            write(batch, run, path)
            written.append(path)
    return written


def table_columns(run: BatchRun) -> list[str]:
    """The header of a run's table: as in a run folder, then facts, what the steps found, status and why."""
    logits = ["logit"] if run.logits == 1 else [f"logit_{name}" for name in run.classes]
    keys = ["case_id", "patient_id", "group", "split", "label", *(f"p_{name}" for name in run.classes)]
    return [*keys, *logits, *FACTS, *(name for name in run.columns if name not in FACTS), "status", "why"]


def table_rows(batch: Batch, run: BatchRun) -> Iterator[list[Any]]:
    """The cells under `table_columns`, a case a row in the input's order; None where there is nothing."""
    blank = [None] * (len(run.classes) + run.logits)
    classes: dict[str, str] = {}
    for row in batch.rows():
        if row.label not in classes:
            at = run.label_index(row.label)
            classes[row.label] = run.classes[at] if at >= 0 else ""
        score = row.scores.get(run.id)
        numbers = [*score.probabilities, *score.logits] if score else blank
        extra = score.extra if score else {}
        status, why = status_of(row, run.id)
        yield [
            row.key,
            row.patient_id,
            row.group,
            "",
            classes[row.label],
            *numbers,
            *(row.facts.get(name) for name in FACTS),
            *(extra.get(name) for name in run.columns if name not in FACTS),
            status,
            why,
        ]


def status_of(row: Row, run_id: str) -> tuple[str, str]:
    """What became of a case with one run, and why: a case that others scored may be refused by it."""
    if row.status == OK and run_id not in row.scores:
        return REFUSED, row.refusals.get(run_id, "This run was not asked about this image.")
    return row.status, row.why


def write_csv(batch: Batch, run: BatchRun, path: Path) -> None:
    """One run's table as CSV in UTF-8, text made harmless for spreadsheets, numbers with all their digits."""
    from models.reports.tables import safe_cell

    with whole_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", errors="backslashreplace", newline="", write_through=False)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([safe_cell(name) for name in table_columns(run)])
        writer.writerows([safe_cell(cell) for cell in row] for row in table_rows(batch, run))
        text.flush()
        text.detach()


def write_parquet(batch: Batch, run: BatchRun, path: Path) -> None:
    """One run's table as Parquet: the same columns and rows, text as it is."""
    import pyarrow
    from pyarrow import parquet

    names, kinds = table_columns(run), _kinds(batch, run)
    schema = pyarrow.schema([(name, kinds[name]()) for name in names])
    rows = table_rows(batch, run)
    with whole_file(path) as file, storing(path.parent), parquet.ParquetWriter(file, schema) as writer:
        while chunk := list(islice(rows, _ROWS)):
            columns = zip(*chunk, strict=True)
            arrays = [
                pyarrow.array([_cell(cell, field.type) for cell in column], field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _kinds(batch: Batch, run: BatchRun) -> dict[str, Any]:
    """Column -> Arrow's type: numbers are double, and a step's column is text as soon as one cell is."""
    import pyarrow

    words = {"case_id", "patient_id", "group", "split", "label", "modality", "laterality", "view", "status"}
    words.add("why")
    for row in batch.rows():
        if score := row.scores.get(run.id):
            words |= {name for name, value in score.extra.items() if isinstance(value, str)}
    return {name: pyarrow.string if name in words else pyarrow.float64 for name in table_columns(run)}


def _cell(value: Any, kind: Any) -> Any:
    if value is None:
        return None
    if str(kind) == "string":
        # A name of bytes that are no UTF-8 must not break the file.
        return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return float(value)
