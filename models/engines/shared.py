"""One study through many runs, with nothing computed twice.

A trunk is named by its digest, and a run's input by its specification. Runs that share both need one pass of
that trunk; runs that share the specification need one resizing of the study.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from models.engines import ActivationMemo, Engine, Explained, open_engine

if TYPE_CHECKING:
    from models.inputs import InputSpec, Prepared
    from models.runs import Run
    from models.study import Study

# Activations of one image: some 0.4 MB a trunk, and no comparison looks at more networks than this.
MEMO_ENTRIES = 64


class SharedPass:
    """One study, asked of one run after another; what they have in common is computed once.

    opened: opens a run's engine; by default the engine that is quickest for a single image. Keep this object
    as long as the study is compared and drop it afterwards: it holds the study's activations.
    """

    def __init__(self, study: Study, opened: Callable[[Run], Engine] | None = None) -> None:
        self.study = study
        self._opened = opened or open_for_one
        self._memo = ActivationMemo(MEMO_ENTRIES)
        self._prepared: dict[InputSpec, Prepared] = {}

    @property
    def passes(self) -> int:
        """How many times a trunk was computed so far."""
        return self._memo.computed

    def prepared(self, run: Run) -> Prepared:
        """The study as this run's input, and the way back; made once for each input specification."""
        if run.inputs not in self._prepared:
            self._prepared[run.inputs] = run.inputs.tensor(self.study)
        return self._prepared[run.inputs]

    def explain(self, run: Run) -> Explained:
        """What the run's engine says of the study, N = 1. BadInput as `open_engine` and `Engine.explain`."""
        return self._opened(run).explain(self.prepared(run).tensor, self._memo)


def neighbours(runs: Iterable[Run]) -> list[Run]:
    """Runs in the order in which to open them: those that share a trunk follow each other, so that few
    trunks are in memory at a time."""
    return sorted(runs, key=lambda run: (sorted(branch.trunk for branch in run.branches), run.id))


def open_for_one(run: Run) -> Engine:
    """The engine that is opened and asked once in the shortest time: of the ONNX ones, ONNX Runtime."""
    return open_engine(run, images=1)
