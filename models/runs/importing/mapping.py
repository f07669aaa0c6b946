"""Which column of a stranger's table is what: guessed from names and values, corrected by a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.runs.cases import AGES, COLUMNS
from models.runs.importing.table import Table

SCALES = ("probability", "percent", "logit")
_NAMES = {
    "label": (
        "y_true", "label", "true_label", "ground_truth", "groundtruth", "gt", "target", "truth", "true",
        "actual", "diagnosis", "y", "class", "outcome", "labels", "targets",
    ),
    "score": (
        "y_score", "score", "probability", "y_prob", "y_proba", "prob", "proba", "y_pred_proba", "p", "y_hat",
        "confidence", "malignancy_score", "risk", "y_pred", "pred", "prediction", "output", "scores",
        "logit", "logits",
    ),
    "case_id": (
        "case_id", "image_id", "case", "image", "id", "file", "filename", "file_name", "image_name", "path",
        "filepath", "image_path", "name", "study_id", "sample_id",
    ),
    "patient_id": (
        "patient_id", "patient", "patientid", "patient_or_case_id", "subject_id", "subject", "p_id", "pid",
    ),
    "group": ("group", "dup_group", "cluster"),
    "split": ("split", "part", "subset", "partition", "set", "phase"),
}  # fmt: skip
_PROBABILITY = re.compile(
    r"(?:p|prob|proba|probability|score|y_score|y_prob|y_proba|y_pred|softmax)[ _.:-]+(?:of[ _])?(.+)",
    re.IGNORECASE,
)
POSITIVE_WORDS = (
    "malignant", "cancer", "positive", "pos", "idc", "carcinoma", "tumor", "tumour", "abnormal", "mass",
    "disease", "suspicious", "true", "yes", "1", "m",
)  # fmt: skip
_YES, _NO = ("1", "true", "yes", "positive", "pos"), ("0", "false", "no", "negative", "neg")
_MOST_CLASSES = 50
#: What a cell of labels says where nobody knows: never a class, unless one is called so.
NO_LABEL = frozenset(
    ("", "?", "-", "na", "n/a", "nan", "null", "unknown", "not stated", "missing", "unlabelled")
)
_NOT = re.compile(r"(?:no|non|not|without)[^a-z]", re.IGNORECASE)
LEAST_OUTSIDE = 0.25
"""Share of numbers outside 0..1 from which on they are no probabilities."""


@dataclass(frozen=True)
class Mapping:
    """Columns of a table by what they hold; None where the table has no such column.

    Either `score` (one column, of the positive class, two classes) or `probabilities` (class -> column, every
    class) is given. classes: in the order of the run; positive: one of them. labels: cell of the label column
    -> class; a cell that is not listed means the class of that name or, for "0", "1", ..., of that place (of
    two classes 1 is the positive one). scale: what the numbers are, one of SCALES ("logit": a sigmoid of
    `score`, a softmax of `probabilities`).
    """

    case_id: str | None = None
    label: str | None = None
    score: str | None = None
    probabilities: dict[str, str] | None = None
    classes: tuple[str, ...] = ("negative", "positive")
    positive: str = "positive"
    patient_id: str | None = None
    group: str | None = None
    split: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    scale: str = "probability"


def guess_mapping(table: Table) -> Mapping:
    """The likeliest mapping; what cannot be told from names and values is None, or the usual."""
    plain = {_plain(name): name for name in reversed(table.columns)}
    found = {role: next((plain[n] for n in names if n in plain), None) for role, names in _NAMES.items()}
    cells = table.column(found["label"]) if found["label"] else []
    probabilities = _probabilities(table, found, tuple(dict.fromkeys(cells)))
    values = [cell for cell in dict.fromkeys(cells) if cell.casefold() not in NO_LABEL]
    if probabilities and len(probabilities) == 1:
        ((only, column),) = probabilities.items()
        if found["score"] is None or _plain(found["score"]) in ("y_pred", "pred", "prediction", "output"):
            found["score"] = column
            return _binary(table, found, values, only)
        probabilities = None
    if not probabilities and found["score"] is None:
        found["score"] = _only_numbers(table, found)
    if probabilities:
        found["score"] = None
        classes = tuple(probabilities)
        return Mapping(
            **found,
            probabilities=probabilities,
            classes=classes,
            positive=_positive(classes),
            scale=_scale(table, list(probabilities.values())),
        )
    return _binary(table, found, values, None)


def _binary(table: Table, found: dict[str, str | None], values: list[str], named: str | None) -> Mapping:
    """One score: two classes, after the labels' words where there are any."""
    words = [value for value in values if value.casefold() not in (*_YES, *_NO) and not _is_number(value)]
    labels: dict[str, str] = {}
    classes, positive = ("negative", "positive"), "positive"
    if words and len(values) <= _MOST_CLASSES:
        positive = named if named in words else _positive(words)
        others = [word for word in words if word != positive]
        rest = others[0] if len(others) == 1 else "other"
        classes = (rest, positive)
        labels = {word: rest for word in others if word != rest}
    elif named and not _is_number(named):
        classes, positive = (f"not {named}", named), named
        labels = {"0": classes[0], "1": named}
    scale = _scale(table, [found["score"]]) if found["score"] else "probability"
    return Mapping(**found, classes=classes, positive=positive, labels=labels, scale=scale)


