"""Subgroups in tables: for whom a run is good, and where it falls clearly below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.evaluation.subgroups import LEAST_CASES, MOST_VALUES
from models.reports.document import Part, Table, Text
from models.reports.wording import told

if TYPE_CHECKING:
    from models.evaluation import Predictions
    from models.evaluation.subgroups import Subgroup
    from models.runs import Run

COLUMNS = ("Cases", "Positive", "AUC", "Sensitivity", "Specificity", "PPV")
# The label itself and words for a lesion's look follow from the answer: no group of women.
_OF_THE_ANSWER = ("label", "pathology", "abnormality", "finding", "quality_flags", "fold")


def known_columns(run: Run, predictions: Predictions) -> dict[str, Sequence[str]]:
    """Column of the run's cases.csv -> values of these cases, for columns that tell groups of them apart and
    do not follow from the answer."""
    from models.runs.cases import read_cases

    table = read_cases(run)
    if table is None:
        return {}
    found = table.of(predictions)
    return {
        name: values
        for name, values in found.items()
        if name not in _OF_THE_ANSWER and _tells_apart(values.tolist())
    }


def subgroup_parts(
    predictions: Predictions, columns: dict[str, Sequence[str]], positive: str, threshold: float
) -> list[Part]:
    """A table a column, and above them what falls clearly below the rest."""
    from models.evaluation.subgroups import subgroups

    tables: list[Part] = []
    below: list[str] = []
    for column, values in columns.items():
        groups = subgroups(predictions, values, column, positive=positive, threshold=threshold)
        below += [f"{spoken(column)} {group.below}" for group in groups if group.below]
        tables.append(_table(column, groups))
    if below:
        return [*(Text(sentence, "warning") for sentence in below), *tables]
    quiet = (
        "No subgroup falls clearly below the others. Small groups can hide a difference: see the intervals."
    )
    return [Text(quiet), *tables] if tables else []


def spoken(column: str) -> str:
    """A column's name for people: "age_group" -> "Age group"."""
    return _SPOKEN.get(column, column.replace("_", " ").capitalize())


_SPOKEN = {"n_lesions": "Lesions", "birads": "BI-RADS", "lesion_size": "Lesion size"}
_CAPTIONS = {"lesion_size": "Lesion size: the share of the image that the lesion's mask covers."}


def _tells_apart(values: list[str]) -> bool:
    """Whether at least two values have cases enough to be measured, or the values are many numbers."""
    counts = Counter(value for value in values if value)
    return sum(n >= LEAST_CASES for n in counts.values()) > 1 or len(counts) > MOST_VALUES


def _table(column: str, groups: Sequence[Subgroup]) -> Table:
    rows = []
    for group in groups:
        figures = (told(group.metrics[name], 2) for name in ("auc", "sensitivity", "specificity", "ppv"))
        rows.append((group.value, group.n, group.positives, *figures))
    return Table((spoken(column), *COLUMNS), tuple(rows), _CAPTIONS.get(column, ""))
