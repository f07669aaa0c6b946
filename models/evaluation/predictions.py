"""A run's predictions: a case a row, as `predictions.csv` of the run folder holds them.

Columns: case_id, patient_id, group, split, label, then `p_<class>` a class, then `logit` (one-logit runs) or
`logit_<class>` a class. Other columns (such as the batch's `status` and `why`) are passed over.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput

if TYPE_CHECKING:
    import pyarrow

KEYS = ("case_id", "patient_id", "group", "split", "label")
# Written probabilities of other tools are rounded to three or four digits.
SUM_TOLERANCE = 2e-3


@dataclass(frozen=True, eq=False)
class Predictions:
    """Arrays of one length n, a case each.

    labels: int64 [n], index into `classes`, -1 where the case has no label. probabilities: float64 [n, C] in
    0..1, rows add to 1. logits: float64 [n, L] (L is 1 for a one-logit run, else C) or None. The rest: str
    [n].
    Raises BadInput for other shapes or values.
    """

    classes: tuple[str, ...]
    case_ids: np.ndarray
    patient_ids: np.ndarray
    groups: np.ndarray
    splits: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    logits: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.case_ids)
        for name in ("case_ids", "patient_ids", "groups", "splits"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=str).reshape(-1))
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.int64).reshape(-1))
        object.__setattr__(self, "probabilities", check_probabilities(self.probabilities, len(self.classes)))
        if self.logits is not None:
            logits = np.asarray(self.logits, dtype=np.float64)
            object.__setattr__(self, "logits", logits if logits.ndim == 2 else logits.reshape(-1, 1))
            if not np.isfinite(self.logits).all():
                raise BadInput("Some logits are not finite numbers: predict these cases again.")
            if n and self.logits.shape[1] not in (1, len(self.classes)):
                raise BadInput(
                    f"{self.logits.shape[1]} logits a case fit neither one nor {len(self.classes)} classes."
                )
        columns = [self.patient_ids, self.groups, self.splits, self.labels, self.probabilities]
        columns += [] if self.logits is None else [self.logits]
        if any(len(column) != n for column in columns):
            raise BadInput(
                f"The predictions' columns have different lengths: give each of the {n} cases one value."
            )
        if n and not (self.labels.min() >= -1 and self.labels.max() < len(self.classes)):
            raise BadInput(
                f"A label index lies outside the {len(self.classes)} classes: use -1 for no label."
            )

    def __len__(self) -> int:
        return len(self.case_ids)

    def take(self, which: np.ndarray) -> Predictions:
        """The cases that a boolean mask [n] or an index array picks."""
        fields = (self.case_ids, self.patient_ids, self.groups, self.splits, self.labels, self.probabilities)
        logits = None if self.logits is None else self.logits[which]
        return Predictions(self.classes, *(field[which] for field in fields), logits)

    def relabelled(self, labels: np.ndarray) -> Predictions:
        """The same cases with other labels, int [n]."""
        return replace(self, labels=labels)

    def part(self, split: str) -> Predictions:
        """The cases of one split ("train", "validation", "test")."""
        return self.take(self.splits == split)

    def labelled(self) -> Predictions:
        """The cases that have a label."""
        return self.take(self.labels >= 0)


def check_probabilities(probabilities: np.ndarray, n_classes: int | None = None) -> np.ndarray:
    """The array as float64 [n, C]. Raises BadInput when a value is no probability or a row does not add to
    1."""
    checked = np.asarray(probabilities, dtype=np.float64)
    if checked.size == 0 and n_classes:
        return checked.reshape(0, n_classes)
    if checked.ndim != 2 or checked.shape[1] != (n_classes or checked.shape[1]) or checked.shape[1] < 2:
        wanted = f"{n_classes} columns" if n_classes else "at least two columns"
        raise BadInput(
            f"Probabilities of shape {checked.shape} do not fit: give one row a case and {wanted}."
        )
    if (wrong := ~np.isfinite(checked).all(axis=1)).any():
        raise BadInput(f"The probabilities of case {_first(wrong)} are not all numbers: predict it again.")
    if (wrong := ((checked < 0) | (checked > 1)).any(axis=1)).any():
        raise BadInput(
            f"The probabilities of case {_first(wrong)} do not lie in 0..1: give probabilities, not logits."
        )
    if (wrong := abs(checked.sum(axis=1) - 1) > SUM_TOLERANCE).any():
        total = checked[_first(wrong) - 1].sum()
        raise BadInput(
            f"The probabilities of case {_first(wrong)} add to {total:.4g} instead of 1: give one a class."
        )
    return checked


def write_predictions(predictions: Predictions, path: str | Path) -> None:
    """Write `predictions.csv`: whole or not at all, numbers with all their digits."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns(predictions.classes, predictions.logits))
            writer.writerows(rows(predictions))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def columns(classes: Sequence[str], logits: np.ndarray | None) -> list[str]:
    """The header of `predictions.csv` for these classes and logits ([n, L] or None)."""
    names = [*KEYS, *(f"p_{name}" for name in classes)]
    if logits is not None:
        names += ["logit"] if logits.shape[1] == 1 else [f"logit_{name}" for name in classes]
    return names


