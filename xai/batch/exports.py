"""What a person takes home of a batch: its table as CSV or Parquet, and its overlays.

Everything is made row by row: a batch of a hundred thousand cases is never held as a whole.
"""

from __future__ import annotations

import os
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import BadInput
from models.reports.document import NOTICE
from models.reports.tables import to_csv
from xai.batch.pictures import find_file
from xai.batch.report import batch_report, html_report
from xai.batch.steps import HEATMAP
from xai.batch.table import Labels, flat_table

if TYPE_CHECKING:
    import pyarrow

__all__ = ["batch_report", "html_report", "overlays_zip", "table_csv", "table_parquet"]

_CHUNK = 2000
_BOM = b"\xef\xbb\xbf"
_ABOUT = "README.txt"
_SAID = """\
Overlays of a batch by LesionLens. {notice}

Each picture is the image with the heatmap of the run's positive class laid over it. A picture under a grey
bar has no map: the bar says why it must not be read. table.csv says what every picture belongs to. Text that
was burned into an image is still in its picture: pass these on only to who may see the images.
"""


def table_csv(batch, labels: Labels | None = None) -> Iterator[bytes]:
    """The table as CSV in pieces, for a file or a download; see `xai.batch.table.FlatTable`.

    No spreadsheet runs a cell of it (`models.reports.tables`); UTF-8, with a byte order mark where a
    spreadsheet would else misread letters. labels: key -> label, for labels that were added afterwards.
    """
    table = flat_table(batch, labels)
    head = to_csv(table.columns, ()).encode()
    yield head if table.ascii else _BOM + head
    for rows in _chunks(table.rows()):
        whole = to_csv(table.columns, rows)
        # The header is the same each time; a column's name never holds a line end of its own.
        yield whole.encode("utf-8", "replace")[len(head) :]


def table_parquet(batch, path: str | Path, labels: Labels | None = None) -> Path:
    """The same table as Parquet at `path`: numbers as double, truths as bool. BadInput where it cannot be
    written; the file is whole or not there."""
    import pyarrow
    from pyarrow import parquet

    table = flat_table(batch, labels)
    kinds = {"text": pyarrow.string(), "number": pyarrow.float64(), "truth": pyarrow.bool_()}
    schema = pyarrow.schema(
        [(name, kinds[kind]) for name, kind in zip(table.columns, table.kinds, strict=True)]
    )
    with _whole_file(Path(path)) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        for rows in _chunks(table.rows()):
            writer.write_batch(_record_batch(rows, schema, table.kinds))
    return Path(path)


def overlays_zip(batch, path: str | Path, labels: Labels | None = None) -> Path:
    """A ZIP at `path` with every overlay that the batch made, below `heatmaps/<run>/`, `table.csv` and a text
    that says what they are. Pictures are copied one by one and not compressed again.

    BadInput where the batch has none, or where the file cannot be written.
    """
    with _whole_file(Path(path)) as temporary:
        count = 0
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for relative, source in _overlays(batch):
                archive.write(source, relative)
                count += 1
            if not count:
                raise BadInput("This batch has no overlays: make it with heatmaps.")
            _write_entry(archive, "table.csv", table_csv(batch, labels))
            _write_entry(archive, _ABOUT, [_SAID.format(notice=NOTICE).encode()])
    return Path(path)


def _overlays(batch) -> Iterator[tuple[str, Path]]:
    for row in batch.rows():
        for score in row.scores.values():
            relative = score.extra.get(HEATMAP)
            source = find_file(batch.folder, relative)
            if source is not None:
                yield str(relative), source


def _write_entry(archive: zipfile.ZipFile, name: str, pieces) -> None:
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w", force_zip64=True) as sink:
        for piece in pieces:
            sink.write(piece)


def _chunks(rows: Iterator[list]) -> Iterator[list[list]]:
    kept: list[list] = []
    for row in rows:
        kept.append(row)
        if len(kept) == _CHUNK:
            yield kept
            kept = []
    if kept:
        yield kept


def _record_batch(rows: list[list], schema: pyarrow.Schema, kinds: tuple[str, ...]) -> pyarrow.RecordBatch:
    import pyarrow

    columns = []
    for values, kind, field in zip(zip(*rows, strict=True), kinds, schema, strict=True):
        if kind == "text":
            values = [None if v is None else str(v).encode("utf-8", "replace").decode() for v in values]
        columns.append(pyarrow.array(values, field.type))
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """A sibling to write, which takes the name at the end and is gone where something is in the way."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadInput(f"{path.name} cannot be written ({reason}): give another place for it.") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
