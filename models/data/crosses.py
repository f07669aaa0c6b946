"""Calipers: the plus signs, crosses and stars that an operator sets at a lesion's ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

SIDES = (9, 11, 13, 15, 17)
"""Pixels from arm's end to arm's end."""
_MARGIN = 3
_SHAPES = ("plus", "x", "star")
_LEAST_LIFT = 0.07
_MOST_PLACES = 50
_REACH = 2
# One cross of this likeness is enough; of a lesser one two must be there, as an operator sets them.
_SURE, _SURE_CONTRAST = 0.84, 0.12
_LIKE, _LIKE_CONTRAST, _LIKE_SIDE = 0.76, 0.09, 11
_PARTNER = 0.66
"""Beside a sure cross of the same shape and size: its number often touches the other one."""


@dataclass(frozen=True)
class Cross:
    """A suspect: centre in pixels, side, likeness (correlation with the drawn shape) and how much brighter
    the arms are than the ground between them."""

    x: int
    y: int
    side: int
    shape: str
    likeness: float
    contrast: float


def find_crosses(grey: np.ndarray) -> list[Cross]:
    """Crosses in a picture float32 [H, W] in 0..1, the likeliest first.

    Places where two bright lines meet are looked for first (cheap), then compared with drawn shapes of
    several sizes by normalised correlation (Lewis, "Fast normalized cross-correlation", Vision Interface
    1995), so a dim caliper on dark ground counts as much as a bright one.
    """
    padded = np.pad(grey, _MARGIN + max(SIDES) // 2 + _REACH, mode="edge")
    found = [cross for place in _places(grey) if (cross := _likeliest(padded, *place))]
    found.sort(key=lambda cross: -cross.likeness)
    apart: list[Cross] = []
    for cross in found:
        if all(abs(cross.x - other.x) + abs(cross.y - other.y) > 10 for other in apart):
            apart.append(cross)
    sure = [c for c in apart if c.likeness >= _SURE and c.contrast >= _SURE_CONTRAST]
    alike = [
        c
        for c in apart
        if (c.likeness >= _LIKE and c.contrast >= _LIKE_CONTRAST and c.side >= _LIKE_SIDE) or c in sure
    ]
    kept = alike if len(alike) >= 2 else sure
    partners = [c for c in apart if c not in kept and any(_partners(c, other) for other in sure)]
    return kept + partners


def _partners(cross: Cross, sure: Cross) -> bool:
    alike = cross.shape == sure.shape and abs(cross.side - sure.side) <= 2 and cross.side >= _LIKE_SIDE
    return alike and cross.contrast >= max(_LIKE_CONTRAST, 0.4 * sure.contrast)


def _places(grey: np.ndarray) -> list[tuple[int, int]]:
    """(x, y) where a short line across and one down, or the two diagonals, both stand out."""
    import cv2

    length = 9
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.7)
    around = cv2.boxFilter(grey, -1, (13, 13))
    across, down = cv2.boxFilter(smooth, -1, (length, 1)), cv2.boxFilter(smooth, -1, (1, length))
    falling = cv2.filter2D(smooth, -1, np.eye(length, dtype=np.float32) / length)
    rising = cv2.filter2D(smooth, -1, np.eye(length, dtype=np.float32)[::-1].copy() / length)
    lift = np.maximum(np.minimum(across, down), np.minimum(falling, rising)) - around
    peaks = (lift >= _LEAST_LIFT) & (lift == cv2.dilate(lift, np.ones((7, 7), np.uint8)))
    rows, columns = np.nonzero(peaks)
    order = np.argsort(-lift[rows, columns], kind="stable")[:_MOST_PLACES]
    return [(int(columns[i]), int(rows[i])) for i in order]


def _likeliest(padded: np.ndarray, x: int, y: int) -> Cross | None:
    """The shape that the surroundings of a place are most like."""
    import cv2

    offset = _MARGIN + max(SIDES) // 2 + _REACH
    best: Cross | None = None
    for shape, side, drawn, on, off in _shapes():
        half = drawn.shape[0] // 2 + _REACH
        window = padded[y + offset - half : y + offset + half + 1, x + offset - half : x + offset + half + 1]
        if np.ptp(window) < _LIKE_CONTRAST:
            return None  # correlation of a flat ground is rounding error
        likeness = cv2.matchTemplate(window, drawn, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(int(likeness.argmax()), likeness.shape)
        value = float(likeness[row, column])
        if value < _PARTNER or (best and value <= best.likeness):
            continue
        under = window[row : row + drawn.shape[0], column : column + drawn.shape[1]]
        contrast = float(np.percentile(under[on], 20) - np.percentile(under[off], 80))
        place = x + int(column) - _REACH, y + int(row) - _REACH
        best = Cross(*place, side, shape, value, contrast)
    return best


@cache
def _shapes() -> tuple[tuple[str, int, np.ndarray, np.ndarray, np.ndarray], ...]:
    """(shape, side, picture float32 with a dark margin, its arms, its ground); lines of 1 or 2 pixels."""
    made = []
    for shape in _SHAPES:
        for side in SIDES:
            for thick in (1.2, 2.2) if shape == "plus" else (1.7,):
                drawn = _drawn(shape, side, thick)
                made.append((shape, side, drawn, drawn >= 0.6 * drawn.max(), drawn < 0.1 * drawn.max()))
    return tuple(made)


def _drawn(shape: str, side: int, thick: float) -> np.ndarray:
    import cv2

    finer = 4
    page = np.zeros(((side + 2 * _MARGIN) * finer,) * 2, np.uint8)
    first, last, middle = _MARGIN * finer, (_MARGIN + side) * finer - 1, page.shape[0] // 2
    lines = {
        "plus": [((first, middle), (last, middle)), ((middle, first), (middle, last))],
        "x": [((first, first), (last, last)), ((first, last), (last, first))],
    }
    lines["star"] = lines["plus"] + lines["x"]
    for start, end in lines[shape]:
        cv2.line(page, start, end, 255, round(thick * finer))
    small = cv2.resize(page, (side + 2 * _MARGIN,) * 2, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), 0.6)
