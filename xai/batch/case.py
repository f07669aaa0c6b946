"""One scored case as the steps of a batch look at it: what several of them need is made once.

No step asks the network again. Maps, cautions and distances come from what the one pass of the batch left.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from xai.explain import CaseExplanation, Reading, explain_reading, verdict
from xai.guards import Familiar
from xai.guards.familiar import judge_with, not_kept
from xai.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    from models.batch import ScoredCase
    from models.engines.familiarity import Familiarity
    from models.runs import Run
    from models.study import Study

#: The longer side of a picture that a batch keeps, at most; maps and measures are of the whole image.
LONGEST_SIDE = 1024
_KNOWN_RUNS = 8


class CaseView:
    """What the steps share of a case. Made by `view_of`; a step asks it, whichever comes first computes."""

    def __init__(self, case: ScoredCase) -> None:
        run, explained = case.engine.run, case.explained
        label = verdict(run, explained.probabilities[0])
        self.reading = Reading(case.study, run, case.prepared.placement, explained, label, 0.0, 0.0)
        self._prepared = case.prepared
        self._explanations: dict[tuple[str, str], CaseExplanation] = {}

    def explanation(self, label: str | None = None, method: str = DEFAULT_METHOD) -> CaseExplanation:
        """The maps of one class (the run's positive one by default) by a method of the stored family, without
        measures."""
        key = (label or self.reading.run.positive, method)
        if key not in self._explanations:
            self._explanations[key] = explain_reading(self.reading, *key)
        return self._explanations[key]

    @cached_property
    def familiar(self) -> Familiar:
        """How like the run's training images it is; see `xai.guards.judge_image`."""
        known = known_images(self.reading.run)
        return (
            not_kept(self.reading.run) if known is None else judge_with(known, self.reading, self._prepared)
        )

    @cached_property
    def picture(self) -> np.ndarray:
        """uint8 [h, w, C]: the image as it is shown, its longer side at most LONGEST_SIDE."""
        return shrunk(self.reading.study, LONGEST_SIDE).display()


def case_explanation(
    case: ScoredCase,
    label: str | None = None,
    method: str = DEFAULT_METHOD,
    *,
    measured: bool = False,
) -> CaseExplanation:
    """What `xai.explain.explain_study` gives of the same image, from the batch's own pass of the network.

    label: the class explained, the run's positive one by default. method: of the stored family; BadInput for
    another class or method. measured: against the case's mask, where there is one with a lesion.
    """
    view = view_of(case)
    if measured and case.mask is not None and case.mask.any():
        return explain_reading(view.reading, label, method, case.mask)
    return view.explanation(label, method)


def view_of(case: ScoredCase) -> CaseView:
    """The case's view, kept as long as somebody holds the case."""
    with _lock:
        found = _views.get(case)
        if found is None:
            found = _views[case] = CaseView(case)
        return found


def shrunk(study: Study, side: int) -> Study:
    """The study with its longer side at most `side` pixels, averaged down; itself where it is no longer."""
    factor = side / max(study.height, study.width)
    if factor >= 1:
        return study
    import cv2

    size = max(1, round(study.width * factor)), max(1, round(study.height * factor))
    smaller = cv2.resize(study.samples, size, interpolation=cv2.INTER_AREA)
    return replace(study, samples=smaller if smaller.ndim == 3 else smaller[..., None])


def known_images(run: Run) -> Familiarity | None:
    """What the run keeps of its training images, read once a process."""
    from models.engines.familiarity import read_familiarity

    with _lock:
        if run.digest in _known:
            return _known[run.digest]
    found = read_familiarity(run)
    with _lock:
        _known[run.digest] = found
        while len(_known) > _KNOWN_RUNS:
            del _known[next(iter(_known))]
    return found


_lock = threading.Lock()
_views: WeakKeyDictionary[ScoredCase, CaseView] = WeakKeyDictionary()
_known: dict[str, Familiarity | None] = {}