def _probabilities(
    table: Table, found: dict[str, str | None], values: Sequence[str]
) -> dict[str, str] | None:
    """Class -> column: p_<class> and the like, or columns that are named as the labels are."""
    taken = {column for role, column in found.items() if column and role != "score"}
    known = {name for names in _NAMES.values() for name in names}
    prefixed = {
        match[1]: name
        for name in table.columns
        if name not in taken and _plain(name) not in known and (match := _PROBABILITY.fullmatch(name.strip()))
    }
    prefixed = {label: name for label, name in prefixed.items() if _numeric(table, name)}
    if prefixed:
        return prefixed
    folded = {value.casefold(): value for value in values}
    alike = {
        folded[name.casefold()]: name
        for name in table.columns
        if name.casefold() in folded and name not in taken and not _is_number(name)
    }
    return alike if len(alike) > 1 else None


def _only_numbers(table: Table, found: dict[str, str | None]) -> str | None:
    """Beside labels: the one column of fractions that has no other role and is no fact of a case."""
    from models.runs.importing.numbers import numbers_or_none

    facts = {name for key, others in COLUMNS.items() for name in (key, *others)} | set(AGES)
    taken = {column for column in found.values() if column}
    fractions = []
    for name in table.columns if found["label"] else ():
        values = None if name in taken or name.casefold() in facts else numbers_or_none(table, name)
        if values is not None and (np.isfinite(values) & (values != np.round(values))).any():
            fractions.append(name)
    return fractions[0] if len(fractions) == 1 else None


def _positive(classes: Sequence[str]) -> str:
    for word in POSITIVE_WORDS:
        for name in classes:
            if name.casefold() == word:
                return name
    likely = [name for name in classes if not _NOT.match(name)]
    return next(
        (name for word in POSITIVE_WORDS[:9] for name in likely if word in name.casefold()), classes[-1]
    )


def _numeric(table: Table, column: str) -> bool:
    from models.runs.importing.numbers import numbers_or_none

    return numbers_or_none(table, column) is not None


def _scale(table: Table, columns: Sequence[str]) -> str:
    """What numbers these look like. A few outside 0..1 are mistakes to be named, not another scale."""
    from models.runs.importing.numbers import numbers_or_none

    values = [numbers_or_none(table, column) for column in columns]
    joined = np.concatenate([each[np.isfinite(each)] for each in values if each is not None] or [np.zeros(0)])
    if not len(joined) or np.mean((joined < 0) | (joined > 1)) < LEAST_OUTSIDE:
        return "probability"
    # Without a negative one they may be counts or grey levels: whose logits are all positive has to say so.
    if joined.min() >= 0:
        return "percent" if joined.max() <= 100 and np.mean(joined > 1) > 0.5 else "probability"
    return "logit"


def _plain(name: str) -> str:
    return re.sub(r"[\s.-]+", "_", name.strip().casefold())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
