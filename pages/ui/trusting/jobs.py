"""Maps that take many passes are made beside the page, watched and stopped.

A thread a session, one map at a time: two slow ones would only slow each other. The page asks for a map by
its question and gets it when it is there; what was made is kept for the session's next look at it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from models.errors import BadInput
from pages.ui.frame import fault_sentence
from xai.explain import CaseExplanation
from xai.methods import Cancelled, Watch

Make = Callable[[Watch], CaseExplanation]
KEPT = 8


@dataclass(eq=False)
class MapJob:
    """One slow map. done of total passes; result, or refused (a sentence), or cancelled, once finished."""

    make: Make
    done: int = 0
    total: int = 0
    result: CaseExplanation | None = None
    refused: str | None = None
    cancelled: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _finished: threading.Event = field(default_factory=threading.Event)

    @property
    def finished(self) -> bool:
        return self._finished.is_set()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop and is still in its last batch."""
        return self._stop.is_set() and not self.finished

    def cancel(self) -> None:
        """Stop after the batch that is being computed."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Whether it finished within that time."""
        return self._finished.wait(seconds)

    def run(self) -> None:
        try:
            self.result = self.make(self._watch)
        except Cancelled:
            self.cancelled = True
        except BadInput as refusal:
            self.refused = str(refusal)
        except Exception:
            self.refused = fault_sentence()
        finally:
            self._finished.set()

    def _watch(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self._stop.is_set():
            raise Cancelled


class MapJobs:
    """The slow maps of one session, by what was asked."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, MapJob] = OrderedDict()

    def get(self, question: Hashable) -> MapJob | None:
        return self._jobs.get(question)

    def start(self, question: Hashable, make: Make) -> MapJob:
        """Begin a map; whichever is being made is stopped first."""
        self.cancel_others(question)
        job = MapJob(make)
        self._jobs[question] = job
        self._jobs.move_to_end(question)
        while len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)[1].cancel()
        threading.Thread(target=job.run, name="a slow map", daemon=True).start()
        return job

    def cancel_others(self, question: Hashable = None) -> None:
        """Stop every map but this one."""
        for other, job in self._jobs.items():
            if other != question and not job.finished:
                job.cancel()

    def forget(self, question: Hashable) -> None:
        """Drop a map that was stopped or refused, so that it can be asked for again."""
        job = self._jobs.pop(question, None)
        if job is not None:
            job.cancel()

    def close(self) -> None:
        """Stop what is being made: the session is over."""
        self.cancel_others()
