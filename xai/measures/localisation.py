"""Does a heatmap find the lesion? A map on the native image against the lesion's mask.

Every function takes native: float [H, W], signed (Heatmap.native()), and mask: bool [H, W], True on the
lesion, with at least one lesion pixel; ValueError otherwise. Only positive values are evidence.

A map without evidence scores 0 (and misses), it is not left out: a model that points nowhere has not found
the lesion, and leaving it out would raise the average of the models that fail most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Localisation:
    """One map against one mask. pointing: a hit or not; the others in 0..1."""

    pointing: bool
    iou: float
    dice: float
    energy: float
    average_precision: float


def localise(native: np.ndarray, mask: np.ndarray) -> Localisation:
    """All measures of this module for one map and one mask."""
    native, mask = _checked(native, mask)
    union, overlap, sizes = _half_maximum_overlap(native, mask)
    return Localisation(
        pointing=_points_into(native, mask),
        iou=overlap / union,
        dice=2 * overlap / sizes,
        energy=_energy(native, mask),
        average_precision=_average_precision(native, mask),
    )


def pointing_hit(native: np.ndarray, mask: np.ndarray) -> bool:
    """Pointing game: does the map's peak lie on the lesion? Tolerance 0 pixels, on the native image.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", IJCV 126, 2018; theirs allows 15
    pixels. Where several pixels share the maximum, the one nearest to their centroid counts, and of those
    the first by rows, then columns. A map whose peak is not above 0 misses.
    """
    return _points_into(*_checked(native, mask))


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
    maximum."""
    union, overlap, _ = _half_maximum_overlap(*_checked(native, mask))
    return overlap / union


def dice(native: np.ndarray, mask: np.ndarray) -> float:
    """Dice coefficient (Dice, Ecology 1945) of the same two regions as `iou_half_max`."""
    _, overlap, sizes = _half_maximum_overlap(*_checked(native, mask))
    return 2 * overlap / sizes


def energy_inside(native: np.ndarray, mask: np.ndarray) -> float:
    """Share of the positive evidence on the image that lies on the lesion.

    The energy-based pointing game of Wang et al., "Score-CAM", CVPR Workshops 2020, with the mask in place
    of their box.
    """
    return _energy(*_checked(native, mask))


def average_precision(native: np.ndarray, mask: np.ndarray) -> float:
    """Area under the precision-recall curve of lesion pixels ranked by the map, ties counted together.

    The localisation measure of Arun et al., "Assessing the Trustworthiness of Saliency Maps for Localizing
    Abnormalities in Medical Imaging", Radiology: Artificial Intelligence 2021, in scikit-learn's
    definition: the sum over thresholds of (recall gained) x precision, without interpolation. Values <= 0
    tie with each other; a map without evidence scores 0, not the lesion's share of the image.
    """
    return _average_precision(*_checked(native, mask))


def _checked(native: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rectified map, not-a-number taken for no evidence, and the mask."""
    if native.ndim != 2 or native.shape != mask.shape or mask.dtype != bool:
        raise ValueError(
            f"A map {native.shape} and a bool mask of one size are needed, not {mask.shape} {mask.dtype}."
        )
    if not mask.any():
        raise ValueError("A mask without a lesion pixel measures nothing.")
    return np.fmax(native, np.float32(0)), mask


def _points_into(native: np.ndarray, mask: np.ndarray) -> bool:
    return bool(native.max() > 0 and mask[peak(native)])


def _half_maximum_overlap(native: np.ndarray, mask: np.ndarray) -> tuple[int, int, int]:
    """(union, intersection, sum of both sizes) in pixels; the mask is not empty, so no denominator is 0."""
    highest = native.max()
    lesion = int(np.count_nonzero(mask))
    if highest <= 0:
        return lesion, 0, lesion
    lit = native >= highest / 2
    overlap, size = int(np.count_nonzero(lit & mask)), int(np.count_nonzero(lit))
    return lesion + size - overlap, overlap, lesion + size


def _energy(native: np.ndarray, mask: np.ndarray) -> float:
    total = float(native.sum(dtype=np.float64))
    return float(native.sum(dtype=np.float64, where=mask)) / total if total > 0 else 0.0


def _average_precision(native: np.ndarray, mask: np.ndarray) -> float:
    """Recall grows only at values that lesion pixels take, so precision is wanted at those alone.

    Sorting the other pixels and looking the lesion's values up keeps 12 megapixels well under a second,
    where sorting an index of the whole image takes several.
    """
    if native.max() <= 0:
        return 0.0
    lesion, others = np.unique_counts(native[mask]), np.sort(native[~mask])
    # Pixels at or above each value the lesion takes, ascending.
    hits = np.cumsum(lesion.counts[::-1])[::-1]
    false = len(others) - np.searchsorted(others, lesion.values, side="left")
    return float((lesion.counts * (hits / (hits + false))).sum() / hits[0])
