"""What the columns of an uploaded table mean: guessed, shown, corrected by the visitor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from models.runs.importing import Mapping, Table
from pages.ui.importing.upload import Upload
from pages.ui.plain_text import plain

MOST_VALUES = 12
"""Label values that are listed to choose from; a column of more is hardly one of labels."""
SCALES = {"probability": "Probabilities", "percent": "Percent", "logit": "Logits"}
ONE, EACH = "One score", "One per class"
_YES = {"1", "1.0", "true", "yes", "positive", "pos"}
_UNDERSTOOD = _YES | {"0", "0.0", "false", "no", "negative", "neg"}
_PREFIX = re.compile(r"^(?:p|prob|proba|probability|score|softmax)[ _.:-]+(?:of[ _])?", re.IGNORECASE)


def ask_mapping(upload: Upload) -> Mapping:
    """Ask what the columns mean, beginning with the guess. BadInput where the file is no table."""
    ask, guessed = _Asker(upload.table, upload.mark), upload.guessed
    left, right = st.columns(2)
    with left:
        label = ask.column("Label (the truth)", guessed.label, "label", "none: no labels")
    found = upload.values(label) if label else ()
    found = found if len(found) <= MOST_VALUES else ()
    form = right.segmented_control(
        "Scores", (ONE, EACH), default=EACH if guessed.probabilities else ONE, required=True,
        key=ask.key("form"), persist_state="session",
        help="One column for the positive class of two, or a column for every class.",
    )  # fmt: skip
    mapping = replace(guessed, label=label)
    mapping = _one_score(ask, mapping, found) if form == ONE else _each_class(ask, mapping, found)
    scale = st.segmented_control(
        "The numbers are", list(SCALES), format_func=SCALES.get, default=guessed.scale, required=True,
        key=ask.key("scale"), persist_state="session",
    )  # fmt: skip
    with st.expander("Case, patient, group and split", key=ask.key("more")):
        left, right = st.columns(2)
        with left:
            case_id = ask.column("Case", guessed.case_id, "case_id", "none: its row")
            group = ask.column("Group that belongs together", guessed.group, "group", "none")
        with right:
            patient_id = ask.column("Patient", guessed.patient_id, "patient_id", "none: one a case")
            split = ask.column("Part of the split", guessed.split, "split", "none: all are test cases")
    return replace(mapping, scale=scale, case_id=case_id, group=group, patient_id=patient_id, split=split)


class _Asker:
    """Widgets that belong to one upload."""

    def __init__(self, table: Table, mark: str) -> None:
        self.columns = table.columns
        self._mark = mark

    def key(self, role: str) -> str:
        return f"import_{role}_{self._mark}"

    def column(self, words: str, guessed: str | None, role: str, nothing: str) -> str | None:
        """A column of the table, or None."""
        index = self.columns.index(guessed) if guessed in self.columns else None
        return st.selectbox(
            words, self.columns, index, key=self.key(role), placeholder=nothing, persist_state="session",
            filter_mode="contains",
        )  # fmt: skip


def _one_score(ask: _Asker, mapping: Mapping, found: Sequence[str]) -> Mapping:
    """One column, of the positive one of two classes."""
    score = ask.column("Score of the positive class", mapping.score, "score", "choose a column")
    chosen: list[str] = []
    if found:
        likely = [value for value in found if _positive_label(value, mapping)]
        chosen = st.multiselect(
            "Labels that are positive", found, likely, key=ask.key(f"positive_{mapping.label}"),
            persist_state="session", placeholder="choose at least one",
        )  # fmt: skip
    guessed = mapping.classes if len(mapping.classes) == 2 else ("other", mapping.positive)
    left, right = st.columns(2)
    negative = left.text_input("Name of the negative class", guessed[0], 120, key=ask.key("negative"))
    positive = right.text_input("Name of the positive class", guessed[1], 120, key=ask.key("called"))
    classes = ((negative or "").strip(), (positive or "").strip())
    labels = {value: classes[value in chosen] for value in found}
    return replace(
        mapping, score=score, probabilities=None, classes=classes, positive=classes[1], labels=labels
    )


def _each_class(ask: _Asker, mapping: Mapping, found: Sequence[str]) -> Mapping:
    """A column a class; a label that is neither a class's name nor a number is asked for."""
    guessed = {column: name for name, column in (mapping.probabilities or {}).items()}
    columns = st.multiselect(
        "Columns of scores, one for each class", ask.columns, list(guessed), key=ask.key("columns"),
        persist_state="session", placeholder="choose two or more",
    )  # fmt: skip
    names = {column: guessed.get(column) or _PREFIX.sub("", column) for column in columns}
    for column, place in zip(columns, _abreast(len(columns)), strict=True):
        named = place.text_input(f"{plain(column)} means", names[column], 120, key=ask.key(f"class_{column}"))
        names[column] = (named or "").strip()
    classes = tuple(names.values())
    index = classes.index(mapping.positive) if mapping.positive in classes else len(classes) - 1
    positive = st.selectbox(
        "Positive class", classes, index if classes else None, key=ask.key(f"positive_{classes}"),
        filter_mode=None, placeholder="choose columns first",
    )  # fmt: skip
    known = {name.casefold() for name in classes} | _UNDERSTOOD
    strangers = [value for value in found if value.casefold() not in known and not value.isdecimal()]
    labels = {}
    for value, place in zip(strangers, _abreast(len(strangers)), strict=True):
        meaning = place.selectbox(
            f"Label {plain(value)} means", classes, None, key=ask.key(f"label_{value}_{classes}"),
            filter_mode=None, placeholder="choose a class",
        )  # fmt: skip
        labels |= {value: meaning} if meaning else {}
    return replace(
        mapping,
        score=None,
        probabilities={name: column for column, name in names.items()},
        classes=classes,
        positive=positive or "",
        labels=labels,
    )


def _positive_label(value: str, mapping: Mapping) -> bool:
    named = mapping.labels.get(value, value)
    return named.casefold() == mapping.positive.casefold() or value.casefold() in _YES


def _abreast(count: int, most: int = 3) -> list:
    """Places for so many small widgets, a few a row."""
    rows = [st.columns(most) for _ in range(0, count, most)]
    return [place for row in rows for place in row][:count]
