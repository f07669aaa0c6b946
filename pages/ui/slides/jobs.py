"""Slides that are being scored: each in a thread of the server, found again by whoever has its address."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.errors import BadInput
from pages.ui.frame import fault_sentence
from pages.ui.slides.shelf import SlidePlace

if TYPE_CHECKING:
    from models.engines import Engine
    from models.runs import Run
    from models.slides.scores import SlideScores
    from models.slides.scoring import SlideJob
    from models.slides.tiles import TileSpec

PREPARING, RUNNING, CANCELLED, REFUSED, DONE = "preparing", "running", "cancelled", "refused", "done"
#: Marks a folder whose tiles are all scored.
FINISHED = "summary.json"
KEPT = 8


@dataclass(frozen=True)
class Plan:
    """What is asked: a slide, a run, its tiles. mpp: where the file does not say. limit: a quick look."""

    place: SlidePlace
    run: Run
    spec: TileSpec
    mpp: float | None = None
    limit: int | None = None

    @property
    def folder(self):
        return self.place.results(self.run, self.spec, self.mpp, self.limit)

    @property
    def key(self) -> str:
        return str(self.folder)

    @property
    def begun(self) -> bool:
        """Whether there are tiles of it on disk."""
        return (self.folder / "journal.jsonl").is_file()

    @property
    def finished(self) -> bool:
        """Whether all of them are."""
        return (self.folder / FINISHED).is_file()


@dataclass(eq=False)
class PageSlide:
    """One plan at work, or done. state: of the words above; sentence: why it was refused."""

    plan: Plan
    engine: Engine
    state: str = PREPARING
    sentence: str = ""
    job: SlideJob | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        return self.state in (PREPARING, RUNNING)

    @property
    def scores(self) -> SlideScores | None:
        """What is found so far; None before the tissue is known."""
        return self.job.scores if self.job else None

    def start(self) -> None:
        """Begin, or go on with what is on disk."""
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(5)
        self._stop.clear()
        self.state, self.sentence = PREPARING, ""
        self._thread = threading.Thread(target=self._work, name="a slide", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Stop after the tiles that are being computed; what is done is kept."""
        self._stop.set()
        if self.job is not None:
            self.job.cancel()

    def wait(self, seconds: float) -> bool:
        """Whether it came to an end within that time."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.busy

    def _work(self) -> None:
        from models.slides.scoring import Cancelled, SlideJob
        from models.study import open_slide

        plan = self.plan
        try:
            with _turn, open_slide(plan.place.file, mpp=plan.mpp) as slide:
                self.job = SlideJob(
                    plan.run, self.engine, slide, plan.spec, plan.folder, limit=plan.limit,
                    resume=True, synthetic=plan.place.synthetic, watch=self._watch,
                )  # fmt: skip
                scores = self.job.score()
                _finish(scores, plan)
            self.state = DONE
        except Cancelled:
            self.state = CANCELLED
        except BadInput as refusal:
            self.state, self.sentence = REFUSED, str(refusal)
        except Exception:
            self.state, self.sentence = REFUSED, fault_sentence()

    def _watch(self, done: int, total: int) -> None:
        from models.slides.scoring import Cancelled

        self.state = RUNNING
        if self._stop.is_set():
            raise Cancelled(f"Cancelled: {done:,} of {total:,} tiles are done and kept.")


#: One slide computes at a time in a process; the next one waits for its turn.
_turn = threading.Lock()


def _finish(scores: SlideScores, plan: Plan) -> None:
    from models.batch.storage import whole_file
    from xai.export import to_json

    with whole_file(plan.folder / FINISHED) as sink:
        sink.write(to_json(scores.summary()).encode())


class SlideJobs:
    """The slides at work or done in this process, the newest first."""

    def __init__(self) -> None:
        self._jobs: dict[str, PageSlide] = {}
        self._lock = threading.Lock()

    def find(self, plan: Plan) -> PageSlide | None:
        return self._jobs.get(plan.key)

    def start(self, plan: Plan, engine: Engine) -> PageSlide:
        """Begin it, or go on with it; one that is at work is left at it."""
        with self._lock:
            job = self._jobs.get(plan.key)
            if job is None:
                job = self._jobs[plan.key] = PageSlide(plan, engine)
                idle = [key for key, one in self._jobs.items() if not one.busy and key != plan.key]
                for key in idle[: max(0, len(self._jobs) - KEPT)]:
                    del self._jobs[key]
            elif job.busy:
                return job
            job.start()
            return job

    def forget(self, place: SlidePlace) -> None:
        """Stop whatever works on that slide, and drop it: its files are about to go."""
        with self._lock:
            gone = {key: job for key, job in self._jobs.items() if job.plan.place.id == place.id}
            for key, job in gone.items():
                job.cancel()
                del self._jobs[key]
        for job in gone.values():
            job.wait(10)
        shutil.rmtree(place.folder, ignore_errors=True)

    def close(self) -> None:
        """The server ends."""
        for job in list(self._jobs.values()):
            job.cancel()