def rows(predictions: Predictions) -> Iterator[list[str]]:
    """The rows of `predictions.csv`, in the order of `columns`."""
    numbers = predictions.probabilities
    if predictions.logits is not None:
        numbers = np.concatenate([numbers, predictions.logits], axis=1)
    names = (predictions.case_ids, predictions.patient_ids, predictions.groups, predictions.splits)
    columns = [*(column.tolist() for column in names), predictions.labels.tolist(), numbers.tolist()]
    for *named, label, values in zip(*columns, strict=True):
        yield [*named, predictions.classes[label] if label >= 0 else "", *map(repr, values)]


def read_predictions(path: str | Path, classes: Sequence[str] | None = None) -> Predictions:
    """Read `predictions.csv`; the classes are those of its columns, in their order, unless given.

    Rows without any probability whose `why` says so (files that a batch could not read) are passed over.
    Raises BadInput, naming row and column, for a file that is absent, malformed or holds what is no
    prediction.
    """
    path = Path(path)
    return _read_fast(path, classes) or _read_carefully(path, classes)


def _read_fast(path: Path, classes: Sequence[str] | None) -> Predictions | None:
    """The file column by column, or None where anything is unusual: the careful reader then says what."""
    import pyarrow
    from pyarrow import csv as arrow

    try:
        header = arrow.open_csv(path).schema.names
        found = tuple(name.removeprefix("p_") for name in header if name.startswith("p_"))
        classes = tuple(classes or found)
        wanted = ["case_id", *(f"p_{name}" for name in classes)]
        if len(set(header)) < len(header) or len(classes) < 2 or not set(wanted) <= set(header):
            return None
        # Numbers become the nearest double, as by float(); other columns are not converted.
        kinds = dict.fromkeys((*KEYS, "why"), pyarrow.string())
        logits = ["logit"] if "logit" in header else [f"logit_{name}" for name in classes]
        logits = logits if set(logits) <= set(header) else []
        kinds |= dict.fromkeys([*wanted[1:], *logits], pyarrow.float64())
        table = arrow.read_csv(
            path,
            parse_options=arrow.ParseOptions(newlines_in_values=True),
            convert_options=arrow.ConvertOptions(
                column_types=kinds,
                include_columns=[name for name in kinds if name in header],
                null_values=[""],
                strings_can_be_null=False,
            ),
        )
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError):
        return None
    return _of_columns(table, classes, logits)


def _of_columns(table: pyarrow.Table, classes: tuple[str, ...], logits: list[str]) -> Predictions | None:
    """Predictions of a table that was read column by column; None where the careful reader must look."""
    if not table.num_rows:
        return None
    numbers = np.stack([_numbers(table[name]) for name in (*(f"p_{c}" for c in classes), *logits)], axis=1)
    kept = np.ones(len(numbers), dtype=bool)
    if "why" in table.column_names:  # files that a batch could not read
        kept = ~(np.isnan(numbers[:, : len(classes)]).all(axis=1) & (_words(table["why"]) != ""))
    numbers = numbers[kept]
    if not len(numbers) or np.isnan(numbers).any():
        return None
    labels = np.full(len(kept), -1, dtype=np.int64)
    if "label" in table.column_names:
        named = table["label"].combine_chunks().dictionary_encode()
        place = {"": -1} | {name: i for i, name in enumerate(classes)}
        meant = [place.get(name) for name in named.dictionary.to_pylist()]
        if None in meant:
            return None
        labels = np.array(meant, dtype=np.int64)[_values(named.indices, np.int32)]
    ids = _words(table["case_id"])

    def text(column: str, default: np.ndarray) -> np.ndarray:
        found = _words(table[column]) if column in table.column_names else default
        return np.where(found == "", default, found)[kept]

    return Predictions(
        classes=classes,
        case_ids=ids[kept],
        patient_ids=text("patient_id", ids),
        groups=text("group", ids),
        splits=text("split", np.full(len(ids), "")),
        labels=labels[kept],
        probabilities=numbers[:, : len(classes)],
        logits=numbers[:, len(classes) :] if logits else None,
    )


