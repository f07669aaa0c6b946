"""A mapped table as predictions: every cell checked, the first that does not fit named."""

from __future__ import annotations

import numpy as np

from models.errors import BadInput
from models.evaluation import Predictions
from models.evaluation.predictions import SUM_TOLERANCE
from models.runs.importing.mapping import LEAST_OUTSIDE, NO_LABEL, SCALES, Mapping
from models.runs.importing.numbers import numbers
from models.runs.importing.table import Table

PARTS = {
    "train": "train", "training": "train", "tr": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test", "holdout": "test", "": "test",
}  # fmt: skip
_TRUTH = {"true": 1, "yes": 1, "positive": 1, "pos": 1, "false": 0, "no": 0, "negative": 0, "neg": 0}


def predictions_from(table: Table, mapping: Mapping) -> Predictions:
    """The table's cases: labels as indices into `mapping.classes`, probabilities that add to 1.

    Without a case column cases are called "row 2", "row 3", ... as a spreadsheet counts; without a patient
    column every case is a patient of its own; without a split column every case belongs to the test part.
    BadInput, naming row and column, for whatever does not fit: no number, a probability outside 0..1, a sum
    other than 1, a label that is no class, a case listed twice, a part that is none.
    """
    _check(table, mapping)
    n = len(table)
    case_ids = _case_ids(table, mapping)
    probabilities, logits = _probabilities(table, mapping)
    patients = _or(table.column(mapping.patient_id) if mapping.patient_id else [""] * n, case_ids)
    own = [f"patient:{name}" for name in patients] if mapping.patient_id else case_ids
    return Predictions(
        classes=mapping.classes,
        case_ids=np.array(case_ids),
        patient_ids=np.array(patients),
        groups=np.array(_or(table.column(mapping.group), own) if mapping.group else own),
        splits=np.array(_splits(table, mapping)),
        labels=_labels(table, mapping),
        probabilities=probabilities,
        logits=logits,
    )


def _check(table: Table, mapping: Mapping) -> None:
    """What is wrong with the mapping itself."""
    classes = mapping.classes
    if len(classes) < 2 or len(set(classes)) != len(classes) or not all(name.strip() for name in classes):
        raise BadInput("The classes need at least two different names: name them, the positive one last.")
    if mapping.positive not in classes:
        raise BadInput(
            f"{mapping.positive!r} is not one of the classes {', '.join(classes)}: choose one of them."
        )
    if mapping.scale not in SCALES:
        raise BadInput(f"{mapping.scale!r} is no kind of number: choose one of {', '.join(SCALES)}.")
    if not mapping.score and not mapping.probabilities:
        raise BadInput(
            f"No column of {table.name} is chosen for the scores: choose the one with the probability of "
            f"{mapping.positive}, or one a class."
        )
    if mapping.score and mapping.probabilities:
        raise BadInput("A column of scores and columns of probabilities are both chosen: keep one of them.")
    if mapping.score and len(classes) != 2:
        raise BadInput(
            f"One column of scores cannot tell {len(classes)} classes apart: choose a column a class."
        )
    if mapping.probabilities and (absent := [name for name in classes if name not in mapping.probabilities]):
        raise BadInput(
            f"The class {absent[0]!r} has no column of probabilities: choose one, or drop the class."
        )
    if strange := sorted(set(mapping.labels.values()) - set(classes)):
        raise BadInput(
            f"A label is mapped to {strange[0]!r}, which is no class: map it to one of {', '.join(classes)}."
        )


def _case_ids(table: Table, mapping: Mapping) -> list[str]:
    if mapping.case_id is None:
        return [f"row {i + 2}" for i in range(len(table))]
    names = table.column(mapping.case_id)
    first: dict[str, int] = {}
    for row, name in enumerate(names, 2):
        if not name:
            raise BadInput(f"Row {row} of {table.name} is empty under {mapping.case_id}: name the case.")
        if name in first:
            raise BadInput(
                f"Rows {first[name]} and {row} of {table.name} are both the case {name[:60]!r} under "
                f"{mapping.case_id}: list each case once, or choose another column."
            )
        first[name] = row
    return names


def _probabilities(table: Table, mapping: Mapping) -> tuple[np.ndarray, np.ndarray | None]:
    """float64 [n, C], and the logits where the table holds logits: [n, 1] or [n, C]."""
    columns = [mapping.score] if mapping.score else [mapping.probabilities[name] for name in mapping.classes]
    values = np.stack([numbers(table, column) for column in columns], axis=1)
    if mapping.scale == "logit":
        return _of_logits(values, mapping)
    if mapping.scale == "percent":
        values = values / 100
    _check_range(values, columns, table, mapping)
    if mapping.score:
        return _two(values[:, 0], mapping), None
    total = values.sum(axis=1)
    if (wrong := np.abs(total - 1) > SUM_TOLERANCE).any():
        row = int(np.argmax(wrong))
        raise BadInput(
            f"Row {row + 2} of {table.name} has probabilities that add to {total[row]:.4g} instead of 1 "
            f"({', '.join(columns[:4])}): choose a column for every class, or say that they are logits."
        )
    return values / total[:, None], None


