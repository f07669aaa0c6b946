"""The batches at work on this server: taken in, then scored one after the other, watched, paused, stopped.

A batch belongs to its address and not to a visit: whoever has the address finds it from any tab, after a lost
connection and after a restart of the server, when what its folder says is all that is known of it.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.batch.progress import Progress
from models.errors import BadInput
from models.runs import Run
from pages.ui.batch.intake import disk_sentences, take_in
from pages.ui.batch.orders import STATE, Order, read_order
from pages.ui.batch.places import BATCH_FILE, INCOMING, BatchPlace, place_of
from pages.ui.batch.spool import HEAD, SpoolListing, read_json, write_json
from pages.ui.frame import fault_sentence
from pages.ui.plain_text import amount

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.batch import Step
    from models.batch.job import BatchJob

TAKING, WAITING, WORKING, PAUSED = "taking in", "waiting", "working", "paused"
CANCELLED, REFUSED, DONE, INTERRUPTED = "cancelled", "refused", "done", "interrupted"
BUSY = (TAKING, WAITING, WORKING, PAUSED)
#: What a person may go on with.
UNFINISHED = (CANCELLED, REFUSED, INTERRUPTED)


class _Stopped(Exception):
    """Somebody pressed Cancel while it was taken in, or waited."""


@dataclass(eq=False)
class PageBatch:
    """One batch of this server, at work or as its folder tells. state: one of the words above; sentence: why
    it was refused; taken: images taken in, of how many."""

    place: BatchPlace
    order: Order
    state: str = TAKING
    sentence: str = ""
    taken: tuple[int, int | None] = (0, None)
    job: BatchJob | None = None
    _last: Progress = field(default_factory=Progress)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _turn: Turn | None = None
    _runs: Sequence[Run] = ()
    _gives_way: bool = False

    @property
    def home(self) -> Path:
        return self.place.folder.parent

    @property
    def busy(self) -> bool:
        return self.state in BUSY

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop and is still at what it was doing."""
        return self.busy and self._stop.is_set()

    @property
    def progress(self) -> Progress:
        job = self.job
        return self._last if job is None else job.progress

    @property
    def title(self) -> str:
        """For people; with the number of images once that is known."""
        total, source = self.progress.total, self.order.source
        if total is None or source.kind == "phantoms":
            return self.order.title
        return f"{amount(total, 'image')} of {source.title}, {self.order.asked_of}"

    @property
    def preparing(self) -> bool:
        """Whether it is its turn and the runs are still being opened."""
        return self.state == WORKING and self.job is None

    @property
    def notices(self) -> list[str]:
        """What was found while it was taken in; empty before that is through."""
        return list((read_json(self.place.spool / HEAD) or {}).get("notices", ()))

    def pause(self) -> None:
        """Score what is under way and no more, until it is told to go on."""
        if self.job is not None and self.state == WORKING:
            self.job.pause()
            self.state = PAUSED

    def go_on(self) -> None:
        """End a pause."""
        if self.state != PAUSED:
            return
        if self.job is None:  # it gave way to another one meanwhile
            self.start(self._turn, self._runs)
        else:
            self.state = WORKING
            self.job.go_on()

    def give_way(self) -> None:
        """Let the next one be scored while this one is paused; to go on it opens its runs again."""
        job = self.job
        if job is not None and self.state == PAUSED:
            self._gives_way = True
            job.cancel()

    def cancel(self) -> None:
        """Stop after what is under way; what is done is kept."""
        self._stop.set()
        job = self.job
        if job is not None:
            job.cancel()
        elif self.state == PAUSED:
            self._end(CANCELLED)

    def wait(self, seconds: float) -> bool:
        """Whether it came to an end within that time."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.busy

    def start(self, turn: Turn, runs: Sequence[Run]) -> None:
        """Begin, or do what is left. runs: those at hand."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(30)
        self._stop.clear()
        self._gives_way, self._turn, self._runs = False, turn, runs
        self.state, self.sentence, self.taken = TAKING, "", (0, None)
        (self.home / STATE).unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._work, args=(turn, runs), name="a batch", daemon=True)
        self._thread.start()

    def _work(self, turn: Turn, runs: Sequence[Run]) -> None:
        from models.batch.job import Cancelled

        try:
            with disk_sentences():
                asked = self.order.runs_of(runs)
                if not (self.place.spool / HEAD).is_file():
                    take_in(self.home, self.order, asked, self._watch)
                self.state = WAITING
                with turn.of(self):
                    self.state = WORKING
                    self._score(asked)
            self._end(DONE)
        except (Cancelled, _Stopped):
            if not self._gives_way or self._stop.is_set():
                self._end(CANCELLED)
        except BadInput as refusal:
            self._end(REFUSED, str(refusal))
        except Exception:
            self._end(REFUSED, fault_sentence())

    def _score(self, runs: Sequence[Run]) -> None:
        from models.batch.job import BatchJob

        order, results = self.order, self.place.folder
        job = BatchJob(
            runs, SpoolListing(self.place.spool), results, steps=steps_of(runs, order),
            resume=(results / BATCH_FILE).is_file(), label_map=dict(order.meanings),
        )  # fmt: skip
        self.check()
        self.job = job
        try:
            if self._stop.is_set():  # pressed between the two lines above
                job.cancel()
            job.work()
        finally:
            self._last, self.job = replace(job.progress), None

    def _watch(self, done: int, total: int | None) -> None:
        self.taken = done, total
        self.check()

    def check(self) -> None:
        if self._stop.is_set():
            raise _Stopped

    def _end(self, state: str, sentence: str = "") -> None:
        self.sentence = sentence
        with suppress(OSError):  # a full disk: after a restart it counts as interrupted, which loses nothing
            write_json(self.home / STATE, {"state": state, "sentence": sentence})
        self.state = state


