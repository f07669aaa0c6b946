"""Does a heatmap find the lesion? A map on the native image against the lesion's mask.

Every function takes native: float [H, W], signed (Heatmap.native()), and mask: bool [H, W], True on the
lesion, with at least one lesion pixel; ValueError otherwise. Only positive values are evidence.

A map without evidence scores 0 (and misses), it is not left out: a model that points nowhere has not found
the lesion, and leaving it out would raise the average of the models that fail most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

POINTING_TOLERANCE = 15
"""Pixels of the native image: the margin of Zhang et al., IJCV 2018."""
HOTTEST = 0.05
# Stray pixels of a drawn outline: pieces below this share of the largest one are no lesions of their own.
SPECK = 1e-3
TUNED_SHARES = np.arange(1, 20) / 20
_OTSU_BINS = 256


@dataclass(frozen=True)
class Localisation:
    """One map against one mask.

    pointing, pointing_15, top5: a hit or not. iou, dice, energy, average_precision, iou_otsu, iou_tuned:
    0..1. lesions: how many the mask shows; lesions_hit: how many of them the map finds. iou_tuned is None
    where no threshold was tuned.
    """

    pointing: bool
    iou: float
    dice: float
    energy: float
    average_precision: float
    pointing_15: bool = False
    top5: bool = False
    iou_otsu: float = 0.0
    iou_tuned: float | None = None
    lesions: int = 1
    lesions_hit: int = 0


def localise(native: np.ndarray, mask: np.ndarray, tuned: float | None = None) -> Localisation:
    """All measures of this module for one map and one mask.

    tuned: the share of the map's maximum that `tune_threshold` found on validation cases, for iou_tuned.
    """
    native, mask = _checked(native, mask)
    pixels = _Pixels.of(native, mask)
    where = peak(native) if pixels.highest > 0 else None
    tops = lesion_maxima(native, mask)
    return Localisation(
        pointing=where is not None and bool(mask[where]),
        iou=pixels.iou(pixels.share(0.5)),
        dice=pixels.dice(pixels.share(0.5)),
        energy=pixels.energy(),
        average_precision=pixels.average_precision(),
        pointing_15=where is not None and _within(where, mask, POINTING_TOLERANCE),
        top5=bool(pixels.hottest(pixels.lesion[-1:])[0]),
        iou_otsu=pixels.iou(pixels.otsu()),
        iou_tuned=None if tuned is None else pixels.iou(pixels.share(tuned)),
        lesions=len(tops),
        lesions_hit=int(np.count_nonzero(pixels.hottest(tops))),
    )


def pointing_hit(native: np.ndarray, mask: np.ndarray, tolerance: float = 0) -> bool:
    """Pointing game: does the map's peak lie on the lesion, or within `tolerance` pixels of it?

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", IJCV 126, 2018, who allow 15 pixels
    (`POINTING_TOLERANCE`); on the native image. Where several pixels share the maximum, the one nearest to
    their centroid counts, and of those the first by rows, then columns. A map whose peak is not above 0
    misses.
    """
    native, mask = _checked(native, mask)
    return bool(native.max() > 0) and _within(peak(native), mask, tolerance)


def peak(native: np.ndarray) -> tuple[int, int]:
    """(row, column) of the peak by the rule of `pointing_hit`."""
    rows, columns = np.nonzero(native == native.max())
    if len(rows) == 1:
        return int(rows[0]), int(columns[0])
    distance = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    # Rounding must not choose between pixels that are equally near.
    first = int(np.flatnonzero(distance <= distance.min() + 1e-6)[0])
    return int(rows[first]), int(columns[first])


def iou_half_max(native: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union (Jaccard index) of the lesion and the pixels at or above half of the map's
    maximum.

    A fixed share of the maximum as in Zhou et al., "Learning Deep Features for Discriminative Localization",
    CVPR 2016; theirs is 20 %, for boxes.
    """
    return iou_at_share(native, mask, 0.5)


def iou_at_share(native: np.ndarray, mask: np.ndarray, share: float) -> float:
    """Intersection over union of the lesion and the pixels at or above `share` (0..1) of the map's
    maximum."""
    pixels = _Pixels.of(*_checked(native, mask))
    return pixels.iou(pixels.share(share))


