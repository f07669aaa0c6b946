"""Scores by image, by breast and by patient: what a reader is asked about is a woman, not a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.evaluation.metrics import positive_index
from models.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from models.runs.cases import CaseTable

UNITS = ("image", "breast", "patient")
SIDES = ("laterality", "side")


def units_of(predictions: Predictions, cases: CaseTable | None = None) -> tuple[str, ...]:
    """Those of UNITS that differ here: "patient" where some patient has several images, "breast" where the
    table tells sides and some side has several images or some patient both sides."""
    n = len(predictions)
    patients = _patients(predictions)
    several = len(np.unique(patients)) < n
    sides = _sides(predictions, cases)
    if not several:
        return ("image",)
    if sides is None or not (sides != "").any():
        return ("image", "patient")
    breasts = len(np.unique(_joined(patients, sides)))
    own = () if breasts in (n, len(np.unique(patients))) else ("breast",)
    return ("image", *own, "patient")


def rows_of_units(
    predictions: Predictions, unit: str, cases: CaseTable | None = None, positive: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows int [u]: the image that speaks for each unit, and labels int [u] of the units.

    The image is the one of the highest probability of the positive class (the first of equal ones). The unit
    is positive if any of its images is; else it has its images' most frequent label, the first of equally
    frequent ones. An image without a side is a breast of its own. Units do not reach across the parts of the
    split. BadInput for another unit, or "breast" without sides.
    """
    if unit == "image":
        return np.arange(len(predictions)), predictions.labels
    if unit not in UNITS:
        raise BadInput(f"There is no unit {unit!r}: choose one of {', '.join(UNITS)}.")
    at = positive_index(predictions.classes, positive)
    key = _keys(predictions, unit, cases)
    unit_of = np.unique(key, return_inverse=True)[1].reshape(-1)
    count = int(unit_of.max(initial=-1)) + 1
    # By unit, then falling probability, then place: the first row of each unit speaks for it.
    order = np.lexsort((np.arange(len(key)), -predictions.probabilities[:, at], unit_of))
    rows = order[np.searchsorted(unit_of[order], np.arange(count))]
    votes = np.zeros((count, len(predictions.classes)), dtype=np.int64)
    known = predictions.labels >= 0
    np.add.at(votes, (unit_of[known], predictions.labels[known]), 1)
    labels = np.where(votes[:, at] > 0, at, np.where(votes.any(axis=1), votes.argmax(axis=1), -1))
    by_place = np.argsort(rows, kind="stable")
    return rows[by_place], labels[by_place]


def per_unit(
    predictions: Predictions, unit: str, cases: CaseTable | None = None, positive: str | None = None
) -> Predictions:
    """One row a unit, as `rows_of_units` chooses and labels them. positive: the second class unless given."""
    rows, labels = rows_of_units(predictions, unit, cases, positive)
    return predictions.take(rows).relabelled(labels)


def _keys(predictions: Predictions, unit: str, cases: CaseTable | None) -> np.ndarray:
    key = _joined(predictions.splits, _patients(predictions))
    if unit == "patient":
        return key
    sides = _sides(predictions, cases)
    if sides is None:
        raise BadInput("This run does not tell left from right breasts: look at images or patients.")
    alone = np.char.add("image ", np.arange(len(predictions)).astype(str))
    return _joined(key, np.where(sides == "", alone, sides))


def _patients(predictions: Predictions) -> np.ndarray:
    """Patient ids; a case without one is a patient of its own."""
    alone = np.char.add("case ", predictions.case_ids.astype(str))
    return np.where(predictions.patient_ids == "", alone, np.char.add("patient ", predictions.patient_ids))


def _sides(predictions: Predictions, cases: CaseTable | None) -> np.ndarray | None:
    columns = {} if cases is None else cases.of(predictions)
    return next((np.asarray(columns[name], dtype=str) for name in SIDES if name in columns), None)


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.char.add(np.char.add(first, "\x1f"), second)
