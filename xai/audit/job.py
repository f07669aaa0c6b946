"""An audit as work that can be watched, stopped and gone on with: what is done is not done again."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import BadInput
from xai.audit.cases import AuditedCase, Questions, decode, measure_case
from xai.audit.faithful import Faithfulness
from xai.audit.journal import Journal
from xai.audit.randomised import randomisation_of, undefined
from xai.audit.table import MeasureTable, table_of
from xai.audit.thresholds import Threshold, readable, tuned, untuned
from xai.methods import (
    DEFAULT_METHOD,
    METHODS,
    Cancelled,
    Request,
    Target,
    check_method,
    passes,
    why_not,
)

if TYPE_CHECKING:
    from models.data.manifest import Case
    from models.engines import Engine
    from models.runs import Run

TUNING_CASES = 100
NO_MASKS = "No case of the manifest has a mask, so there is nothing to hold the maps against."
NOT_ASKED = "weight randomisation was left out of this audit"
# The network and everything else keep this many cores busy.
WORKERS = 2

Watch = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Audit:
    """What has been measured of a run so far, or all of it.

    cases: in the order asked. skipped: {"file", "why"} of what could not be used. asked: cases that there
    were to measure. thresholds: method or baseline -> what was tuned. randomisation: the document's entry,
    None where it was not reached. engine: the name of what computed it.
    """

    run: Run
    questions: Questions
    cases: tuple[AuditedCase, ...]
    skipped: tuple[dict[str, str], ...]
    asked: int
    thresholds: dict[str, Threshold] = field(default_factory=dict)
    randomisation: dict[str, Any] | None = None
    engine: str = ""

    @property
    def complete(self) -> bool:
        """Whether every case was measured or skipped."""
        return len(self.cases) + len(self.skipped) >= self.asked

    @property
    def groups(self) -> dict[str, str]:
        """Case id -> group, for the intervals."""
        return {case.case_id: case.group for case in self.cases}

    def table(self) -> MeasureTable:
        """The content of `xai.csv`."""
        names = dict.fromkeys(name for case in self.cases for row in case.rows for name in row.measures)
        return table_of((row for case in self.cases for row in case.table_rows()), list(names))


class AuditJob:
    """The audit of one run on some cases.

        job = AuditJob(run, engine, cases, labels, ("grad-cam", "layercam"), watch=show_progress)
        audit = job.measure()      # Cancelled, or whatever `watch` raises, ends it; job.audit is what is done
        audit = job.measure()      # goes on from there

    One job at a time computes in a process: `measure()` is refused (BadInput) while another is at work.
    """

    def __init__(
        self,
        run: Run,
        engine: Engine,
        cases: Sequence[Case],
        labels: Sequence[str],
        methods: Sequence[str] = (DEFAULT_METHOD,),
        faithfulness: Faithfulness | bool = False,
        watch: Watch | None = None,
        *,
        masks: int | None = None,
        seed: int = 0,
        tuning: Sequence[tuple[Case, str]] = (),
        randomisation: bool = True,
        journal: Path | None = None,
        resume: bool = False,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """cases, labels: of a manifest, labels in the run's terms; cases without a mask are passed over.
        methods: the first is the headline's. faithfulness: True for the usual measures. watch: called with
        (done, total) cases, may raise to stop. masks, seed: see `xai.methods.Request`. tuning: validation
        cases with masks, for iou_tuned. randomisation: whether to make maps with random weights too. journal:
        a file that gets each case when it is done; resume: take over what it holds. notice: called with a
        sentence on how long a slow audit will take.

        BadInput where no case has a mask, a method is unknown or cannot be had of this run, or the journal
        belongs to another audit.
        """
        self.run, self.engine = run, engine
        if faithfulness is True:
            faithfulness = Faithfulness()
        self.questions = Questions(_checked(run, methods), faithfulness or None, masks, seed)
        for method in self.questions.methods:  # what is wrong with all cases is refused, not skipped a case
            Request(Target(run.positive), method, None, masks, seed)
        chosen = [
            (case, label) for case, label in zip(cases, labels, strict=True) if case.mask_file is not None
        ]
        if not chosen:
            raise BadInput(NO_MASKS)
        self._asked = {case.case_id: (case, label) for case, label in chosen}
        self._tuning = tuple((c, label) for c, label in tuning if c.mask_file is not None)[:TUNING_CASES]
        self._wants_randomisation = randomisation
        self.watch, self._notice = watch, notice
        self._stop = threading.Event()
        self._done: dict[str, AuditedCase] = {}
        self._skipped: dict[str, dict[str, str]] = {}
        self._thresholds: dict[str, Threshold] | None = None
        self._randomisation: dict[str, Any] | None = None
        self._told = False
        self._journal = Journal(journal, self._signature()) if journal else None
        if self._journal:
            for entry in self._journal.begin(resume):
                self._take_over(entry)

    @property
    def done(self) -> int:
        """Cases measured or skipped."""
        return len(self._done) + len(self._skipped)

    @property
    def total(self) -> int:
        return len(self._asked)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.total and self._randomisation is not None

    @property
    def audit(self) -> Audit:
        """What is done so far."""
        order = [case for case in self._asked if case in self._done]
        return Audit(
            self.run,
            self.questions,
            tuple(self._done[case] for case in order),
            tuple(self._skipped.values()),
            self.total,
            dict(self._thresholds or {}),
            self._randomisation,
            self.engine.name,
        )

    def cancel(self) -> None:
        """Stop at the next pass, from another thread: `measure()` raises Cancelled there."""
        self._stop.set()

    def measure(self) -> Audit:
        """Do what is left to do. Cancelled where it was stopped; `audit` is then what is done, and another
        call goes on. BadInput while another audit is at work in this process."""
        with _only_one(self):
            self._stop.clear()
            if self._thresholds is None:
                self._tune()
            self._measure_cases()
            if self._randomisation is None:
                self._randomise()
        return self.audit

    def _tune(self) -> None:
        if self._tuning:
            cases = readable(self._tuning, decode)
            self._thresholds = tuned(self.run, self.engine, cases, self.questions, self._check)
        else:
            self._thresholds = untuned(self.questions)
        self._write("thresholds", {name: asdict(one) for name, one in self._thresholds.items()})

    def _measure_cases(self) -> None:
        self._tell()
        with closing(self._in_order()) as found:
            for case, result, seconds in found:
                if isinstance(result, BadInput):
                    self._skipped[case.case_id] = {"file": case.columns["file"], "why": str(result)}
                    self._write("skipped", {"case_id": case.case_id} | self._skipped[case.case_id])
                else:
                    self._done[case.case_id] = result
                    self._write("case", result.to_dict())
                    self._announce(seconds)
                self._tell()

    def _in_order(self) -> Iterator[tuple[Case, AuditedCase | BadInput, float]]:
        """What is found in each case left to do, in their order, with its seconds; a few are at work at once.

        Nearly all of it is done without Python's lock: decoding, the network, warps and sorts.
        """
        left = [pair for case, pair in self._asked.items() if case not in self._done | self._skipped]
        ahead: deque[tuple[Case, Future]] = deque()
        given_up = threading.Event()

        def check() -> None:
            if given_up.is_set():
                raise Cancelled
            self._check()

        def next_one() -> tuple[Case, AuditedCase | BadInput, float]:
            case, future = ahead.popleft()
            return case, *future.result()

        with ThreadPoolExecutor(self._workers, thread_name_prefix="audit") as pool:
            try:
                for case, label in left:
                    ahead.append((case, pool.submit(self._one, case, label, check)))
                    if len(ahead) > self._workers:
                        yield next_one()
                while ahead:
                    yield next_one()
            finally:
                # Whoever stops waits for no more than the pass that is being computed.
                given_up.set()
                for _, future in ahead:
                    future.cancel()

    def _one(self, case: Case, label: str, check: Callable[[], None]) -> tuple[AuditedCase | BadInput, float]:
        check()
        shares = {name: one.share for name, one in self._thresholds.items() if one.share is not None}
        began = time.perf_counter()
        try:
            found = measure_case(self.run, self.engine, decode(case, label), self.questions, shares, check)
        except BadInput as refusal:
            found = refusal
        return found, time.perf_counter() - began

    @property
    def _workers(self) -> int:
        """Cases at work at once: only one where a method is more than arithmetic on the first pass."""
        stored = all(METHODS[method].family == "stored" for method in self.questions.methods)
        return WORKERS if stored else 1

    def _randomise(self) -> None:
        if self._wants_randomisation:
            positive = [pair for pair in self._asked.values() if pair[1] == self.run.positive]
            self._randomisation = randomisation_of(
                self.run, readable(positive, decode), self.questions.methods[0], self._check
            )
        else:
            self._randomisation = undefined(NOT_ASKED, self.questions.methods[0])
        self._write("randomisation", self._randomisation)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled(f"Cancelled: {self.done} of {self.total} cases are done and kept.")

    def _tell(self) -> None:
        if self.watch:
            self.watch(self.done, self.total)

    def _announce(self, seconds: float) -> None:
        """Say once how long the rest takes, where it is more than arithmetic on one pass a case."""
        slow = self.questions.faithfulness or self._workers == 1
        if self._told or not slow or not self._notice or self.done == self.total:
            return
        self._told = True
        left = (self.total - self.done) * seconds / self._workers
        self._notice(
            f"The first case took {seconds:.1f} s ({self.passes_a_case} passes of the network): the rest of "
            f"the {self.total} cases will take about {spoken(left)}."
        )

    @property
    def passes_a_case(self) -> int:
        """Network passes that one case takes: one for the stored family, those of the other methods, and
        faithfulness of every method and of noise."""
        asked = self.questions
        own = sum(passes(method, self.run, asked.masks) for method in asked.methods)
        checked = (len(asked.methods) + 1) * asked.faithfulness.passes if asked.faithfulness else 0
        return 1 + own + checked

    def _write(self, kind: str, content: Any) -> None:
        if self._journal:
            self._journal.add(kind, content)

    def _take_over(self, entry: dict[str, Any]) -> None:
        kind, content = next(iter(entry.items()))
        if kind == "case":
            self._done[content["case_id"]] = AuditedCase.from_dict(content)
        elif kind == "skipped":
            self._skipped[content.pop("case_id")] = content
        elif kind == "thresholds":
            self._thresholds = {name: Threshold(**one) for name, one in content.items()}
        elif kind == "randomisation":
            self._randomisation = content

    def _signature(self) -> dict[str, Any]:
        """What two audits must share for one to go on with the other's journal."""
        cases = repr([(case, label) for case, (_, label) in self._asked.items()])
        tuning = repr([case.case_id for case, _ in self._tuning])
        return {
            "run": self.run.id,
            "run_digest": self.run.digest,
            "questions": asdict(self.questions) | {"methods": list(self.questions.methods)},
            "randomisation": self._wants_randomisation,
            "cases": hashlib.sha256(f"{cases} {tuning}".encode()).hexdigest(),
        }


_at_work: AuditJob | None = None
_lock = threading.Lock()


def running() -> AuditJob | None:
    """The job that computes in this process now, whoever asked for it."""
    return _at_work


@contextmanager
def _only_one(job: AuditJob) -> Iterator[None]:
    global _at_work
    with _lock:
        if _at_work is not None:
            raise BadInput(f"An audit of {_at_work.run.id} is running: wait or cancel it.")
        _at_work = job
    try:
        yield
    finally:
        _at_work = None


def spoken(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{round(minutes)} min" if minutes < 90 else f"{minutes / 60:.1f} hours"


def _checked(run: Run, methods: Sequence[str]) -> tuple[str, ...]:
    """The methods' keys, each once; BadInput for one that the run cannot give."""
    keys = tuple(dict.fromkeys(check_method(method) for method in methods))
    if not keys:
        raise BadInput("No method was given: give at least one.")
    for key in keys:
        if why := why_not(key, run):
            raise BadInput(why)
    return keys
