"""Free-response analysis: how many lesions a map's marks find, and how many false marks an image that costs.

For images of several lesions, or none, where one peak cannot be right or wrong. Bunch et al., "A
Free-Response Approach to the Measurement and Characterization of Radiographic-Observer Performance", J. Appl.
Photogr. Eng. 1978; counting as in Setio et al., "Validation, Comparison, and Combination of Algorithms for
Automatic Detection of Pulmonary Nodules", Medical Image Analysis 2017 (LUNA16): a mark on a lesion finds it,
further marks on the same lesion count neither for nor against the map, every other mark is false.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.intervals import group_index, percentile_interval, resampled_weights, wilson
from xai.measures.localisation import lesions_of, peak

LEAST_SHARE = 0.25
"""A local maximum below this share of the map's own maximum is no mark."""
# Marks are no closer than this share of the longer side: one cell of a 14 x 14 grid.
SPACING = 1 / 14
FALSE_MARKS = (0.25, 0.5, 1.0, 2.0)
"""False marks an image at which sensitivity is stated."""
RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class FrocCase:
    """One image's marks. scores: float64 [c], the map's values, in one unit over all cases. lesion: intp [c],
    the lesion a mark lies on, 0..lesions - 1, or -1. lesions: how many there are. group: the patient, for
    intervals; "" for none."""

    scores: np.ndarray
    lesion: np.ndarray
    lesions: int
    group: str = ""


@dataclass(frozen=True, eq=False)
class Froc:
    """The curve from the strictest threshold to the laxest. fp_per_image, sensitivity (0..1) and thresholds:
    float64 [k], the first point without any mark (threshold inf). lesions, images: how many."""

    fp_per_image: np.ndarray
    sensitivity: np.ndarray
    thresholds: np.ndarray
    lesions: int
    images: int

    def at(self, false_marks: float) -> float:
        """The highest sensitivity with at most that many false marks an image."""
        return float(self.sensitivity[self.fp_per_image <= false_marks + 1e-12].max())


def candidates(
    native: np.ndarray, spacing: float | None = None, least: float = LEAST_SHARE
) -> list[tuple[int, int, float]]:
    """A map's marks, (row, column, value), the highest first.

    native: float [H, W], signed. A mark is a local maximum above 0 and at or above `least` of the map's
    maximum (of a plateau, the pixel `peak` would choose), without a higher mark within `spacing` pixels: give
    the side of the map's cell on the image; None stands for a fourteenth of the longer side.
    """
    native = np.fmax(native, np.float32(0))
    if not native.max() > 0:
        return []
    spacing = max(native.shape) * SPACING if spacing is None else spacing
    places = np.array(list(_local_maxima(native, float(native.max()) * least)), dtype=np.intp).reshape(-1, 2)
    scores = native[tuple(places.T)].astype(np.float64)
    order = np.lexsort((places[:, 1], places[:, 0], -scores))
    places, scores = places[order], scores[order]
    found = []
    while len(places):
        found.append((int(places[0, 0]), int(places[0, 1]), float(scores[0])))
        apart = ((places - places[0]) ** 2).sum(axis=1) > spacing**2
        places, scores = places[apart], scores[apart]
    return found


def froc_case(
    native: np.ndarray, mask: np.ndarray | None, group: str = "", spacing: float | None = None
) -> FrocCase:
    """One image's marks against its mask, bool [H, W]; None, or one without a lesion pixel, for an image
    without lesions. Lesions are those of `lesions_of`, tolerance 0 pixels."""
    marks = candidates(native, spacing)
    scores = np.array([score for _, _, score in marks], float)
    if mask is None or not mask.any():
        return FrocCase(scores, np.full(len(marks), -1, np.intp), 0, group)
    labels, count = lesions_of(mask)
    on = np.array([labels[row, column] - 1 for row, column, _ in marks], np.intp)
    return FrocCase(scores, on, count, group)