def _numbers(column: pyarrow.ChunkedArray) -> np.ndarray:
    """float64 [n], NaN where there is none."""
    whole = column.combine_chunks()
    values = _values(whole, np.float64)
    if not whole.null_count:
        return values
    return np.where(_values(whole.is_null().cast("uint8"), np.uint8) == 1, np.nan, values)


def _values(array: pyarrow.Array, kind: type) -> np.ndarray:
    """The numbers as they lie in memory; pyarrow's own way to NumPy would load pandas."""
    return np.frombuffer(array.buffers()[1], kind, len(array), array.offset * np.dtype(kind).itemsize)


def _words(column: pyarrow.ChunkedArray) -> np.ndarray:
    """str [n]."""
    import pyarrow.compute as compute

    plain = compute.all(compute.string_is_ascii(column)).as_py() and column.num_chunks
    width = compute.max(compute.binary_length(column)).as_py() if plain else 0
    if not width:
        return np.array(column.to_pylist(), dtype=str)
    padded = compute.ascii_rpad(column.combine_chunks(), width, padding="\0")
    letters = np.frombuffer(padded.buffers()[2], np.uint8, len(padded) * width)
    return letters.astype(np.uint32).view(f"U{width}")  # NumPy keeps four bytes a letter


def _read_carefully(path: Path, classes: Sequence[str] | None) -> Predictions:
    """The file row by row: slower, and what it refuses it names by row and column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = [(number, row) for number, row in enumerate(csv.DictReader(file), 2) if _scored(row)]
            header = list(table[0][1]) if table else []
    except FileNotFoundError:
        raise BadInput(f"There are no predictions at {path}: give the path of a predictions.csv.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"The predictions {path} cannot be read ({error}): write them again as CSV in UTF-8."
        ) from None
    if not table:
        raise BadInput(f"The predictions {path} hold no scored case: run the evaluation or the batch again.")
    found = [name.removeprefix("p_") for name in header if name and name.startswith("p_")]
    classes = tuple(classes or found)
    needed = ["case_id", *(f"p_{name}" for name in classes)]
    if absent := [name for name in needed if name not in header]:
        raise BadInput(
            f"The predictions {path} lack the column {absent[0]!r}: they need {', '.join(needed)}."
        )
    if len(classes) < 2:
        raise BadInput(
            f"The predictions {path} have probabilities of {len(classes)} class: give one p_<class> for each."
        )
    return _predictions(table, header, classes, path.name)


def _predictions(
    table: list[tuple[int, dict]], header: list[str], classes: tuple[str, ...], name: str
) -> Predictions:
    logit_columns = [f"logit_{name}" for name in classes]
    logit_columns = (
        ["logit"] if "logit" in header else logit_columns if set(logit_columns) <= set(header) else []
    )

    def text(column: str, default: str = "") -> list[str]:
        return [row.get(column) or (row[default] if default else "") for _, row in table]

    def numbers(names: list[str]) -> np.ndarray:
        return np.array([[_number(row, column, number, name) for column in names] for number, row in table])

    index = {"": -1} | {label: i for i, label in enumerate(classes)}
    if unknown := next(
        ((number, row["label"]) for number, row in table if row.get("label", "") not in index), None
    ):
        raise BadInput(
            f"Row {unknown[0]} of {name} has the label {unknown[1]!r}: use one of {', '.join(classes)}."
        )
    return Predictions(
        classes=classes,
        case_ids=np.array(text("case_id")),
        patient_ids=np.array(text("patient_id", "case_id")),
        groups=np.array(text("group", "case_id")),
        splits=np.array(text("split")),
        labels=np.array([index[label] for label in text("label")]),
        probabilities=numbers([f"p_{label}" for label in classes]),
        logits=numbers(logit_columns) if logit_columns else None,
    )


def _scored(row: dict) -> bool:
    blank = all(not value for name, value in row.items() if name and name.startswith("p_"))
    return not (blank and row.get("why"))


def _number(row: dict, column: str, number: int, name: str) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError):
        raise BadInput(
            f"Row {number} of {name} has {row[column]!r} under {column}: it needs a number."
        ) from None


def _first(wrong: np.ndarray) -> int:
    """The first case that is wrong, counted from 1."""
    return int(np.argmax(wrong)) + 1
