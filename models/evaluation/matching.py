"""Which case of one run is which case of another."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.evaluation.evidence import ALL, read_run_predictions
from models.evaluation.metrics import predicted_classes
from models.evaluation.predictions import Predictions
from models.evaluation.resampling import group_codes

if TYPE_CHECKING:
    from models.runs import Run

# What an imported table without a case column calls its cases (models.runs.importing.predictions).
UNNAMED = re.compile(r"row \d+")


@dataclass(frozen=True, eq=False)
class Shared:
    """The n cases of both runs, in the first run's order.

    labels int [n] into `classes`; groups str [n]; first_p, second_p float [n, C]; first_called, second_called
    int [n], each at its run's own threshold; first_rows, second_rows int [n]: rows in each run's
    predictions.csv. note: what a reader has to know of how the cases were matched, or "".
    """

    case_ids: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    positive: str
    first_p: np.ndarray
    second_p: np.ndarray
    first_called: np.ndarray
    second_called: np.ndarray
    first_rows: np.ndarray
    second_rows: np.ndarray
    note: str

    def __len__(self) -> int:
        return len(self.case_ids)


def shared_cases(
    first: Run,
    second: Run,
    part: str = "test",
    *,
    read: Callable[[Run], Predictions] = read_run_predictions,
) -> Shared:
    """The labelled cases of that part in both runs' stored predictions ("all": of any part).

    A case of a merged run ("pack/case") is the case of a single-pack run ("case") where that leaves no doubt;
    where both name patients, these have to agree too. Runs of the same classes are compared as they are, runs
    that share only the positive class as that class against the rest. `read` gives a run's predictions, such
    as from a cache. BadInput when a run has no predictions, when nothing is shared, when the positive classes
    differ, or when the runs' labels of a shared case differ.
    """
    if first.positive != second.positive:
        raise BadInput(
            f"{first.id} looks for {first.positive} and {second.id} for {second.positive}: "
            "choose two runs with the same positive class."
        )
    one, other = read(first), read(second)
    in_one, in_other = (_rows_of(predictions, part) for predictions in (one, other))
    rows, renamed = _matched(one, other, in_one, in_other)
    if not len(rows):
        which = "labelled" if part == ALL else part
        raise BadInput(
            f"The runs {first.id} and {second.id} share no {which} case: choose two runs on the same data."
        )
    same = set(one.classes) == set(other.classes)
    classes = one.classes if same else (f"other than {first.positive}", first.positive)
    sides = [
        _side(run, predictions, own, None if same else first.positive, classes)
        for run, predictions, own in ((first, one, rows[:, 0]), (second, other, rows[:, 1]))
    ]
    _refuse_other_labels(first, second, one.case_ids[rows[:, 0]], classes, sides[0].labels, sides[1].labels)
    groups = _coarser(one.groups[rows[:, 0]], other.groups[rows[:, 1]])
    told = _note(first, second, (len(in_one), len(in_other)), one.case_ids[rows[:, 0]], renamed, same)
    return Shared(
        case_ids=one.case_ids[rows[:, 0]],
        labels=sides[0].labels,
        groups=groups,
        classes=classes,
        positive=first.positive,
        first_p=sides[0].p,
        second_p=sides[1].p,
        first_called=sides[0].called,
        second_called=sides[1].called,
        first_rows=rows[:, 0],
        second_rows=rows[:, 1],
        note=" ".join(filter(None, (told, _of_groups(groups)))),
    )


@dataclass(frozen=True, eq=False)
class _Side:
    """One run's view of the shared cases: labels, called int [n], p float [n, C]."""

    labels: np.ndarray
    p: np.ndarray
    called: np.ndarray


def _side(
    run: Run, predictions: Predictions, rows: np.ndarray, positive: str | None, classes: tuple[str, ...]
) -> _Side:
    """In the order of `classes`; `positive` against the rest unless it is None."""
    p, labels = predictions.probabilities[rows], predictions.labels[rows]
    if positive is not None:
        k = predictions.classes.index(positive)
        own = p[:, k]
        p, labels = np.stack([1 - own, own], axis=1), (labels == k).astype(np.int64)
    else:
        p = p[:, [predictions.classes.index(name) for name in classes]]
        labels = np.array([classes.index(name) for name in predictions.classes])[labels]
    at = classes.index(run.positive)
    return _Side(labels, p, predicted_classes(p, run.operating_point.threshold, at))


