"""Everything between a listed item and its row, for one run or several: read, scored, steps done.

The local pipeline gives the three parts to threads of their own; an actor on Ray calls `Scorer.score`. Both
so come to the same verdicts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.batch.item import FAILED, OK, REFUSED, UNREADABLE, Item, Row, Score
from models.batch.plan import check_runs, steps_of
from models.batch.step import ScoredCase
from models.batch.storage import refusal, storage_fault
from models.batch.unnamed import unnamed
from models.engines.onnx import ActivationMemo
from models.errors import BadInput
from models.runs.pieces import cut_note
from models.study.dicom.facts import FOREIGN_CODES

if TYPE_CHECKING:
    from models.batch.step import Step
    from models.engines import Engine, Explained, Scores
    from models.inputs import InputSpec, Prepared
    from models.runs import Run
    from models.study import Study

MIXED = "mixed"
NOTICE = "notice"
"""Column of what a step refused, and of a mask that could not be used."""


@dataclass(frozen=True, eq=False)
class ReadItem:
    """An item that was read and prepared for every run that takes it; it can be pickled.

    prepared: run id -> the run's input. refusals: run id -> why that run does not take it. study, mask: kept
    where steps look at them, else None. row: what became of it where no run is to score it.
    """

    item: Item
    prepared: Mapping[str, Prepared] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    study: Study | None = None
    mask: np.ndarray | None = None
    notices: tuple[str, ...] = ()
    row: Row | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the pictures it keeps."""
        tensors = {id(one): one.tensor.nbytes for one in self.prepared.values()}
        kept = (self.study.samples if self.study else None, self.mask)
        return sum(tensors.values()) + sum(array.nbytes for array in kept if array is not None)


@dataclass(frozen=True, eq=False)
class Inferred:
    """What the runs said of one item: run id -> its share of an engine's answer, and its place there."""

    answers: Mapping[str, tuple[Explained | Scores, int]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)


