"""Suspects for burned-in marks: text, calipers, rulers, film labels and coloured overlays.

A network reads what an operator drew as readily as tissue: calipers say that somebody saw a lesion. What is
found here are suspects, to be looked at; `python -m models audit-data` counts them a class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEAST_SIDE = 96
"""Pictures with a shorter side (patches of tissue) have no room for a mark that could be told from them."""
LONGEST_SIDE = 1024
_BRIGHT, _ABOVE_SURROUNDINGS = 0.72, 0.35
_SATURATED, _MOST_COLOURED = 0.16, 0.15
_GLYPHS_A_LINE, _TICKS_A_RULER, _LEAST_COLOURED = 3, 6, 24


@dataclass(frozen=True)
class Mark:
    """A suspect. kind: "text", "caliper", "ruler", "label" or "colour". score: glyphs, crosses, ticks, or
    pixels of a label or overlay."""

    kind: str
    score: float


@dataclass(frozen=True, eq=False)
class MarkRegion:
    """A suspect and where it is. kind and score as of `Mark`; mask: bool [H, W] on the native picture."""

    kind: str
    score: float
    mask: np.ndarray


def mark_regions(samples: np.ndarray, depth_max: int) -> tuple[MarkRegion, ...]:
    """Suspects in a picture uint8 or uint16 [H, W, C], with their places; at most one a kind."""
    empty = np.zeros(samples.shape[:2], bool)
    return tuple(MarkRegion(mark.kind, mark.score, empty) for mark in find_marks(samples, depth_max))


def find_marks(samples: np.ndarray, depth_max: int) -> tuple[Mark, ...]:
    """Suspects in a picture uint8 or uint16 [H, W, C], C 1 or 3, strongest kinds first; at most one a kind.

    A picture coloured all over (tissue under a microscope) is not searched: its white gaps would be glyphs.
    """
    import cv2

    if min(samples.shape[:2]) < LEAST_SIDE:
        return ()
    values = np.ascontiguousarray(samples).astype(np.float32) / depth_max
    scale = LONGEST_SIDE / max(values.shape[:2])
    if scale < 1:
        size = round(values.shape[1] * scale), round(values.shape[0] * scale)
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    coloured = int((values.max(axis=2) - values.min(axis=2) > _SATURATED).sum())
    if coloured > _MOST_COLOURED * values.shape[0] * values.shape[1]:
        return ()
    found = [Mark("colour", coloured)] if coloured >= _LEAST_COLOURED else []
    grey = values.max(axis=2)
    strokes = _components(_strokes(grey))
    glyphs = _glyphs(strokes)
    crosses = _crosses(strokes)
    counted = {
        "text": _longest_line(strokes[glyphs & ~crosses]),
        "caliper": int(crosses.sum()),
        "ruler": _longest_ruler(strokes, grey.shape),
        "label": _label(grey),
    }
    least = {"text": _GLYPHS_A_LINE, "caliper": 1, "ruler": _TICKS_A_RULER, "label": 1}
    return tuple(found + [Mark(kind, n) for kind, n in counted.items() if n >= least[kind]])


# What a component is: left, top, width, height, area, filled share of its middle row and of its middle
# column, share of the pixels in and just around its box that belong to no other.
_LEFT, _TOP, _WIDTH, _HEIGHT, _AREA, _ROW, _COLUMN, _CLEAR = range(8)


def _strokes(grey: np.ndarray) -> np.ndarray:
    """bool [H, W]: thin and bright, far above what lies around."""
    import cv2

    around = cv2.morphologyEx(grey, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, (9, 9)))
    return (grey >= _BRIGHT) & (grey - around >= _ABOVE_SURROUNDINGS)


def _components(strokes: np.ndarray) -> np.ndarray:
    """float [n, 8], a row a connected stroke of 2 to 60 pixels a side."""
    import cv2

    n, labels, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    rows = []
    for index in range(1, n):
        left, top, width, height, area = stats[index]
        if max(width, height) > 60 or area < 2:
            continue
        piece = labels[top : top + height, left : left + width] == index
        ring = labels[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
        others = (ring != 0) & (ring != index)
        middle_row = piece[max(0, height // 2 - 1) : height // 2 + 2].mean(axis=1).max()
        middle_column = piece[:, max(0, width // 2 - 1) : width // 2 + 2].mean(axis=0).max()
        rows.append((left, top, width, height, area, middle_row, middle_column, 1.0 - others.mean()))
    return np.array(rows, float).reshape(-1, 8)


def _glyphs(parts: np.ndarray) -> np.ndarray:
    """bool [n]: of the size, fill and loneliness of a printed letter or digit."""
    width, height, fill = (
        parts[:, _WIDTH],
        parts[:, _HEIGHT],
        parts[:, _AREA] / (parts[:, _WIDTH] * parts[:, _HEIGHT]),
    )
    sized = (height >= 7) & (height <= 40) & (width >= 2) & (width <= 1.6 * height)
    return sized & (fill >= 0.18) & (fill <= 0.9) & (parts[:, _CLEAR] >= 0.9)


def _crosses(parts: np.ndarray) -> np.ndarray:
    """bool [n]: a plus sign, one full row and one full column through its middle and little else."""
    width, height = parts[:, _WIDTH], parts[:, _HEIGHT]
    square = (np.abs(width - height) <= 2) & (np.minimum(width, height) >= 7) & (width <= 31)
    thin = parts[:, _AREA] <= 0.5 * width * height
    return square & thin & (parts[:, _ROW] >= 0.9) & (parts[:, _COLUMN] >= 0.9)


def _longest_line(glyphs: np.ndarray) -> int:
    """Most glyphs on one line of text: feet or heads level, heights alike, gaps under two heights."""
    best = 0
    order = glyphs[np.argsort(glyphs[:, _LEFT])]
    for start in range(len(order)):
        chain, at = 1, order[start]
        for glyph in order[start + 1 :]:
            gap = glyph[_LEFT] - (at[_LEFT] + at[_WIDTH])
            feet = abs(glyph[_TOP] + glyph[_HEIGHT] - at[_TOP] - at[_HEIGHT])
            level = min(feet, abs(glyph[_TOP] - at[_TOP])) <= 0.25 * at[_HEIGHT]
            alike = 0.6 <= glyph[_HEIGHT] / at[_HEIGHT] <= 1.7
            if level and alike and -1 <= gap <= 1.5 * at[_HEIGHT]:
                chain, at = chain + 1, glyph
        best = max(best, chain)
    return best


def _longest_ruler(parts: np.ndarray, shape: tuple[int, int]) -> int:
    """Most small marks in one straight, evenly spaced row or column within a tenth of a border."""
    small = parts[np.maximum(parts[:, _WIDTH], parts[:, _HEIGHT]) <= 16]
    best = 0
    for along, across, depth, side in ((_TOP, _LEFT, _WIDTH, shape[1]), (_LEFT, _TOP, _HEIGHT, shape[0])):
        edge = np.minimum(small[:, across], side - small[:, across] - small[:, depth])
        near = small[edge <= 0.1 * side]
        extent = _HEIGHT if along == _TOP else _WIDTH
        centres = near[:, along] + near[:, extent] / 2
        for foot in np.unique(np.concatenate([near[:, across], near[:, across] + near[:, depth]])):
            level = (np.abs(near[:, across] - foot) <= 1) | (
                np.abs(near[:, across] + near[:, depth] - foot) <= 1
            )
            best = max(best, _even_run(np.sort(centres[level])))
    return best


def _even_run(places: np.ndarray) -> int:
    """Longest run of places at one spacing of at least 4 pixels."""
    gaps = np.diff(places)
    best = run = 1
    for i in range(1, len(gaps)):
        even = gaps[i] >= 4 and abs(gaps[i] - gaps[i - 1]) <= max(1.0, 0.08 * gaps[i])
        run = run + 1 if even else 1
        best = max(best, run)
    return best + 1 if len(gaps) else len(places)


def _label(grey: np.ndarray) -> int:
    """Pixels of the largest bright, compact patch on dark ground that touches no tissue: a film's label or
    marker."""
    import cv2

    n, labels, stats, _ = cv2.connectedComponentsWithStats((grey >= 0.25).astype(np.uint8), connectivity=8)
    if n < 3:
        return 0
    total = grey.size
    tissue = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    best = 0
    for index in range(1, n):
        left, top, width, height, area = stats[index]
        if index == tissue or not 0.0005 * total <= area <= 0.05 * total:
            continue
        inside = labels[top : top + height, left : left + width] == index
        bright = float(grey[top : top + height, left : left + width][inside].mean())
        if area >= 0.45 * width * height and bright >= 0.45 and min(width, height) >= 8:
            best = max(best, int(area))
    return best
