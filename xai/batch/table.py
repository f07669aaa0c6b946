"""A batch as one flat table: a row a case, what every run said of it side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.batch import OK

if TYPE_CHECKING:
    from models.batch import Row
    from xai.batch.triage import AskedRun

Labels = Mapping[str, str]
"""Key of a row -> its label, over what the row itself says."""
Cell = float | int | str | bool | None
_COMMON = ("case_id", "patient_id", "group", "label", "status", "why")


@dataclass(frozen=True)
class FlatTable:
    """Its columns, found in a first pass through the rows.

    columns: names, none twice. kinds: "text", "number" or "truth" of each. ascii: whether every text is.
    Columns of several runs begin with the run's id and a dot; of one run they stand alone.
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    ascii: bool
    _batch: Any
    _facts: tuple[str, ...]
    _extras: Mapping[str, tuple[str, ...]]
    _labels: Labels

    def rows(self) -> Iterator[list[Cell]]:
        """The cells of every row, in the order of `columns`, one row in memory at a time."""
        for row in self._batch.rows():
            cells: list[Cell] = [row.key, row.patient_id, row.group, self._labels.get(row.key, row.label)]
            cells += [row.status, row.why, *(row.facts.get(name) for name in self._facts)]
            for run in self._batch.runs:
                cells += self._of_run(row, run)
            yield cells

    def _of_run(self, row: Row, run: AskedRun) -> list[Cell]:
        score = row.scores.get(run.id)
        if score is None:
            # Of one run the row's own reason says it already.
            why = row.refusals.get(run.id, "") if row.status == OK else ""
            nothing = len(run.classes) + len(self._extras[run.id])
            return ["", *[None] * nothing, why]
        extra = [score.extra.get(name) for name in self._extras[run.id]]
        return [called(score.probabilities, run), *score.probabilities, *extra, ""]


def flat_table(batch, labels: Labels | None = None) -> FlatTable:
    """The table of a `models.batch.results.Batch`; it goes through its rows once."""
    facts: dict[str, str] = {}
    extras = {run.id: dict.fromkeys(run.columns, "") for run in batch.runs}
    plain = True
    for row in batch.rows():
        plain = plain and row.key.isascii() and row.why.isascii() and row.label.isascii()
        plain = plain and row.patient_id.isascii() and row.group.isascii()
        plain = _seen(facts, row.facts) and plain
        for run_id, score in row.scores.items():
            plain = _seen(extras[run_id], score.extra) and plain
    names, kinds = [*_COMMON, *facts], ["text"] * len(_COMMON) + list(facts.values())
    for run in batch.runs:
        before = f"{run.id}." if len(batch.runs) > 1 else ""
        own = ["called", *(f"p_{name}" for name in run.classes), *extras[run.id], "refused"]
        names += [f"{before}{name}" for name in own]
        kinds += ["text", *["number"] * len(run.classes), *extras[run.id].values(), "text"]
    plain = plain and all(name.isascii() for name in names) and not labels
    own_extras = {run_id: tuple(found) for run_id, found in extras.items()}
    return FlatTable(
        _unlike(names), tuple(kind or "text" for kind in kinds), plain, batch, tuple(facts), own_extras,
        labels or {},
    )  # fmt: skip


def called(probabilities: Sequence[float], run: AskedRun) -> str:
    """The class a run calls: of two the positive one from the threshold on, of more the most probable."""
    place = run.classes.index(run.positive)
    if len(run.classes) == 2:
        return run.positive if probabilities[place] >= run.threshold else run.classes[1 - place]
    return run.classes[max(range(len(run.classes)), key=probabilities.__getitem__)]


_KINDS = {float: "number", int: "number", bool: "truth", str: "text", type(None): ""}


def _seen(kinds: dict[str, str], values: Mapping[str, Cell]) -> bool:
    """Note the kind of every value, text where a column has several; whether all its texts are ASCII."""
    plain = True
    for name, value in values.items():
        kind = _KINDS[type(value)]
        if kind == "text" and not value.isascii():
            plain = False
        known = kinds.get(name)
        if known == kind or (not kind and known is not None):
            continue
        kinds[name] = "text" if known and kind else kind
    return plain


def _unlike(names: Sequence[str]) -> tuple[str, ...]:
    """The names, one that comes again with a number behind it."""
    found: dict[str, None] = {}
    for name in names:
        other, count = name, 2
        while other in found:
            other, count = f"{name} ({count})", count + 1
        found[other] = None
    return tuple(found)