def froc(cases: Sequence[FrocCase]) -> Froc:
    """The curve of all cases. Marks are ranked over all images, so their values must be of one unit (logit
    per cell of one run). ValueError without a lesion."""
    _, score, hit = _counted(cases)
    lesions = sum(one.lesions for one in cases)
    # Marks of one value come together: the last of each stands for all.
    last = np.append(score[1:] != score[:-1], True) if len(score) else np.zeros(0, bool)
    found, false = np.cumsum(hit)[last], np.cumsum(~hit)[last]
    return Froc(
        np.concatenate([[0.0], false / len(cases)]),
        np.concatenate([[0.0], found / lesions]),
        np.concatenate([[np.inf], score[last]]),
        lesions,
        len(cases),
    )


def sensitivity_at(
    cases: Sequence[FrocCase], false_marks: Sequence[float] = FALSE_MARKS
) -> dict[str, dict[str, float | int]]:
    """{"0.25": {"value", "low", "high", "n"}, ...}: sensitivity at so many false marks an image.

    n: lesions. The 95 % interval is the percentiles' of a bootstrap that draws whole groups of images, those
    with and those without lesions apart; where it sees no spread (none or all found, or one group with
    lesions) Wilson's, with the groups that have lesions as its number. ValueError without a lesion.
    """
    whole, rates = froc(cases), np.asarray(false_marks, float)
    holds = np.array([one.lesions > 0 for one in cases], int)
    groups = [one.group for one in cases]
    drawn = np.concatenate(
        [_resampled(cases, weights, rates) for weights in resampled_weights(holds, groups, RESAMPLES)]
    )
    found, counted = {}, len(set(group_index(groups, len(cases))[holds > 0].tolist()))
    for column, rate in enumerate(rates):
        value = whole.at(rate)
        low, high = percentile_interval(drawn[:, column], value)
        if value in (0.0, 1.0) or counted < 2:
            low, high = wilson(value, counted)
        found[f"{rate:g}"] = {"value": value, "low": low, "high": high, "n": whole.lesions}
    return found


def _local_maxima(native: np.ndarray, least: float) -> Iterator[tuple[int, int]]:
    """(row, column) of every place no neighbour is higher than, one for a plateau."""
    import cv2

    window = np.ones((3, 3), np.uint8)
    plane = np.ascontiguousarray(native, np.float32)
    top = (plane >= cv2.dilate(plane, window)) & (plane >= np.float32(least)) & (plane > 0)
    # A level stretch on a slope: its inside has no higher neighbour, but it goes on up elsewhere.
    rest = cv2.dilate(np.where(top, np.float32(-1), plane), window)
    level = top & (rest >= plane)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(top.view(np.uint8), connectivity=8)
    sloping = np.bincount(labels[level], minlength=count) > 0
    for index in np.flatnonzero(~sloping[1:]) + 1:
        left, upper, width, height = stats[index, :4]
        own = labels[upper : upper + height, left : left + width] == index
        row, column = peak(own)
        yield upper + row, left + column


def _counted(cases: Sequence[FrocCase]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(case, score, hit) of every mark that counts, the highest first: of several on one lesion the
    highest."""
    if not sum(one.lesions for one in cases):
        raise ValueError("A free-response curve needs a case with a lesion.")
    rows = []
    for index, one in enumerate(cases):
        seen: set[int] = set()
        for at in np.argsort(-one.scores, kind="stable"):
            lesion = int(one.lesion[at])
            if lesion not in seen:
                rows.append((index, one.scores[at], lesion >= 0))
            if lesion >= 0:
                seen.add(lesion)
    rows.sort(key=lambda row: -row[1])
    case, score, hit = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(case, np.intp), np.array(score, float), np.array(hit, bool)


def _resampled(cases: Sequence[FrocCase], weights: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """float64 [b, rates]: sensitivity at each rate, cases drawn `weights` [b, cases] times."""
    case, score, hit = _counted(cases)
    lesions = weights @ np.array([one.lesions for one in cases], float)
    images, last = weights.sum(axis=1), np.append(score[1:] != score[:-1], True)[: len(score)]
    found = np.zeros((len(weights), len(rates)))
    for row, drawn in enumerate(weights):
        times = drawn[case]
        false = np.cumsum(times * ~hit)[last] / images[row]
        known = np.cumsum(times * hit)[last] / lesions[row]
        within = np.searchsorted(false, rates + 1e-12, side="right")
        found[row] = np.where(within > 0, np.append(known, 0.0)[within - 1], 0.0)
    return found