def _rows_of(predictions: Predictions, part: str) -> np.ndarray:
    labelled = predictions.labels >= 0
    if part != ALL and (predictions.splits != "").any():
        labelled &= predictions.splits == part
    return np.flatnonzero(labelled)


@dataclass(frozen=True, eq=False)
class _Names:
    """What the cases and patients of a run are called, str [n], and which rows may be matched."""

    cases: np.ndarray
    patients: np.ndarray
    rows: np.ndarray

    def within_packs(self) -> _Names:
        """As the packs of a merged run call them."""
        return _Names(_without_pack(self.cases), _without_pack(self.patients), self.rows)


def _matched(
    one: Predictions, other: Predictions, in_one: np.ndarray, in_other: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Pairs of rows int [n, 2], and whether a merged run's names were shortened for it."""
    a = _Names(one.case_ids, one.patient_ids, in_one)
    b = _Names(other.case_ids, other.patient_ids, in_other)
    if len(pairs := _pairs(a, b)):
        return pairs, False
    if len(pairs := _pairs(a.within_packs(), b)):
        return pairs, True
    return _pairs(a, b.within_packs()), True


def _pairs(a: _Names, b: _Names) -> np.ndarray:
    names, code = np.unique(np.concatenate([a.cases, b.cases]), return_inverse=True)
    codes = np.split(code.reshape(-1), [len(a.cases)])
    # A name that either run has twice, such as that of two packs' first images, says nothing.
    told = names != ""
    rows = []
    for side, own in zip((a, b), codes, strict=True):
        told &= np.bincount(own, minlength=len(names)) == 1
        row = np.full(len(names), -1)
        row[own[side.rows]] = side.rows
        rows.append(row)
    found = np.flatnonzero(told & (rows[0] >= 0) & (rows[1] >= 0))
    one, other = rows[0][found], rows[1][found]
    # A patient named like the case is what a file without patients is read as.
    known = (a.patients[one] != names[found]) & (b.patients[other] != names[found])
    kept = ~known | (a.patients[one] == b.patients[other])
    pairs = np.stack([one, other], axis=1)[kept]
    return pairs[np.argsort(pairs[:, 0])]


def _without_pack(names: np.ndarray) -> np.ndarray:
    """ "pack/case" -> "case"; "" for a name of no pack."""
    return np.array([name.partition("/")[2] for name in names.tolist()], dtype=str)


def _refuse_other_labels(
    first: Run,
    second: Run,
    case_ids: np.ndarray,
    classes: tuple[str, ...],
    labels: np.ndarray,
    other: np.ndarray,
) -> None:
    wrong = np.flatnonzero(labels != other)
    if len(wrong):
        i = wrong[0]
        raise BadInput(
            f"{first.id} and {second.id} disagree on the label of {len(wrong)} of {len(labels)} shared cases "
            f"({str(case_ids[i])!r} is {classes[labels[i]]} in one and {classes[other[i]]} in the other): "
            "choose two runs with the same labels."
        )


def _coarser(groups: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The groups that join more cases: the other run may not have known its patients."""
    return groups if len(np.unique(groups)) <= len(np.unique(other)) else other


def _of_groups(groups: np.ndarray) -> str:
    """The one test here that does not know of groups."""
    n = len(np.unique(group_codes(groups, len(groups))))
    if n == len(groups):
        return ""
    return (
        f"The {len(groups)} cases are of {n} patients or groups of near-copies; McNemar's test takes them "
        "for independent, so its p may be too small."
    )


def _note(
    first: Run, second: Run, sizes: tuple[int, int], shared_ids: np.ndarray, renamed: bool, same: bool
) -> str:
    told, shared = [], len(shared_ids)
    if all(UNNAMED.fullmatch(case) for case in shared_ids.tolist()):
        told.append(
            "Neither run names its cases, so row was matched with row: this holds only if both files list "
            "the same cases in the same order. Import them with a column of case ids to be sure."
        )
    if shared < max(sizes):
        told.append(
            f"Of {sizes[0]} cases of {first.id} and {sizes[1]} of {second.id}, {shared} are shared; "
            "the others are left out."
        )
    if renamed:
        told.append("Cases of the merged data were matched by their names within their pack.")
    if not same:
        told.append(f"The runs' classes differ: {first.positive} is compared against the rest.")
    digests = {run.card.data.manifest_digest for run in (first, second)} - {None}
    if len(digests) > 1 and not renamed:
        told.append("The runs name different manifests: their cases were matched by name alone.")
    return " ".join(told)