def _of_logits(values: np.ndarray, mapping: Mapping) -> tuple[np.ndarray, np.ndarray | None]:
    if mapping.score:
        p = _two(np.exp(-np.logaddexp(0, -values[:, 0])), mapping)
        # A one-logit run has its positive class last.
        return p, values if mapping.positive == mapping.classes[-1] else None
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True), values


def _two(positive: np.ndarray, mapping: Mapping) -> np.ndarray:
    """[n, 2] in the order of the classes."""
    last = mapping.positive == mapping.classes[1]
    return np.stack([1 - positive, positive] if last else [positive, 1 - positive], axis=1)


def _check_range(values: np.ndarray, columns: list[str], table: Table, mapping: Mapping) -> None:
    wrong = (values < 0) | (values > 1)
    if not wrong.any():
        return
    row, place = (int(i[0]) for i in np.nonzero(wrong))
    if mapping.scale == "percent":
        hint = "percentages lie in 0..100"
    elif np.mean(wrong) < LEAST_OUTSIDE:
        hint = "correct it, or choose another column"
    elif values.min() >= 0 and values.max() <= 100 and np.mean(values > 1) > 0.5:
        hint = "these look like percentages, so say that they are"
    elif values.min() < 0:
        hint = "these look like logits, so say that they are, or choose another column"
    else:
        hint = "say whether these are percentages or logits, or choose another column"
    shown = table.column(columns[place])[row]
    raise BadInput(
        f"Row {row + 2} of {table.name} has {shown} under {columns[place]}, no probability: {hint}."
    )


def _labels(table: Table, mapping: Mapping) -> np.ndarray:
    """int64 [n], -1 where the cell is blank or says that nobody knows, or there is no column."""
    if mapping.label is None:
        return np.full(len(table), -1, np.int64)
    cells = table.column(mapping.label)
    meaning = {cell: _index(cell, mapping) for cell in set(cells)}
    unknown = next((row for row, cell in enumerate(cells) if meaning[cell] is None), None)
    if unknown is not None:
        raise BadInput(
            f"Row {unknown + 2} of {table.name} has {cells[unknown][:40]!r} under {mapping.label}, which is "
            f"no class: map it to one of {', '.join(mapping.classes)}."
        )
    return np.array([meaning[cell] for cell in cells], dtype=np.int64)


def numbered_labels(table: Table, mapping: Mapping) -> dict[str, str]:
    """Label cell -> class, of the cells that name a class by its place: whoever imports has to see these."""
    cells = sorted(set(table.column(mapping.label)) - set(mapping.classes)) if mapping.label else []
    numbers_alone = {cell: _index(cell, mapping) for cell in cells if cell[:1].isdigit()}
    return {cell: mapping.classes[k] for cell, k in numbers_alone.items() if k is not None}


def _index(cell: str, mapping: Mapping) -> int | None:
    """The class that a label cell means; -1 for NO_LABEL, None for one that is no class."""
    if cell in mapping.labels:
        return mapping.classes.index(mapping.labels[cell])
    folded = [name.casefold() for name in mapping.classes]
    if cell in mapping.classes:
        return mapping.classes.index(cell)
    if folded.count(cell.casefold()) == 1:
        return folded.index(cell.casefold())
    if cell.casefold() in NO_LABEL:
        return -1
    two = len(mapping.classes) == 2
    place = {0: 1 - mapping.classes.index(mapping.positive), 1: mapping.classes.index(mapping.positive)}
    if two and cell.casefold() in _TRUTH:
        return place[_TRUTH[cell.casefold()]]
    try:
        number = float(cell)
    except ValueError:
        return None
    if "_" in cell or not number.is_integer() or not 0 <= number < len(mapping.classes):
        return None
    # Of two classes 1 is the positive one, wherever it stands.
    return place[int(number)] if two else int(number)


def _splits(table: Table, mapping: Mapping) -> list[str]:
    if mapping.split is None:
        return ["test"] * len(table)
    cells = table.column(mapping.split)
    wrong = next((row for row, cell in enumerate(cells) if cell.casefold() not in PARTS), None)
    if wrong is not None:
        raise BadInput(
            f"Row {wrong + 2} of {table.name} has {cells[wrong][:40]!r} under {mapping.split}: use train, "
            "validation or test, or choose no column for the split."
        )
    return [PARTS[cell.casefold()] for cell in cells]


def _or(cells: list[str], default: list[str]) -> list[str]:
    return [cell or other for cell, other in zip(cells, default, strict=True)]