class Turn:
    """One batch is scored at a time, the others wait in the order in which they came."""

    def __init__(self) -> None:
        self._line: list[PageBatch] = []
        self._moved = threading.Condition()

    def of(self, batch: PageBatch) -> _Place:
        return _Place(self, batch)

    def before(self, batch: PageBatch) -> int:
        """How many are scored before that one."""
        with self._moved:
            return self._line.index(batch) if batch in self._line else 0

    def enter(self, batch: PageBatch) -> None:
        with self._moved:
            self._line.append(batch)
            try:
                while self._line[0] is not batch:
                    self._line[0].give_way()
                    self._moved.wait(0.2)
                    batch.check()
            except BaseException:
                self._leave(batch)
                raise

    def leave(self, batch: PageBatch) -> None:
        with self._moved:
            self._leave(batch)

    def _leave(self, batch: PageBatch) -> None:
        self._line.remove(batch)
        self._moved.notify_all()


@dataclass(frozen=True)
class _Place:
    """A batch's place in the line, as a context."""

    turn: Turn
    batch: PageBatch

    def __enter__(self) -> None:
        self.turn.enter(self.batch)

    def __exit__(self, *raised: object) -> None:
        self.turn.leave(self.batch)


class BatchJobs:
    """Every batch that this server has looked at since it was started."""

    def __init__(self) -> None:
        self.turn = Turn()
        self._known: dict[str, PageBatch] = {}
        self._lock = threading.Lock()

    def find(self, batch_id: str) -> PageBatch | None:
        """The batch of that id: at work here, or as its folder tells; None where there is none of ours."""
        with self._lock:
            known = self._known.get(batch_id)
            if known is not None and (known.busy or known.home.is_dir()):
                return known
            self._known.pop(batch_id, None)
            found = _of_folder(batch_id)
            if found is not None:
                self._known[batch_id] = found
            return found

    def start(self, batch: PageBatch, runs: Sequence[Run]) -> PageBatch:
        """Begin a batch, or do what is left of it; one that is at work already is left alone."""
        with self._lock:
            known = self._known.get(batch.place.id, batch)
            if known._thread is None or not known.busy:
                self._known[known.place.id] = known
                known.start(self.turn, runs)
            return known

    def delete(self, batch_id: str) -> None:
        """Stop a batch and delete everything of it: images, results, what was asked."""
        batch = self.find(batch_id)
        if batch is None:
            return
        batch.cancel()
        batch.wait(30)
        with self._lock:
            self._known.pop(batch_id, None)
        shutil.rmtree(batch.home, ignore_errors=True)

    def busy(self) -> set[str]:
        """The ids of those at work."""
        with self._lock:
            return {batch_id for batch_id, batch in self._known.items() if batch.busy}

    def close(self) -> None:
        """The server ends: stop what is at work, which keeps what it has done."""
        with self._lock:
            batches = list(self._known.values())
            self._known.clear()
        for batch in batches:
            batch.cancel()
        for batch in batches:
            batch.wait(10)


def steps_of(runs: Sequence[Run], order: Order) -> Mapping[str, Sequence[Step]]:
    """Run id -> what is done with each of its scored cases. The small pictures are made by the first run of
    each modality: another is not asked the images that the first refuses."""
    from xai.batch import batch_steps

    meant = dict(order.meanings)
    first = {run.modality: run.id for run in reversed(runs)}
    return {
        run.id: batch_steps(
            run, heatmaps=order.heatmaps, measures=order.measures, label_map=meant,
            thumbnails=first[run.modality] == run.id,
        )
        for run in runs
    }  # fmt: skip


def _of_folder(batch_id: str) -> PageBatch | None:
    try:
        place = place_of(batch_id)
        if place.spool is None or not place.spool.parent.is_dir():
            return None
        order = read_order(place.folder.parent)
    except BadInput:
        return None
    told = read_json(place.folder.parent / STATE) or {}
    batch = PageBatch(place, order, told.get("state", INTERRUPTED), told.get("sentence", ""))
    batch._last = _counted(place)
    return batch


def _counted(place: BatchPlace) -> Progress:
    """How far the batch in that folder came."""
    head = read_json(place.spool / HEAD)
    total = None if head is None else head["total"]
    if not (place.folder / BATCH_FILE).is_file():
        return Progress(0, total)
    from models.batch.results import read_batch

    try:
        counts = read_batch(place.folder).counts
    except BadInput:
        return Progress(0, total)
    return Progress(sum(counts.values()), total, **counts)


def can_go_on(batch: PageBatch) -> bool:
    """Whether what is left can be done: the files are taken in, or still as they came."""
    if (batch.place.spool / HEAD).is_file() or batch.order.source.kind != "uploads":
        return True
    return (batch.home / INCOMING).is_dir()
