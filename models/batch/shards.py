"""Rows of a batch as Parquet files of some hundred rows each, written by many workers at once.

`DIR/shards/part-<index of its first row>-<digest of its keys>.parquet`, a row a case, the same columns in
every file whatever the runs and steps are, so that any reader of Parquet takes the folder as one table:

index int64, key, status, why, label, patient_id, group: as in `Row`.
scores: a list with an entry a run, {run, probabilities [double], logits [double], extra (JSON text)}.
refusals: a list of {run, why}. facts: JSON text.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.batch.item import Row, Score
from models.errors import BadInput

if TYPE_CHECKING:
    import pyarrow

FOLDER = "shards"
_NAME = re.compile(r"part-(\d{12,})-[0-9a-f]{16}\.parquet")
_TEXTS = ("key", "status", "why", "label", "patient_id", "group")


def shard_folder(folder: str | Path) -> Path:
    """Where a batch in `folder` has its shards."""
    return Path(folder) / FOLDER


def list_shards(folder: str | Path) -> list[Path]:
    """The shards of the batch in `folder`, by the index of their first row; [] where there are none."""
    return sorted(path for path in shard_folder(folder).glob("part-*") if _NAME.fullmatch(path.name))


def write_shard(folder: str | Path, rows: Sequence[Row]) -> Path:
    """Write these rows as one shard of the batch in `folder`, whole or not at all; its path.

    The name follows from the rows' keys, so that a worker that does the same rows again after another was
    lost writes the same file. ValueError for no rows; OSError where the folder cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    from models.runs import write_atomically

    if not rows:
        raise ValueError("a shard has at least one row")
    ordered = sorted(rows, key=lambda row: row.index)
    table = pyarrow.Table.from_pylist([_fields(row) for row in ordered], schema=_schema())
    # Indices alone do not do: an input that grew before the batch was gone on with has them anew.
    keys = hashlib.sha256("\n".join(table.column("key").to_pylist()).encode()).hexdigest()[:16]
    path = shard_folder(folder) / f"part-{ordered[0].index:012d}-{keys}.parquet"
    write_atomically(path, lambda draft: parquet.write_table(table, draft, compression="zstd"))
    return path


def read_shard(path: Path) -> list[Row]:
    """The rows of one shard, by index. BadInput where it is damaged."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            return [_row(fields) for fields in file.read().to_pylist()]
    except (ArrowException, OSError, KeyError, TypeError, ValueError):
        raise BadInput(
            f"{FOLDER}/{path.name} is damaged: delete it and run the batch again with --resume."
        ) from None


def read_shards(folder: str | Path) -> Iterator[Row]:
    """Every row of the batch in `folder`, by index, each once: a few shards are in memory at a time.

    May be called while workers write: it gives what was there at the call. A case that is in two shards (the
    first writer was thought lost) is that of the first by name.
    """
    waiting = deque((_first_index(path), path) for path in list_shards(folder))
    opened: list[tuple[int, str, Row, Iterator[Row]]] = []
    last, seen = -1, set[str]()
    while waiting or opened:
        # Resumed shards interleave with those of the first try; all others follow one another.
        while waiting and (not opened or waiting[0][0] <= opened[0][0]):
            path = waiting.popleft()[1]
            rows = iter(read_shard(path))
            if (row := next(rows, None)) is not None:
                heapq.heappush(opened, (row.index, path.name, row, rows))
        if not opened:
            continue
        index, name, row, rows = heapq.heappop(opened)
        if index != last:
            last, seen = index, set()
        if row.key not in seen:
            seen.add(row.key)
            yield row
        if (following := next(rows, None)) is not None:
            heapq.heappush(opened, (following.index, name, following, rows))


def _first_index(path: Path) -> int:
    return int(_NAME.fullmatch(path.name)[1])


@cache
def _schema() -> pyarrow.Schema:
    import pyarrow as pa

    numbers = pa.list_(pa.float64())
    score = {"run": pa.string(), "probabilities": numbers, "logits": numbers, "extra": pa.string()}
    refusal = {"run": pa.string(), "why": pa.string()}
    return pa.schema(
        {"index": pa.int64()}
        | {name: pa.string() for name in _TEXTS}
        | {
            "scores": pa.list_(pa.struct(score)),
            "refusals": pa.list_(pa.struct(refusal)),
            "facts": pa.string(),
        }
    )


def _fields(row: Row) -> dict[str, Any]:
    scores = [
        {
            "run": run,
            "probabilities": list(score.probabilities),
            "logits": list(score.logits),
            "extra": json.dumps(dict(score.extra)),
        }
        for run, score in row.scores.items()
    ]
    refusals = [{"run": run, "why": _text(why)} for run, why in row.refusals.items()]
    texts = {name: _text(getattr(row, name)) for name in _TEXTS}
    facts = json.dumps(dict(row.facts))
    return {"index": row.index} | texts | {"scores": scores, "refusals": refusals, "facts": facts}


def _row(fields: dict[str, Any]) -> Row:
    scores = {
        entry["run"]: Score(
            probabilities=tuple(entry["probabilities"]),
            logits=tuple(entry["logits"]),
            extra=json.loads(entry["extra"]),
        )
        for entry in fields["scores"]
    }
    return Row(
        index=fields["index"],
        **{name: fields[name] for name in _TEXTS},
        scores=scores,
        refusals={entry["run"]: entry["why"] for entry in fields["refusals"]},
        facts=json.loads(fields["facts"]),
    )


def _text(text: str) -> str:
    """As it is, but for halves of characters (a file name that is no text), which Parquet cannot hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
