"""The rows of a batch as columns, growing while it is at work: what is counted and drawn."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from models.batch import OK, Row
from models.batch.scoring import NOTICE
from xai.batch.steps import CAUTIONS, FAMILIAR, HEATMAP, PERCENTILE, THUMBNAIL

if TYPE_CHECKING:
    from models.batch.results import BatchRun
    from xai.batch.triage import Disagreement

Value = float | int | str | bool | None


class Column:
    """Values of one kind as they come. Numbers take eight bytes each, words are kept once."""

    def __init__(self, before: int = 0) -> None:
        self._numbers = array("d", [math.nan]) * before
        self._codes: array | None = None
        self._words: dict[str, int] = {}

    def put(self, value: Value) -> None:
        if isinstance(value, str):
            if self._codes is None:
                self._codes = array("l", [-1]) * len(self._numbers)
            self._codes.append(self._words.setdefault(value, len(self._words)))
            self._numbers.append(math.nan)
            return
        self._numbers.append(math.nan if value is None else float(value))
        if self._codes is not None:
            self._codes.append(-1)

    def numbers(self, n: int) -> np.ndarray:
        """float64 [n] of the first n; NaN for words and where there is none."""
        # A copy: an array that numpy looks into cannot grow.
        return np.frombuffer(self._numbers[:n], np.float64) if n else np.empty(0)

    def texts(self, n: int) -> np.ndarray:
        """object [n] of str; "" where there is none, numbers as they are said."""
        if self._codes is None:
            return np.array(["" if math.isnan(v) else f"{v:g}" for v in self._numbers[:n]], dtype=object)
        known = np.array([*list(self._words), ""], dtype=object)
        return known[np.array(self._codes[:n], dtype=np.int64)]

    def knows(self, word: str) -> bool:
        return word in self._words


@dataclass
class _Asked:
    """What one run said: a column a class, one a thing the steps found, and why it refused."""

    run: BatchRun
    probabilities: list[Column]
    extra: dict[str, Column] = field(default_factory=dict)
    refusals: Column = field(default_factory=Column)


class Growing:
    """The rows of one batch in the order in which they came. Rows are only ever added."""

    def __init__(self, runs: Sequence[BatchRun]) -> None:
        self.count = 0
        self.common = {name: Column() for name in ("index", "key", "status", "why", "label", "patient_id")}
        self.facts: dict[str, Column] = {}
        self.asked = {run.id: _Asked(run, [Column() for _ in run.classes]) for run in runs}

    def take(self, rows: Iterable[Row]) -> None:
        """Add rows; one whose key is there already is passed over."""
        for row in rows:
            if self.common["key"].knows(row.key):
                continue
            for name, column in self.common.items():
                column.put(getattr(row, name))
            _put_named(self.facts, row.facts, self.count)
            for run_id, asked in self.asked.items():
                self._put_answer(asked, row, run_id)
            self.count += 1

    def _put_answer(self, asked: _Asked, row: Row, run_id: str) -> None:
        score = row.scores.get(run_id)
        for place, column in enumerate(asked.probabilities):
            column.put(None if score is None else score.probabilities[place])
        _put_named(asked.extra, {} if score is None else score.extra, self.count)
        asked.refusals.put(row.refusals.get(run_id, ""))

    def results(self) -> Results:
        """All rows so far."""
        return Results(self, self.count)


def _put_named(columns: dict[str, Column], values: dict[str, Value] | Any, before: int) -> None:
    for name in values:
        if name not in columns:
            columns[name] = Column(before)
    for name, column in columns.items():
        column.put(values.get(name))


@dataclass(frozen=True, eq=False)
class Answers:
    """What one run said of every row. probabilities: float64 [n, C], NaN where it said nothing. chance:
    float64 [n], of its positive class. called: int64 [n], the class it calls, -1 for none."""

    run: BatchRun
    probabilities: np.ndarray
    chance: np.ndarray
    called: np.ndarray

    @property
    def scored(self) -> np.ndarray:
        """bool [n]"""
        return self.called >= 0

    @property
    def positive(self) -> np.ndarray:
        """bool [n]: called the positive class."""
        return self.called == self.run.classes.index(self.run.positive)

    def verdicts(self) -> np.ndarray:
        """object [n] of str: the class called, "" for none."""
        return np.array([*self.run.classes, ""], dtype=object)[self.called]


class Results:
    """The first n rows of a batch, as columns that are made when they are asked for."""

    def __init__(self, growing: Growing, n: int) -> None:
        self._growing, self.n = growing, n
        self._kept: dict[object, Any] = {}
        self.runs = tuple(asked.run for asked in growing.asked.values())

    def __len__(self) -> int:
        return self.n

    @property
    def indices(self) -> np.ndarray:
        """int64 [n]: each row's place in the input, from 0."""
        return self.once("indices", lambda: self._growing.common["index"].numbers(self.n).astype(np.int64))

    def text(self, name: str) -> np.ndarray:
        """object [n] of str: "key", "status", "why", "label" or "patient_id"."""
        return self.once(("text", name), lambda: self._growing.common[name].texts(self.n))

    @property
    def facts(self) -> tuple[str, ...]:
        return tuple(self._growing.facts)

    def fact(self, name: str) -> np.ndarray:
        """object [n] of str: what is known of the images themselves; "" where nothing is."""
        column = self._growing.facts.get(name)
        if column is None:
            return np.full(self.n, "", dtype=object)
        return self.once(("fact", name), lambda: column.texts(self.n))

    def extras(self, run_id: str) -> tuple[str, ...]:
        """What the steps found with this run."""
        return tuple(self._growing.asked[run_id].extra)

    def extra_text(self, run_id: str, name: str) -> np.ndarray:
        """object [n] of str."""
        column = self._growing.asked[run_id].extra.get(name)
        if column is None:
            return np.full(self.n, "", dtype=object)
        return self.once(("words", run_id, name), lambda: column.texts(self.n))

    def extra_number(self, run_id: str, name: str) -> np.ndarray:
        """float64 [n]; NaN where there is none."""
        column = self._growing.asked[run_id].extra.get(name)
        if column is None:
            return np.full(self.n, np.nan)
        return self.once(("numbers", run_id, name), lambda: column.numbers(self.n))

    def refusals(self, run_id: str) -> np.ndarray:
        """object [n] of str: why this run alone refused the image."""
        return self.once(("refusals", run_id), lambda: self._growing.asked[run_id].refusals.texts(self.n))

    def answers(self, run_id: str) -> Answers:
        return self.once(("answers", run_id), lambda: self._answers(run_id))

    @property
    def read(self) -> np.ndarray:
        """bool [n]: read, and scored by a run at least."""
        return self.once("read", lambda: self.text("status") == OK)

    def counts(self) -> dict[str, int]:
        """Rows by status."""
        return self.once("counts", lambda: _counted(self.text("status")))

    def heatmaps(self, run_id: str) -> np.ndarray:
        """object [n] of str: the overlays' files below the batch's folder; "" where there is none."""
        return self.extra_text(run_id, HEATMAP)

    def thumbnails(self, run_id: str) -> np.ndarray:
        """object [n] of str: small pictures of the images alone, likewise; another run's where this one
        refused the image."""
        found = self.extra_text(run_id, THUMBNAIL)
        for run in self.runs:
            if run.id != run_id and THUMBNAIL in self.extras(run.id):
                found = np.where(found == "", self.extra_text(run.id, THUMBNAIL), found)
        return found

    def has_pictures(self, run_id: str) -> bool:
        """Whether any row has a picture."""

        def looked() -> bool:
            return any(self.heatmaps(run_id)) or any(self.thumbnails(run_id))

        return self.once(("pictures", run_id), looked)

    def percentile(self, run_id: str) -> np.ndarray:
        """float64 [n], 0..100: share of the run's held-out images that lie nearer to its training images."""
        return self.extra_number(run_id, PERCENTILE)

    @property
    def labelled(self) -> int:
        """Scored rows with a label."""
        return self.once("labelled", lambda: int(((self.text("label") != "") & self.read).sum()))

    def position(self, index: int) -> int | None:
        """Where the row of that place in the input is."""
        found = np.flatnonzero(self.indices == index)
        return int(found[0]) if len(found) else None

    def ordered(self, order: str, run_id: str) -> np.ndarray:
        """int [n]: positions of all rows in one of the orders of `xai.batch.triage`."""
        from xai.batch.triage import order as in_order

        return self.once(("order", order, run_id), lambda: in_order(self, order, run_id))

    def disagreement(self) -> Disagreement:
        """How the runs differ on each row."""
        from xai.batch.triage import disagreement

        return self.once("disagreement", lambda: disagreement(self))

    def cautions(self, run_id: str) -> np.ndarray:
        """object [n] of str: kinds of the map's warnings with spaces between."""
        return self.extra_text(run_id, CAUTIONS)

    def notices(self, run_id: str) -> np.ndarray:
        """object [n] of str: what a step had to say."""
        return self.extra_text(run_id, NOTICE)

    def familiar(self, run_id: str) -> np.ndarray:
        """object [n] of str: the level of `xai.guards.Familiar`, "" where it was not asked."""
        return self.extra_text(run_id, FAMILIAR)

    def with_words(self, words: dict[str, np.ndarray]) -> Results:
        """The same rows with other values, object [n] of str, of columns that `text` gives."""
        other = Results(self._growing, self.n)
        other._kept = self._kept | {("text", name): values for name, values in words.items()}
        other._kept.pop("labelled", None)
        return other

    def _answers(self, run_id: str) -> Answers:
        from models.evaluation import predicted_classes

        asked = self._growing.asked[run_id]
        run = asked.run
        p = np.stack([column.numbers(self.n) for column in asked.probabilities], axis=1)
        place = run.classes.index(run.positive)
        called = np.full(self.n, -1, dtype=np.int64)
        scored = ~np.isnan(p).any(axis=1)
        if scored.any():
            called[scored] = predicted_classes(p[scored], run.threshold, place)
        return Answers(run, p, p[:, place], called)

    def once(self, key: object, make: Any) -> Any:
        """What `make` gives, made once for these rows."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def _counted(values: np.ndarray) -> dict[str, int]:
    names, sizes = np.unique(values.astype(str), return_counts=True)
    return dict(zip(names.tolist(), sizes.tolist(), strict=True))
