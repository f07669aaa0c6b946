"""Areas of the same shape and size as a given one, elsewhere on the image: the control of a perturbation."""

from __future__ import annotations

import numpy as np

# How many places are tried for each area wanted; the one that meets the given area least is taken.
TRIES = 8
# A place that lies on the given area with no more than this share of its own is elsewhere enough.
MEETS = 0.25


def elsewhere(area: np.ndarray, inside: np.ndarray, count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` areas, bool [h, w], each the given one mirrored, turned and moved within the content.

    area and inside: bool [h, w], the area within the content. Every result has as many pixels as `area`, all
    inside. A move that leads a part beyond the content's bounding box brings it in on the other side; of
    content that is no rectangle, pixels that fall outside are replaced by the nearest free ones of the
    content. Of some places drawn for each, the first that meets `area` with at most a quarter of its pixels
    is taken, else the one that meets it least. Empty where the area is empty or fills the content.
    """
    size, room = int(np.count_nonzero(area)), int(np.count_nonzero(inside))
    if not size or size >= room:
        return []
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    rng = np.random.default_rng(seed)
    return [_placed(area, inside, box, rng) for _ in range(count)]


def _placed(area: np.ndarray, inside: np.ndarray, box: tuple, rng: np.random.Generator) -> np.ndarray:
    size = np.count_nonzero(area)
    best, least = None, np.inf
    for _ in range(TRIES):
        place = np.zeros_like(area)
        place[box] = _moved(area[box], rng)
        place &= inside
        # What fell outside counts as met: a place that keeps the shape is preferred.
        meets = np.count_nonzero(place & area) + size - np.count_nonzero(place)
        if meets < least:
            best, least = place, meets
        if meets <= MEETS * size:
            break
    return _filled(best, inside, size)


def _moved(area: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The area mirrored and turned by any of the ways the box allows, then moved around it."""
    height, width = area.shape
    rows, columns = np.nonzero(area)
    if rng.random() < 0.5:
        rows = height - 1 - rows
    if rng.random() < 0.5:
        columns = width - 1 - columns
    extent = np.ptp(rows) + 1, np.ptp(columns) + 1
    if rng.random() < 0.5 and extent[0] <= width and extent[1] <= height:
        rows, columns = columns - columns.min(), rows - rows.min()
    out = np.zeros_like(area)
    out[(rows + rng.integers(height)) % height, (columns + rng.integers(width)) % width] = True
    return out


def _filled(place: np.ndarray, inside: np.ndarray, size: int) -> np.ndarray:
    """The place with as many more pixels of the content as it lacks, the nearest ones first."""
    lacking = size - int(np.count_nonzero(place))
    if not lacking:
        return place
    import cv2

    if place.any():
        away = cv2.distanceTransform((~place).astype(np.uint8), cv2.DIST_L2, 3)
    else:
        away = np.zeros(place.shape, np.float32)
    free = np.flatnonzero(inside & ~place)
    out = place.copy()
    out.ravel()[free[np.argsort(away.ravel()[free], kind="stable")[:lacking]]] = True
    return out
