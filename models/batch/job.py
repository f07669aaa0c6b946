"""A batch as work that can be watched, paused, stopped and gone on with: what is done is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from models.batch import progress as states
from models.batch.feeding import Feeder
from models.batch.folder import BatchFolder
from models.batch.item import FAILED, Row
from models.batch.pipeline import Control, Pipeline
from models.batch.plan import BatchPlan
from models.batch.progress import Meter, Progress
from models.batch.results import Batch, read_batch
from models.batch.scoring import Scorer
from models.batch.tables import write_tables
from models.errors import BadInput

if TYPE_CHECKING:
    from models.batch.plan import Inputs
    from models.batch.step import Step
    from models.runs import Run

SAME_FAULT = 20
"""So many cases at the start that all fail alike are no accident."""
LOOK_AT = 200
"""Items at the beginning of the input among which a resumed batch must know one."""

UNNAMED = "The paths of {} hold what the DICOM itself says of a person: they go under another name."


class Cancelled(Exception):
    """The batch was stopped; what is done is on disk and in its tables."""


class BatchFault(RuntimeError):
    """Every case so far failed in the same way: a fault of this program. None of them counts as done."""


class BatchJob:
    """One batch on one machine.

        job = BatchJob([run], listing, folder, watch=show)
        batch = job.work()       # Cancelled where job.cancel() or the watch stopped it
        batch = BatchJob([run], listing, folder, resume=True).work()     # does the rest

    A job works once. `pause`, `go_on`, `cancel` and `progress` may be called from any thread.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        listing: Inputs,
        folder: Path,
        *,
        steps: Mapping[str, Sequence[Step]] | Sequence[Step] = (),
        resume: bool = False,
        workers: int | None = None,
        engine: str | None = None,
        label_map: Mapping[str, str] | None = None,
        watch: Callable[[Progress], None] | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        """steps: for all runs, or by run id. watch: called with the progress whenever cases are on disk, may
        raise to stop. notice: called with sentences worth telling. The rest as `BatchPlan`, whose refusals
        (BadInput) come at once."""
        self.plan = BatchPlan(runs, listing, folder, steps, engine, label_map or {}, resume, workers)
        self._watch, self._notice = watch, notice
        self._meter = Meter()
        self._control = Control(self._rest)
        self._first: list[Row] | None = []

    @classmethod
    def of(cls, plan: BatchPlan, watch=None, notice=None) -> BatchJob:
        """The job of a plan."""
        options = {"resume": plan.resume, "workers": plan.workers, "engine": plan.engine}
        return cls(
            plan.runs,
            plan.listing,
            plan.folder,
            steps=plan.steps,
            label_map=plan.label_map,
            watch=watch,
            notice=notice,
            **options,
        )

    @property
    def progress(self) -> Progress:
        """How far it is now."""
        return self._meter.progress()

    def pause(self) -> None:
        """Stop after what is under way; the state is "paused" when that is on disk."""
        self._control.pause()

    def go_on(self) -> None:
        """End a pause."""
        self._control.go_on()

    def cancel(self) -> None:
        """Stop after what is under way: `work` then raises Cancelled."""
        self._control.stop()

    def work(self) -> Batch:
        """Do what is left to do and write the tables.

        Cancelled where it was stopped: what is done is kept, and is in the tables. BadInput: the folder
        cannot be written, is full (at any moment), is in use, or holds another batch; an input that cannot be
        listed to its end (after what came before it was done). BatchFault where every case fails alike.
        """
        self._meter.state(states.OPENING)
        try:
            batch = self._work()
        except Cancelled:
            self._meter.state(states.CANCELLED)
            raise
        except BaseException:
            self._meter.state(states.STOPPED)
            raise
        self._meter.state(states.COMPLETE)
        self._tell()
        return batch

    def _work(self) -> Batch:
        scorer = Scorer(self.plan.runs, self.plan.steps, self.plan.engine, self.plan.folder)
        with BatchFolder(self.plan) as folder:
            self._same_input(folder)
            engines = scorer.engines
            self._meter.begin(folder.counts, self.plan.listing.total)
            self._meter.state(states.WORKING)
            self._tell()
            began = time.monotonic()
            try:
                self._do(scorer, folder)
            except (Cancelled, BadInput):
                self._close(folder, began, False, engines)
                raise
            return self._close(folder, began, True, engines)

    def _do(self, scorer: Scorer, folder: BatchFolder) -> None:
        """Score what is left, each list of rows on disk before it is counted."""
        feeder = Feeder(self.plan.listing, folder.done)
        pipeline = Pipeline(scorer, feeder, self.plan.workers, control=self._control)
        with closing(pipeline.rows()) as chunks:
            for rows in chunks:
                self._keep(rows, folder)
        if self._first:
            self._add(self._first, folder)
        if self._control.stopped:
            done = self._meter.progress().done
            raise Cancelled(f"Cancelled: {done:,} cases are done and kept.")

    def _keep(self, rows: list[Row], folder: BatchFolder) -> None:
        """Rows that all fail alike from the first on are held back until that is no accident."""
        if self._first is None:
            self._add(rows, folder)
            return
        self._first += rows
        alike = {(row.status, row.why) for row in self._first}
        if len(alike) == 1 and self._first[0].status == FAILED:
            if len(self._first) >= SAME_FAULT:
                raise BatchFault(f"the first {len(self._first)} cases all failed ({self._first[0].why})")
            return
        rows, self._first = self._first, None
        self._add(rows, folder)

    def _add(self, rows: list[Row], folder: BatchFolder) -> None:
        folder.journal.add(rows)
        folder.done.update(row.key for row in rows)
        folder.counts.update(row.status for row in rows)
        known = self.plan.listing.total is not None or not hasattr(self.plan.listing, "fraction")
        self._meter.count((row.status for row in rows), None if known else self.plan.listing.fraction())
        self._tell()

    def _close(self, folder: BatchFolder, began: float, complete: bool, engines) -> Batch:
        """The tables and the header, of all that is done."""
        self._meter.state(states.WRITING)
        self._tell()
        seconds = folder.header.get("seconds", 0.0) + time.monotonic() - began
        facts = {
            "seconds": round(seconds, 3),
            "engine_name": next(iter(engines.values())).name,
            "notices": list(self.plan.listing.notices),
        }
        if replaced := folder.done.replaced:
            notice = UNNAMED.format(f"{replaced:,} file{'s' * (replaced > 1)}")
            facts["notices"].append(notice)
            self._say(notice)
        if complete:
            facts["total"] = len(folder.done)
        write_tables(read_batch(folder.path))
        folder.finish(complete, **facts)
        return read_batch(folder.path)

    def _same_input(self, folder: BatchFolder) -> None:
        """A batch that is gone on with must know something of its input: else it is another one's folder."""
        if not folder.done:
            if self.plan.resume and not folder.resumed:
                self._say(f"There is no batch in {folder.path} yet: it begins with the first image.")
            return
        items = self.plan.listing.items()
        try:
            keys = [item.key for item in islice(items, LOOK_AT)]
        finally:
            if hasattr(items, "close"):
                items.close()
        if keys and not any(key in folder.done for key in keys):
            raise BadInput(f"{folder.path} holds a batch of other images: give another folder.")

    def _rest(self, resting: bool) -> None:
        self._meter.state(states.PAUSED if resting else states.WORKING)
        self._tell()

    def _tell(self) -> None:
        if self._watch:
            self._watch(self.progress)

    def _say(self, sentence: str) -> None:
        if self._notice:
            self._notice(sentence)
