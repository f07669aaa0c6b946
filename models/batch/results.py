"""A batch as it stands on disk, finished or not: rows, columns, predictions."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batch.folder import SHARDS_FOLDER, read_header
from models.batch.item import STATUSES, Row, Score
from models.batch.journal import JOURNAL_FILE, read_lines, read_rows, whole_lines
from models.batch.plan import meant_for
from models.batch.scoring import FACTS, NOTICE
from models.batch.storage import at_work
from models.errors import BadInput

if TYPE_CHECKING:
    from models.evaluation import Predictions


@dataclass(frozen=True)
class BatchRun:
    """What the batch's header says of a run; label_map: the run's own with the batch's over it. columns: what
    the steps add to a row, `NOTICE` last; none without steps."""

    id: str
    digest: str
    title: str
    modality: str
    classes: tuple[str, ...]
    positive: str
    threshold: float
    logits: int
    label_map: Mapping[str, str]
    columns: tuple[str, ...] = ()
    synthetic: bool = False

    def label_index(self, label: str) -> int:
        """The class that a label as written means, -1 where it means none."""
        from models.data.manifest import class_of

        try:
            return self.classes.index(class_of(label, self.label_map, self.classes)) if label else -1
        except BadInput:
            return -1


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch as it was when it was read; rows that came later are not in it.

    complete: everything was done. state: "complete", "running" (somebody is at work in the folder) or
    "interrupted". total: how many there are to do, None where nobody knows. offset: the bytes of the journal
    that it stands on: equal offsets (and no shards) mean equal rows.
    """

    folder: Path
    runs: tuple[BatchRun, ...]
    complete: bool
    state: str
    total: int | None
    inputs: str
    has_labels: bool
    has_masks: bool
    started: str
    engine: str
    offset: int
    header: Mapping[str, Any]

    def rows(self) -> Iterator[Row]:
        """Every case once, in the order of the input."""
        return self._ordered(self._index)

    def __len__(self) -> int:
        return len(self._index)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Status -> cases."""
        return self._scan[1]

    def run(self, run_id: str) -> BatchRun:
        """BadInput for a run that is not in the batch."""
        for run in self.runs:
            if run.id == run_id:
                return run
        known = ", ".join(run.id for run in self.runs)
        raise BadInput(f"The batch has no run {run_id!r}: choose one of {known}.")

    def since(self, offset: int) -> tuple[list[Row], int]:
        """Rows that the journal got after byte `offset` (as this or an earlier call gave it), in the order
        they were finished, and the offset behind them. Looks at the file now, not at the snapshot."""
        rows, at = [], offset
        for at, row in read_rows(self.folder, offset):  # noqa: B007
            rows.append(row)
        return rows, at

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Arrays of one length, a case each, in the order of the input: index, key, status, why, label,
        patient_id, group; every name of FACTS. Words are str, "" where there are none; numbers float64, NaN
        where there are none."""
        names = ("index", *_WORDS)
        found: dict[str, list] = {name: [] for name in (*names, *FACTS)}
        for row in self.rows():
            for name in names:
                found[name].append(getattr(row, name))
            for name in FACTS:
                found[name].append(row.facts.get(name))
        return (
            {"index": np.array(found["index"], dtype=np.int64)}
            | {name: np.array(found[name], dtype=str) for name in _WORDS}
            | {name: column_of(found[name]) for name in FACTS}
        )

    def scores(self, run_id: str) -> dict[str, np.ndarray]:
        """Of one run, in the order of `columns`: probabilities float64 [n, classes] and logits [n, L], NaN
        where it gave none, `refusal` str [n], labels int64 [n] (-1 where there is none), and each column of
        its steps (numbers float64, else str)."""
        run = self.run(run_id)
        nothing = Score((float("nan"),) * len(run.classes), (float("nan"),) * run.logits)
        numbers, labels, refusals = array("d"), array("q"), []
        extra: dict[str, list] = {name: [] for name in run.columns}
        meant = _Meant(run)
        for row in self.rows():
            score = row.scores.get(run_id, nothing)
            numbers.extend((*score.probabilities, *score.logits))
            labels.append(meant[row.label])
            refusals.append(row.refusals.get(run_id, ""))
            for name, values in extra.items():
                values.append(score.extra.get(name))
        both = _table(numbers, run)
        return {
            "probabilities": both[:, : len(run.classes)],
            "logits": both[:, len(run.classes) :],
            "refusal": np.array(refusals, dtype=str),
            "labels": np.array(labels, dtype=np.int64),
        } | {name: column_of(values) for name, values in extra.items()}

    def predictions(self, run_id: str) -> Predictions:
        """What the run said of the cases it scored, in the order of the input; labels -1 where there are
        none, or none that means a class. case_ids are the keys."""
        from models.evaluation import Predictions

        run = self.run(run_id)
        keys, patients, groups = [], [], []
        numbers, labels = array("d"), array("q")
        meant = _Meant(run)
        for row in self.rows():
            score = row.scores.get(run_id)
            if score is None:
                continue
            keys.append(row.key)
            patients.append(row.patient_id or row.key)
            groups.append(row.group or row.patient_id or row.key)
            labels.append(meant[row.label])
            numbers.extend((*score.probabilities, *score.logits))
        both = _table(numbers, run)
        return Predictions(
            classes=run.classes,
            case_ids=np.array(keys, dtype=str),
            patient_ids=np.array(patients, dtype=str),
            groups=np.array(groups, dtype=str),
            splits=np.full(len(keys), "", dtype=str),
            labels=np.array(labels, dtype=np.int64),
            probabilities=both[:, : len(run.classes)],
            logits=both[:, len(run.classes) :],
        )

    @cached_property
    def _scan(self) -> tuple[np.ndarray, dict[str, int]]:
        """One pass: (index, byte before the line) of each case once, and the counts."""
        seen: set[str] = set()
        places = array("q")
        counts: Counter[str] = Counter(dict.fromkeys(STATUSES, 0))
        for at, _, row in read_lines(self.folder, 0, self.offset):
            if row.key not in seen:
                seen.add(row.key)
                places.extend((row.index, at))
                counts[row.status] += 1
        for row in self._shards():
            if row.key not in seen:
                seen.add(row.key)
                counts[row.status] += 1
                places.extend((row.index, -1))
        return np.array(places, dtype=np.int64).reshape(-1, 2), dict(counts)

    @property
    def _index(self) -> np.ndarray:
        return self._scan[0]

    def _shards(self) -> Iterator[Row]:
        if (self.folder / SHARDS_FOLDER).is_dir():
            from models.batch.shards import read_shards

            yield from read_shards(self.folder)

    def _ordered(self, places: np.ndarray) -> Iterator[Row]:
        """From the disk, a line at a time: in the file's order where that is the input's, as it is unless the
        input grew before the batch was gone on with."""
        if (places[:, 1] < 0).any():
            yield from self._merged(places[places[:, 1] >= 0])
            return
        if len(places) > 1 and (np.diff(places[:, 0]) < 0).any():
            places = places[np.argsort(places[:, 0], kind="stable")]
        if not len(places):
            return
        from models.batch.journal import row_of

        with (self.folder / JOURNAL_FILE).open("rb") as file:
            at = 0
            for start in places[:, 1].tolist():
                if start != at:
                    file.seek(start)
                line = file.readline()
                at = start + len(line)
                row = row_of(line)
                if row is not None:
                    yield row

    def _merged(self, places: np.ndarray) -> Iterator[Row]:
        """Those of the journal, and of the shards what is not in the journal: both are in order."""
        last, seen = -1, set[str]()
        for row in merge(self._ordered(places), self._shards(), key=lambda row: row.index):
            if row.index != last:
                last, seen = row.index, set()
            if row.key not in seen:
                seen.add(row.key)
                yield row