class Scorer:
    """One batch's runs and steps. It can be pickled; engines are opened where they are first needed.

    folder: below which steps may write. Any part may be called from many threads.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        steps: Mapping[str, Sequence[Step]] | Sequence[Step] = (),
        engine: str | None = None,
        folder: Path = Path(),
    ) -> None:
        check_runs(runs)
        self.runs, self.kind, self.folder = tuple(runs), engine, Path(folder)
        self.steps = {run.id: steps_of(steps, run.id) for run in self.runs}
        self._engines: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name not in ("_engines", "_lock")}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        vars(self).update(state, _engines={}, _lock=threading.Lock())

    @property
    def has_steps(self) -> bool:
        return any(self.steps.values())

    @property
    def engines(self) -> Mapping[str, Engine]:
        """Run id -> its engine, opened at the first call. BadInput as `models.engines.open_engine`."""
        from models.engines import open_engine
        from models.engines.shared import neighbours

        with self._lock:
            if not self._engines:
                opened = {run.id: open_engine(run, self.kind) for run in neighbours(self.runs)}
                self._engines = {run.id: opened[run.id] for run in self.runs}
            return self._engines

    def score(self, items: Sequence[Item]) -> list[Row]:
        """The rows of some items, in their order; the images of all of them are in memory at once.

        No file and no fault of one case ends it. BadInput where an engine cannot be opened or a step finds
        the disk full.
        """
        return self.score_read([self.read(item) for item in items])

    def score_read(self, found: Sequence[ReadItem]) -> list[Row]:
        """The same of items that were read elsewhere."""
        answers = self.infer(found)
        return [self.finish(one, answer) for one, answer in zip(found, answers, strict=True)]

    def read(self, item: Item) -> ReadItem:
        """Decode one item and prepare it for every run, each input specification once. Raises nothing."""
        if item.why or item.load is None:
            return ReadItem(item, row=row_of_item(item, UNREADABLE, item.why or "There is no file to read."))
        try:
            source = item.load()
            item = unnamed(item, source)
            return self._read(item, _study_of(item, source))
        except BadInput as problem:
            return ReadItem(item, row=row_of_item(item, UNREADABLE, str(problem)))
        except Exception as fault:
            return ReadItem(item, row=row_of_item(item, FAILED, told("Reading this file", fault)))

    def _read(self, item: Item, study: Study) -> ReadItem:
        facts = facts_of(study)
        refusals = {run.id: why for run in self.runs if (why := other_modality(run, study))}
        if len(refusals) == len(self.runs):
            row = row_of_item(item, REFUSED, refusals[self.runs[0].id], facts, refusals)
            return ReadItem(item, row=row)
        by_spec: dict[InputSpec, Prepared] = {}
        prepared = {}
        for run in self.runs:
            if run.id not in refusals:
                if run.inputs not in by_spec:
                    by_spec[run.inputs] = run.inputs.tensor(study)
                prepared[run.id] = by_spec[run.inputs]
        if not self.has_steps:
            return ReadItem(item, prepared, refusals, facts)
        mask, notices = _mask_of(item, study)
        return ReadItem(item, prepared, refusals, facts, study, mask, notices)

    def infer(self, found: Sequence[ReadItem]) -> list[Inferred]:
        """One call of each run's engine on all items that it takes; trunks that runs share compute once.

        Where a call fails, its images are asked one by one: the fault is then of those that fail alone.
        """
        engines, memo = self.engines, self._memo()
        answers: list[dict[str, tuple[Explained | Scores, int]]] = [{} for _ in found]
        faults: list[dict[str, str]] = [{} for _ in found]
        joined: dict[tuple[InputSpec, tuple[int, ...]], np.ndarray] = {}
        for run in self.runs:
            places = tuple(at for at, one in enumerate(found) if one.row is None and run.id in one.prepared)
            if not places:
                continue
            if (run.inputs, places) not in joined:
                tensors = [found[at].prepared[run.id].tensor for at in places]
                joined[run.inputs, places] = np.concatenate(tensors)
            engine = engines[run.id]
            ask = partial(engine.explain if self.steps[run.id] else engine.predict, memo=memo)
            for at, answer in zip(places, _answers(ask, joined[run.inputs, places]), strict=True):
                if isinstance(answer, str):
                    faults[at][run.id] = answer
                else:
                    answers[at][run.id] = answer
        return [Inferred(*pair) for pair in zip(answers, faults, strict=True)]

    def _memo(self) -> SharedActivations | None:
        """For one call of `infer`; None where no two runs share a trunk."""
        trunks = [branch.trunk for run in self.runs for branch in run.branches]
        return SharedActivations() if len(set(trunks)) < len(trunks) else None

    def finish(self, read: ReadItem, inferred: Inferred) -> Row:
        """The row: scores, then the steps of every run. BadInput where a step finds the disk full."""
        if read.row is not None:
            return read.row
        scores, refusals = {}, {**read.refusals, **inferred.faults}
        try:
            for run_id, (answer, at) in inferred.answers.items():
                scores[run_id] = Score(
                    tuple(answer.probabilities[at].tolist()),
                    tuple(answer.logits[at].tolist()),
                    self._extra(run_id, read, answer, at),
                )
        except _StepFault as fault:
            return row_of_item(read.item, FAILED, str(fault), read.facts)
        if not scores:
            return row_of_item(read.item, FAILED, next(iter(inferred.faults.values())), read.facts, refusals)
        item = read.item
        return Row(
            item.index,
            item.key,
            OK,
            label=item.label,
            patient_id=item.patient_id,
            group=item.group,
            scores=scores,
            refusals=refusals,
            facts=read.facts,
        )

    def _extra(self, run_id: str, read: ReadItem, answer: Explained | Scores, at: int) -> dict:
        """What the run's steps find; a column that one of them could not fill is None."""
        if not self.steps[run_id]:
            return {}
        case = ScoredCase(
            item=read.item,
            study=read.study,
            prepared=read.prepared[run_id],
            engine=self.engines[run_id],
            explained=answer.case(at),
            mask=read.mask,
            folder=self.folder,
        )
        note = cut_note(case.engine.run, read.study.height, read.study.width)
        extra, notices = {}, [*read.notices, *([note] if note else [])]
        for step in self.steps[run_id]:
            extra |= dict.fromkeys(step.columns)
            try:
                extra |= step(case)
            except Exception as fault:
                if full := storage_fault(fault):
                    raise refusal(self.folder, full) from fault
                if not isinstance(fault, BadInput):
                    raise _StepFault(told(f"The step {step.name}", fault)) from fault
                notices.append(str(fault))
        return extra | {NOTICE: " ".join(dict.fromkeys(notices)) or None}


