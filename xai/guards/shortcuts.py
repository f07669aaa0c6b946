"""Heat on what an operator or a machine drew, and the prediction again without it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xai.guards.maps import Caution

if TYPE_CHECKING:
    from models.data.marks import MarkRegion
    from models.engines import Engine
    from models.study import Study
    from xai.explain import Reading
    from xai.heatmap import Heatmap

HEAT_SHARE = 0.25
"""Least share of the heat that makes a caution."""
_AROUND = 12
OVER_AREA = 2.0
"""And at least this many times the share of the area: heat spread evenly is on a mark by chance."""


@dataclass(frozen=True, eq=False)
class Shortcuts:
    """What a heatmap could be lit by that is no tissue.

    regions: the marks found. outside: bool [H, W], True off the breast, the sector or the tissue.
    heat_on_marks and heat_outside: shares 0..1 of the map's positive values there, 0 for a blank map.
    cautions: of kind "marks" and "outside".
    """

    regions: tuple[MarkRegion, ...]
    outside: np.ndarray
    heat_on_marks: float
    heat_outside: float
    cautions: tuple[Caution, ...]

    @property
    def marks(self) -> np.ndarray:
        """bool [H, W]: all marks together."""
        return np.logical_or.reduce([np.zeros_like(self.outside), *(r.mask for r in self.regions)])


@dataclass(frozen=True, eq=False)
class Rerun:
    """The prediction again, with marks and everything outside painted over.

    probabilities: class -> 0..1. change: of the positive class's probability, -1..1 (after less before).
    label_changed: whether the verdict is another. study_masked: what was predicted.
    """

    probabilities: dict[str, float]
    change: float
    label_changed: bool
    study_masked: Study


def find_shortcuts(study: Study, heatmap: Heatmap, modality: str | None = None) -> Shortcuts:
    """Marks and background of a study, and how much of a heatmap of it lies on them.

    modality: where the study does not say it; background of a film is told by other signs than a sector's.
    """
    from models.data.foreground import foreground
    from models.data.marks import mark_regions

    regions = mark_regions(study.samples, study.depth_max)
    outside = ~foreground(study, modality)
    blank = Shortcuts(regions, outside, 0.0, 0.0, ())
    if heatmap.blank:
        return blank
    heat = heatmap.rectified()
    total = float(heat.sum(dtype=np.float64))
    if total <= 0:
        return blank
    marks = _within_reach(blank.marks, heatmap.grid)
    on_marks = float(heat[marks].sum(dtype=np.float64)) / total
    on_outside = float(heat[outside & ~marks].sum(dtype=np.float64)) / total
    cautions = []
    if on_marks >= HEAT_SHARE and on_marks >= OVER_AREA * marks.mean():
        kinds = " and ".join(dict.fromkeys(region.kind for region in regions))
        cautions.append(
            Caution(
                "marks",
                f"{on_marks:.0%} of the heat lies on marks in the image ({kinds}), which say what somebody "
                "saw and not what is there: do not read this map as evidence from tissue.",
            )
        )
    if on_outside >= HEAT_SHARE:
        cautions.append(
            Caution(
                "outside",
                f"{on_outside:.0%} of the heat lies outside the tissue: do not read this map as evidence "
                "from tissue.",
            )
        )
    return Shortcuts(regions, outside, on_marks, on_outside, tuple(cautions))


def without_marks(reading: Reading, engine: Engine, shortcuts: Shortcuts) -> Rerun:
    """The prediction of a reading's study with marks and outside painted over; one pass."""
    from xai.explain import verdict

    run, study = reading.run, reading.study
    masked = painted_over(study, shortcuts.marks, shortcuts.outside)
    scores = engine.predict(run.inputs.tensor(masked).tensor)
    after = dict(zip(run.classes, map(float, scores.probabilities[0]), strict=True))
    change = after[run.positive] - reading.probabilities[run.positive]
    return Rerun(after, change, verdict(run, scores.probabilities[0]) != reading.label, masked)


def painted_over(study: Study, marks: np.ndarray, outside: np.ndarray) -> Study:
    """The study with marks (bool [H, W]) filled from around them (Telea, "An image inpainting technique based
    on the fast marching method", J. Graph. Tools 9 (2004) 23) and `outside` its own median colour."""
    samples = study.samples.copy()
    if outside.any():
        samples[outside] = np.median(samples[outside], axis=0).astype(samples.dtype)
    _fill(samples, marks & ~outside)
    samples.flags.writeable = False
    digest = hashlib.sha256(b"without marks" + samples.tobytes()).hexdigest()
    return replace(study, samples=samples, digest=digest)


def _fill(samples: np.ndarray, marks: np.ndarray) -> None:
    """Inpaint the marks in place, a piece at a time: the cost is that of their boxes, not of the image."""
    import cv2

    grown = cv2.dilate(marks.astype(np.uint8), np.ones((5, 5), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(grown, connectivity=8)
    for left, top, width, height, _ in stats[1:count]:
        window = np.s_[
            max(0, top - _AROUND) : top + height + _AROUND, max(0, left - _AROUND) : left + width + _AROUND
        ]
        for channel in range(samples.shape[2]):
            plane = np.ascontiguousarray(samples[(*window, channel)])
            samples[(*window, channel)] = cv2.inpaint(
                plane, np.ascontiguousarray(grown[window]), 5, cv2.INPAINT_TELEA
            )


def _within_reach(marks: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: the marks grown by half a cell of the map, which cannot tell places more finely."""
    import cv2

    if not marks.any():
        return marks
    down, across = (max(1, round(side / cells)) for side, cells in zip(marks.shape, grid, strict=True))
    return cv2.dilate(marks.astype(np.uint8), np.ones((down | 1, across | 1), np.uint8)).astype(bool)