def iou_otsu(native: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of the lesion and the pixels at or above Otsu's threshold of the map.

    Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE Trans. SMC 9, 1979: the threshold
    with the largest variance between the two classes, here on the positive values alone in 256 equal steps
    from 0 to the maximum. A map of one positive value is lit where it has it.
    """
    pixels = _Pixels.of(*_checked(native, mask))
    return pixels.iou(pixels.otsu())


def tune_threshold(maps_and_masks: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """The share of a map's maximum, 0.05..0.95 in steps of 0.05, with the highest mean IoU; the middle one
    of several.

    maps_and_masks: (native, mask) of VALIDATION cases: tuned on the cases it is then measured on, the IoU
    would be too high (Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR
    2020). ValueError without a case.
    """
    totals, n = np.zeros(len(TUNED_SHARES)), 0
    for native, mask in maps_and_masks:
        pixels = _Pixels.of(*_checked(native, mask))
        totals, n = totals + [pixels.iou(pixels.share(share)) for share in TUNED_SHARES], n + 1
    if not n:
        raise ValueError("A threshold cannot be tuned without a case that has a mask.")
    best = np.flatnonzero(totals >= totals.max() - 1e-9 * n)
    return float(TUNED_SHARES[best[(len(best) - 1) // 2]])


def dice(native: np.ndarray, mask: np.ndarray) -> float:
    """Dice coefficient (Dice, Ecology 1945) of the same two regions as `iou_half_max`."""
    pixels = _Pixels.of(*_checked(native, mask))
    return pixels.dice(pixels.share(0.5))


def energy_inside(native: np.ndarray, mask: np.ndarray) -> float:
    """Share of the positive evidence on the image that lies on the lesion.

    The energy-based pointing game of Wang et al., "Score-CAM", CVPR Workshops 2020, with the mask in place
    of their box.
    """
    return _Pixels.of(*_checked(native, mask)).energy()


def top_hit(native: np.ndarray, mask: np.ndarray) -> bool:
    """Does any of the hottest 5 % of the image's pixels lie on the lesion?

    Those are the pixels with fewer than 5 % of all pixels above them, as far as they are above 0. It widens
    the hit rate of Saporta et al., "Benchmarking Saliency Methods for Chest X-Ray Interpretation", Nature
    Machine Intelligence 2022, who ask it of the hottest pixel, to what a glance takes in; read it beside the
    random baseline, for a large lesion is easily touched.
    """
    pixels = _Pixels.of(*_checked(native, mask))
    return bool(pixels.hottest(pixels.lesion[-1:])[0])


def lesion_hits(native: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """bool [lesions]: for each lesion of the mask, whether any of the image's hottest 5 % lies on it.

    Hits by lesion, as free-response studies count them (Chakraborty, "Maximum Likelihood Analysis of
    Free-Response Receiver Operating Characteristic (FROC) Data", Medical Physics 16, 1989). Here a map has a
    twentieth of the image for its marks; what further marks cost is measured by `xai.measures.froc`.
    """
    native, mask = _checked(native, mask)
    return _Pixels.of(native, mask).hottest(lesion_maxima(native, mask))


def average_precision(native: np.ndarray, mask: np.ndarray) -> float:
    """Area under the precision-recall curve of lesion pixels ranked by the map, ties counted together.

    The localisation measure of Arun et al., "Assessing the Trustworthiness of Saliency Maps for Localizing
    Abnormalities in Medical Imaging", Radiology: Artificial Intelligence 2021, in scikit-learn's
    definition: the sum over thresholds of (recall gained) x precision, without interpolation. Values <= 0
    tie with each other; a map without evidence scores 0, not the lesion's share of the image.
    """
    return _Pixels.of(*_checked(native, mask)).average_precision()


def lesions_of(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """(labels int32 [H, W], number): the mask's connected pieces (8 neighbours) as 1..number, 0 elsewhere.

    Specks, pieces of less than a thousandth of the largest one's pixels, are left out: an outline drawn by
    hand leaves some.
    """
    import cv2

    plane = np.ascontiguousarray(mask).view(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(plane, connectivity=8)
    sizes = stats[1:, cv2.CC_STAT_AREA]
    kept = sizes >= SPECK * sizes.max(initial=0)
    if kept.all():
        return labels, count - 1
    order = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)]).astype(np.int32)
    return order[labels], int(kept.sum())


def lesion_maxima(native: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[lesions]: the map's highest value on each of `lesions_of(mask)`."""
    # Within the lesions' bounding box alone: the rest of a large image holds none.
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    native, mask = native[box], mask[box]
    labels, count = lesions_of(mask)
    best = np.full(count + 1, -np.inf, native.dtype)
    np.maximum.at(best, labels[mask], native[mask])
    return best[1:]


def _checked(native: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rectified map, not-a-number taken for no evidence, and the mask."""
    if native.ndim != 2 or native.shape != mask.shape or mask.dtype != bool:
        raise ValueError(
            f"A map {native.shape} and a bool mask of one size are needed, not {mask.shape} {mask.dtype}."
        )
    if not mask.any():
        raise ValueError("A mask without a lesion pixel measures nothing.")
    rectified = np.maximum(native, np.float32(0))
    if np.isnan(rectified.max()):
        rectified = np.fmax(native, np.float32(0))
    return rectified, mask


def _within(where: tuple[int, int], mask: np.ndarray, tolerance: float) -> bool:
    """Whether a lesion pixel lies within `tolerance` pixels (centre to centre) of that place."""
    if not tolerance:
        return bool(mask[where])
    reach = int(tolerance)
    top, left = max(0, where[0] - reach), max(0, where[1] - reach)
    rows, columns = np.nonzero(mask[top : where[0] + reach + 1, left : where[1] + reach + 1])
    away = (rows + top - where[0]) ** 2 + (columns + left - where[1]) ** 2
    return bool((away <= tolerance**2).any())


@dataclass(frozen=True, eq=False)
class _Pixels:
    """The rectified values of a map, sorted once: every measure but the peak's is a count of what lies above
    a value. Sorting values keeps 12 megapixels well under a second, where sorting an index takes several.

    lesion: [n >= 1] on the lesion; others: [m] the positive ones elsewhere; both ascending. size: pixels of
    the image.
    """

    lesion: np.ndarray
    others: np.ndarray
    size: int

    @classmethod
    def of(cls, native: np.ndarray, mask: np.ndarray) -> _Pixels:
        others = native[~mask]
        return cls(np.sort(native[mask]), np.sort(others[others > 0]), native.size)

    @property
    def highest(self) -> np.floating:
        return max(self.lesion[-1], self.others[-1]) if len(self.others) else self.lesion[-1]

    def share(self, share: float) -> np.floating:
        """That share of the maximum, in the map's own precision."""
        return self.highest * self.highest.dtype.type(share)

    def iou(self, threshold: np.floating) -> float:
        lit, both = self._lit(threshold)
        return both / (self.lesion.size + lit - both)

    def dice(self, threshold: np.floating) -> float:
        lit, both = self._lit(threshold)
        return 2 * both / (self.lesion.size + lit)

    def energy(self) -> float:
        inside = float(self.lesion.sum(dtype=np.float64))
        total = inside + float(self.others.sum(dtype=np.float64))
        return inside / total if total > 0 else 0.0

    def hottest(self, values: np.ndarray) -> np.ndarray:
        """bool as values [n]: which belong to the hottest 5 % of the image, those that tie with the last
        one included."""
        count = max(1, round(HOTTEST * self.size))
        above = sum(len(a) - np.searchsorted(a, values, side="right") for a in (self.lesion, self.others))
        return (values > 0) & (above < count)

    def otsu(self) -> np.floating:
        """Otsu's threshold, the lower edge of the brighter class; 0 for a map without evidence.

        The variance between the classes has a plateau where levels between them are empty: its middle.
        """
        if self.highest <= 0:
            return self.highest
        edges = self.highest * (np.arange(_OTSU_BINS) / _OTSU_BINS).astype(self.highest.dtype)
        # At or above each edge; the first one, 0, has all that is positive.
        above = sum(len(a) - np.searchsorted(a, edges) for a in (self.lesion, self.others)).astype(float)
        above[0] -= np.searchsorted(self.lesion, 0, side="right")
        counts = above - np.append(above[1:], 0)
        sums = np.cumsum((counts * np.arange(_OTSU_BINS))[::-1])[::-1]
        below, above, sums, total = above[0] - above[1:], above[1:], sums[1:], sums[0]
        both = (below > 0) & (above > 0)
        if not both.any():  # all in the uppermost step, where the maximum is
            return edges[-1]
        gap = np.divide(sums, above, where=both, out=np.zeros_like(sums))
        gap -= np.divide(total - sums, below, where=both, out=np.zeros_like(sums))
        between = below * above * gap**2
        best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
        return edges[best[(len(best) - 1) // 2] + 1]

    def average_precision(self) -> float:
        """Recall grows only at values that lesion pixels take, so precision is wanted at those alone."""
        if self.highest <= 0:
            return 0.0
        values, counts = np.unique_counts(self.lesion)
        # Pixels at or above each value the lesion takes, ascending; at 0 that is every other pixel.
        hits = np.cumsum(counts[::-1])[::-1]
        false = len(self.others) - np.searchsorted(self.others, values)
        false = np.where(values > 0, false, self.size - self.lesion.size)
        return float((counts * (hits / (hits + false))).sum() / self.lesion.size)

    def _lit(self, threshold: np.floating) -> tuple[int, int]:
        """Pixels at or above a threshold above 0: of the image, of the lesion."""
        if threshold <= 0:
            return 0, 0
        both = self.lesion.size - int(np.searchsorted(self.lesion, threshold))
        return both + len(self.others) - int(np.searchsorted(self.others, threshold)), both