class _StepFault(Exception):
    """A step failed in a way that is no one's input's."""


class SharedActivations(ActivationMemo):
    """As its base, for runs that are given the very same array: no digest of it is made, which takes longer
    than a small network."""

    def __init__(self) -> None:
        super().__init__()
        self._maps: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]] = {}

    def get(self, trunk: str, tensor: np.ndarray, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The activations of this array by the trunk of that digest."""
        key = (trunk, id(tensor))
        if key not in self._maps:
            self.computed += 1
            self._maps[key] = tensor, compute()  # the array is kept: its place in memory is its name
        return self._maps[key][1]


def _answers(
    ask: Callable[[np.ndarray], Explained | Scores], tensor: np.ndarray
) -> list[tuple[Explained | Scores, int] | str]:
    """(answer, place in it) of each image of a tensor, or the sentence of what went wrong with it."""
    try:
        answer = ask(tensor)
        return [(answer, at) for at in range(len(tensor))]
    except Exception as fault:
        if len(tensor) == 1:
            return [str(fault) if isinstance(fault, BadInput) else told("The network", fault)]
        return [one for at in range(len(tensor)) for one in _answers(ask, tensor[at : at + 1])]


def _study_of(item: Item, source: bytes | Path) -> Study:
    from models.study import MODALITIES, read_study

    chosen = {"frame": item.frame} if item.frame else {}
    study = read_study(source, item.name, **chosen)
    if study.modality is None and item.modality in MODALITIES:
        study = replace(study, modality=item.modality)
    return study


def _mask_of(item: Item, study: Study) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The item's mask, or None with a sentence where it cannot be used."""
    from models.study import mask_for, read_mask

    if item.mask is None:
        return None, ()
    try:
        return mask_for(study, read_mask(item.mask(), f"the mask of {item.name}")), ()
    except BadInput as problem:
        return None, (str(problem),)


def other_modality(run: Run, study: Study) -> str:
    """A sentence where the image is known to be of another modality than the run's, else ""."""
    if study.dicom and study.dicom.modality in FOREIGN_CODES:
        return f"This is {study.dicom.modality}, which no run is made for: leave it out."
    if study.modality is None or run.modality in (MIXED, study.modality):
        return ""
    return (
        f"This is {study.modality} and the run {run.id} was trained on {run.modality}: "
        f"choose a run of {study.modality}."
    )


def facts_of(study: Study) -> dict[str, float | int | str | None]:
    """What the table says of an image: nothing that could lead to a person."""
    down, across = study.spacing_mm or (None, None)
    return {
        "modality": study.modality,
        "laterality": study.laterality,
        "view": study.view,
        "width": study.width,
        "height": study.height,
        "row_spacing_mm": down,
        "column_spacing_mm": across,
    }


FACTS = ("modality", "laterality", "view", "width", "height", "row_spacing_mm", "column_spacing_mm")


def row_of_item(
    item: Item,
    status: str,
    why: str,
    facts: Mapping[str, float | int | str | bool | None] | None = None,
    refusals: Mapping[str, str] | None = None,
) -> Row:
    """The row of an item that no run scored."""
    return Row(
        item.index,
        item.key,
        status,
        why,
        item.label,
        item.patient_id,
        item.group,
        refusals=refusals or {},
        facts=facts or {},
    )


def told(what: str, fault: BaseException) -> str:
    """A fault of this program in one sentence: its type, and not its text, which may quote a file."""
    return f"{what} failed with {type(fault).__name__}, a fault of this program."
