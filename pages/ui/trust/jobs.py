"""The audits a visitor asked for: made in a thread beside the page, watched, stopped and gone on with."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import BadInput
from pages.ui.frame import fault_sentence
from pages.ui.trust.sources import Source, gathered
from xai.methods import Cancelled

if TYPE_CHECKING:
    from models.data.manifest import Case
    from models.engines import Engine
    from models.runs import Run
    from xai.audit import Audit, AuditJob

KEPT = 4
PREPARING, RUNNING, CANCELLED, REFUSED, DONE = "preparing", "running", "cancelled", "refused", "done"


@dataclass(frozen=True)
class Plan:
    """What is asked. limit: only the first cases; None for all."""

    run: Run
    source: Source
    methods: tuple[str, ...]
    faithfulness: bool = False
    limit: int | None = None

    @property
    def key(self) -> tuple:
        """The same for two plans that come to the same audit."""
        return self.run.digest, self.source.digest, self.methods, self.faithfulness, self.limit

    @property
    def title(self) -> str:
        return f"{self.run.id} on {self.source.title}"


@dataclass(eq=False)
class PageAudit:
    """One audit of a visit. state: one of the words above; sentence: why it was refused; notice: how long it
    will take, once the first case says so. Phantoms and cut pieces live in a folder that goes with it."""

    plan: Plan
    engine: Engine
    state: str = PREPARING
    sentence: str = ""
    notice: str = ""
    drawn: int = 0
    job: AuditJob | None = None
    cases: dict[str, Case] = field(default_factory=dict)
    _folder: tempfile.TemporaryDirectory | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _clock: tuple[float, int] | None = None

    @property
    def busy(self) -> bool:
        return self.state in (PREPARING, RUNNING)

    @property
    def done(self) -> int:
        return self.job.done if self.job else 0

    @property
    def total(self) -> int:
        return self.job.total if self.job else 0

    @property
    def seconds_left(self) -> float | None:
        """By the speed since it was started or gone on with; None until a case is through."""
        if self._clock is None or self.done <= self._clock[1]:
            return None
        began, before = self._clock
        return (self.total - self.done) * (time.monotonic() - began) / (self.done - before)

    @property
    def audit(self) -> Audit | None:
        """What is measured so far; None before the first case."""
        found = self.job.audit if self.job else None
        return found if found is not None and found.cases else None

    def start(self) -> None:
        """Begin, or go on where it was stopped."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(5)
        self._stop.clear()
        self.state, self.sentence = PREPARING if self.job is None else RUNNING, ""
        self._thread = threading.Thread(target=self._work, name="an audit", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop after the pass that is being computed; what is done is kept."""
        self._stop.set()
        if self.job is not None:
            self.job.cancel()

    def close(self) -> None:
        """Stop, and delete what was drawn."""
        self.cancel()
        if self._thread is not None:
            self._thread.join(10)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def wait(self, seconds: float) -> bool:
        """Whether it came to an end within that time."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.busy

    def _work(self) -> None:
        try:
            _refuse_a_second()
            if self.job is None:
                self.job = self._prepared()
            self._check()
            self.state, self._clock = RUNNING, (time.monotonic(), self.job.done)
            self.job.measure()
            self.state = DONE
        except Cancelled:
            self.state = CANCELLED
        except BadInput as refusal:
            self.state, self.sentence = REFUSED, str(refusal)
        except Exception:
            self.state, self.sentence = REFUSED, fault_sentence()

    def _prepared(self) -> AuditJob:
        from xai.audit import AuditJob

        plan = self.plan
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = tempfile.TemporaryDirectory(prefix="lesionlens-audit-")
        asked, tuning = gathered(plan.run, plan.source, Path(self._folder.name), self._drawn)
        asked = asked[: plan.limit]
        self.cases = {case.case_id: case for case, _ in asked}
        cases, labels = [case for case, _ in asked], [label for _, label in asked]
        return AuditJob(
            plan.run, self.engine, cases, labels, plan.methods, plan.faithfulness, self._watch, tuning=tuning,
            notice=self._take_notice,
        )  # fmt: skip

    def _drawn(self, count: int) -> None:
        self.drawn = count
        self._check()

    def _watch(self, done: int, total: int) -> None:
        self._check()

    def _take_notice(self, sentence: str) -> None:
        self.notice = sentence

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("Cancelled.")


def _refuse_a_second() -> None:
    """Before anything is drawn or cut for it."""
    from xai.audit import running

    other = running()
    if other is not None:
        raise BadInput(f"An audit of {other.run.id} is running: wait or cancel it.")


class AuditJobs:
    """The audits of one session, the newest first."""

    def __init__(self) -> None:
        self.audits: list[PageAudit] = []

    def find(self, key: tuple) -> PageAudit | None:
        """The audit of that plan."""
        return next((one for one in self.audits if one.plan.key == key), None)

    def start(self, plan: Plan, engine: Engine) -> PageAudit:
        """Begin an audit, or go on with the same one. BadInput while another one of this session runs."""
        busy = next((one for one in self.audits if one.busy and one.plan.key != plan.key), None)
        if busy is not None:
            raise BadInput(f"An audit of {busy.plan.run.id} is running: wait or cancel it.")
        found = self.find(plan.key)
        if found is None:
            found = PageAudit(plan, engine)
            self.audits.insert(0, found)
            for old in self.audits[KEPT:]:
                old.close()
            del self.audits[KEPT:]
        elif found.busy:
            return found
        found.start()
        return found

    def forget(self, audit: PageAudit) -> None:
        """Drop an audit with its results."""
        audit.close()
        self.audits = [one for one in self.audits if one is not audit]

    def close(self) -> None:
        """The session is over."""
        for audit in self.audits:
            audit.close()
        self.audits = []