_WORDS = ("key", "status", "why", "label", "patient_id", "group")


def read_batch(folder: str | os.PathLike[str]) -> Batch:
    """The batch in that folder, also while somebody is at work on it. BadInput where there is none."""
    folder = Path(folder)
    header = read_header(folder)
    if header is None:
        raise BadInput(f"There is no batch in {folder}: give the folder that a batch was written to.")
    complete = bool(header.get("complete"))
    state = "complete" if complete else "running" if at_work(folder) else "interrupted"
    try:
        runs = tuple(_run(run, header) for run in header["runs"])
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"The batch.json in {folder} is incomplete: score the images again.") from None
    return Batch(
        folder=folder,
        runs=runs,
        complete=complete,
        state=state,
        total=header.get("total"),
        inputs=header.get("inputs", ""),
        has_labels=bool(header.get("has_labels")),
        has_masks=bool(header.get("has_masks")),
        started=header.get("started", ""),
        engine=header.get("engine_name") or header.get("engine", ""),
        offset=whole_lines(folder / JOURNAL_FILE),
        header=header,
    )


def _run(told: Mapping[str, Any], header: Mapping[str, Any]) -> BatchRun:
    steps = header["steps"].get(told["id"], [])
    columns = dict.fromkeys(name for step in steps for name in step["columns"])
    return BatchRun(
        id=told["id"],
        digest=told["digest"],
        title=told["title"],
        modality=told["modality"],
        classes=tuple(told["classes"]),
        positive=told["positive"],
        threshold=float(told["threshold"]),
        logits=int(told["logits"]),
        label_map=told["label_map"] | meant_for(told["classes"], header.get("label_map", {})),
        columns=(*columns, NOTICE) if steps else (),
        synthetic=bool(told.get("synthetic")),
    )


def _table(numbers: array, run: BatchRun) -> np.ndarray:
    """float64 [n, classes + L] of numbers row by row."""
    return np.array(numbers, dtype=np.float64).reshape(-1, len(run.classes) + run.logits)


class _Meant(dict[str, int]):
    """Label as written -> the class it means to a run, each looked up once."""

    def __init__(self, run: BatchRun) -> None:
        self._run = run

    def __missing__(self, label: str) -> int:
        self[label] = self._run.label_index(label)
        return self[label]


def column_of(values: list[float | int | str | bool | None]) -> np.ndarray:
    """float64 [n] with NaN where all that is there are numbers (true is 1), else str [n] with ""."""
    if any(isinstance(value, str) for value in values):
        return np.array(["" if value is None else str(value) for value in values], dtype=str)
    return np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
