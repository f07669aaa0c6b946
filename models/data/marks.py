"""Suspects for burned-in marks: text, calipers, rulers, film labels, flat patches and coloured overlays.

A network reads what an operator drew as readily as tissue: calipers say that somebody saw a lesion. What is
found here are suspects, to be looked at; `python -m models audit-data` counts them a class, and the guards
look whether a heatmap lies on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data.crosses import Cross, find_crosses

LEAST_SIDE = 96
"""Pictures with a shorter side (patches of tissue) have no room for a mark that could be told from them."""
LONGEST_SIDE = 1024
KINDS = ("colour", "text", "caliper", "ruler", "label", "patch")
_SATURATED, _MOST_COLOURED = 0.16, 0.15
_GLYPHS_A_LINE, _TICKS_A_RULER, _LEAST_COLOURED = 3, 6, 24
# Letters that are not bright must be more, and alike: speckle makes three in a row now and then.
_BRIGHT, _ABOVE_SURROUNDINGS = 0.72, 0.35
_DIM_ABOVE_SURROUNDINGS, _DIM_GLYPHS_A_LINE, _DIM_SPREAD = 0.2, 5, 0.12
_GROWN = 2
"""Pixels by which a mark's place goes beyond what was found, for its soft edge."""


@dataclass(frozen=True)
class Mark:
    """A suspect. kind: one of KINDS. score: glyphs, crosses, ticks, or pixels of any other."""

    kind: str
    score: float


@dataclass(frozen=True, eq=False)
class MarkRegion:
    """A suspect and where it is. kind and score as of `Mark`; mask: bool [H, W] on the native picture."""

    kind: str
    score: float
    mask: np.ndarray


def find_marks(samples: np.ndarray, depth_max: int) -> tuple[Mark, ...]:
    """Suspects in a picture uint8 or uint16 [H, W, C], C 1 or 3, in the order of KINDS; at most one a kind.

    A picture coloured all over (tissue under a microscope) is searched for patches alone: its white gaps
    would be glyphs.
    """
    return tuple(Mark(kind, score) for kind, score, _ in _suspects(samples, depth_max))


def mark_regions(samples: np.ndarray, depth_max: int) -> tuple[MarkRegion, ...]:
    """The suspects of `find_marks` with their places, all of a kind in one mask."""
    import cv2

    size = samples.shape[1], samples.shape[0]
    return tuple(
        MarkRegion(kind, score, cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST).astype(bool))
        for kind, score, mask in _suspects(samples, depth_max)
    )


def _suspects(samples: np.ndarray, depth_max: int) -> list[tuple[str, float, np.ndarray]]:
    """(kind, score, mask uint8 of the searched size), which is at most LONGEST_SIDE a side."""
    import cv2

    if min(samples.shape[:2]) < LEAST_SIDE:
        return []
    values = np.ascontiguousarray(samples).astype(np.float32) / depth_max
    scale = LONGEST_SIDE / max(values.shape[:2])
    if scale < 1:
        size = round(values.shape[1] * scale), round(values.shape[0] * scale)
        values = cv2.resize(values, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    coloured = values.max(axis=2) - values.min(axis=2) > _SATURATED
    grey = values.max(axis=2)
    if coloured.sum() > _MOST_COLOURED * coloured.size:
        score, places = _patches(values.mean(axis=2), [])  # stained tissue is bright in red
        return [("patch", float(score), _grown(_filled(grey.shape, places)))] if places else []
    strokes = _components(_strokes(grey, _BRIGHT, _ABOVE_SURROUNDINGS), grey)
    crosses = _crosses(strokes)
    text = _text(grey, strokes[_glyphs(strokes) & ~crosses])
    labels = _labels(grey, text[1])
    boxes = {
        "text": text,
        "caliper": _caliper_boxes(strokes[crosses], find_crosses(grey), text[1]),
        "ruler": _ruler(strokes, grey.shape),
        "label": labels,
        "patch": _patches(grey, labels[1]),
    }
    found = [("colour", float(coloured.sum()), _grown(coloured))] if coloured.sum() >= _LEAST_COLOURED else []
    for kind, (score, places) in boxes.items():
        if places:
            found.append((kind, float(score), _grown(_filled(grey.shape, places))))
    return found


Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the searched picture."""


def _filled(shape: tuple[int, int], boxes: list[Box]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for left, top, width, height in boxes:
        mask[max(0, top) : top + height, max(0, left) : left + width] = True
    return mask


def _grown(mask: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * _GROWN + 1,) * 2, np.uint8))


# What a component is: left, top, width, height, area, filled share of its middle row and of its middle
# column, share of the pixels in and just around its box that belong to no other, its brightest grey.
_LEFT, _TOP, _WIDTH, _HEIGHT, _AREA, _ROW, _COLUMN, _CLEAR, _PEAK = range(9)


def _strokes(grey: np.ndarray, bright: float, above: float) -> np.ndarray:
    """bool [H, W]: thin and at least `bright`, and by `above` brighter than what lies around."""
    import cv2

    around = cv2.morphologyEx(grey, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, (9, 9)))
    return (grey >= bright) & (grey - around >= above)


def _components(strokes: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """float [n, 9], a row a connected stroke of 2 to 60 pixels a side."""
    import cv2

    n, labels, stats, _ = cv2.connectedComponentsWithStats(strokes.astype(np.uint8), connectivity=8)
    rows = []
    for index in range(1, n):
        left, top, width, height, area = stats[index]
        if max(width, height) > 60 or area < 2:
            continue
        box = np.s_[top : top + height, left : left + width]
        piece = labels[box] == index
        ring = labels[max(0, top - 2) : top + height + 2, max(0, left - 2) : left + width + 2]
        others = (ring != 0) & (ring != index)
        middle_row = piece[max(0, height // 2 - 1) : height // 2 + 2].mean(axis=1).max()
        middle_column = piece[:, max(0, width // 2 - 1) : width // 2 + 2].mean(axis=0).max()
        peak = grey[box][piece].max()
        rows.append((left, top, width, height, area, middle_row, middle_column, 1.0 - others.mean(), peak))
    return np.array(rows, float).reshape(-1, 9)


def _box(part: np.ndarray) -> Box:
    return tuple(int(value) for value in part[:4])


def _glyphs(parts: np.ndarray) -> np.ndarray:
    """bool [n]: of the size, fill and loneliness of a printed letter or digit."""
    width, height = parts[:, _WIDTH], parts[:, _HEIGHT]
    fill = parts[:, _AREA] / (width * height)
    sized = (height >= 7) & (height <= 40) & (width >= 2) & (width <= 1.6 * height)
    return sized & (fill >= 0.18) & (fill <= 0.9) & (parts[:, _CLEAR] >= 0.9)


def _crosses(parts: np.ndarray) -> np.ndarray:
    """bool [n]: a plus sign, one full row and one full column through its middle and little else."""
    width, height = parts[:, _WIDTH], parts[:, _HEIGHT]
    square = (np.abs(width - height) <= 2) & (np.minimum(width, height) >= 7) & (width <= 31)
    thin = parts[:, _AREA] <= 0.5 * width * height
    return square & thin & (parts[:, _ROW] >= 0.9) & (parts[:, _COLUMN] >= 0.9)


def _caliper_boxes(bright: np.ndarray, likely: list[Cross], text: list[Box]) -> tuple[int, list[Box]]:
    """Bright plus signs drawn to the pixel, and crosses of any brightness by their likeness that are no
    letter."""
    boxes = [_box(part) for part in bright]
    for cross in likely:
        half = cross.side // 2 + 1
        box = (cross.x - half, cross.y - half, 2 * half + 1, 2 * half + 1)
        if not _meet(box, boxes + text):
            boxes.append(box)
    return len(boxes), boxes


def _text(grey: np.ndarray, bright: np.ndarray) -> tuple[int, list[Box]]:
    """Glyphs of the longest line, and the boxes of all lines: of bright letters, and of dim ones that are
    more and alike."""
    lines = [line for line in _lines(bright) if len(line) >= _GLYPHS_A_LINE]
    dim = _components(_strokes(grey, _DIM_ABOVE_SURROUNDINGS, _DIM_ABOVE_SURROUNDINGS), grey)
    for line in _lines(dim[_glyphs(dim)]):
        heights, peaks = line[:, _HEIGHT], line[:, _PEAK]
        alike = peaks.std() <= _DIM_SPREAD * peaks.mean() and np.ptp(heights) <= 0.35 * heights.max() + 1
        if len(line) >= _DIM_GLYPHS_A_LINE and alike:
            lines.append(line)
    boxes = []
    for line in lines:
        left, top = line[:, _LEFT].min(), line[:, _TOP].min()
        right = (line[:, _LEFT] + line[:, _WIDTH]).max()
        bottom = (line[:, _TOP] + line[:, _HEIGHT]).max()
        boxes.append(_to_line_ends((left, top, right, bottom), dim))
    return max(map(len, lines), default=0), boxes


def _to_line_ends(corners: tuple[float, ...], strokes: np.ndarray) -> Box:
    """A line's box with the strokes beside it that are as high: letters that touch are no glyphs."""
    left, top, right, bottom = corners
    high = bottom - top
    level = strokes[
        (strokes[:, _TOP] >= top - 0.3 * high)
        & (strokes[:, _TOP] + strokes[:, _HEIGHT] <= bottom + 0.3 * high)
        & (strokes[:, _HEIGHT] >= 0.5 * high)
    ]
    starts, ends = level[:, _LEFT], level[:, _LEFT] + level[:, _WIDTH]
    for _ in range(len(level)):
        near = (starts <= right + 1.2 * high) & (ends >= left - 1.2 * high)
        wider = min([left, *starts[near]]), max([right, *ends[near]])
        if wider == (left, right):
            break
        left, right = wider
    return int(left), int(top), int(right - left), int(bottom - top)


def _lines(glyphs: np.ndarray) -> list[np.ndarray]:
    """Lines of text, the longest first, no glyph in two: feet or heads level, heights alike, gaps under two
    heights."""
    left = glyphs[np.argsort(glyphs[:, _LEFT])]
    lines = []
    while len(left):
        best: list[int] = []
        for start in range(len(left)):
            chain = _chain(left, start)
            best = chain if len(chain) > len(best) else best
        if len(best) < _GLYPHS_A_LINE:
            break
        lines.append(left[best])
        left = np.delete(left, best, axis=0)
    return lines


def _chain(order: np.ndarray, start: int) -> list[int]:
    """Indices of the line that begins with a glyph; order: glyphs from left to right."""
    chain, at = [start], order[start]
    for index in range(start + 1, len(order)):
        glyph = order[index]
        gap = glyph[_LEFT] - (at[_LEFT] + at[_WIDTH])
        if gap > 1.5 * at[_HEIGHT] + 60:
            break
        feet = abs(glyph[_TOP] + glyph[_HEIGHT] - at[_TOP] - at[_HEIGHT])
        level = min(feet, abs(glyph[_TOP] - at[_TOP])) <= 0.25 * at[_HEIGHT]
        alike = 0.6 <= glyph[_HEIGHT] / at[_HEIGHT] <= 1.7
        if level and alike and -1 <= gap <= 1.5 * at[_HEIGHT]:
            chain.append(index)
            at = glyph
    return chain


def _ruler(parts: np.ndarray, shape: tuple[int, int]) -> tuple[int, list[Box]]:
    """The longest straight, evenly spaced row or column of small marks within a tenth of a border."""
    small = parts[np.maximum(parts[:, _WIDTH], parts[:, _HEIGHT]) <= 16]
    best: np.ndarray = small[:0]
    for along, across, depth, side in ((_TOP, _LEFT, _WIDTH, shape[1]), (_LEFT, _TOP, _HEIGHT, shape[0])):
        edge = np.minimum(small[:, across], side - small[:, across] - small[:, depth])
        near = small[edge <= 0.1 * side]
        extent = _HEIGHT if along == _TOP else _WIDTH
        near = near[np.argsort(near[:, along] + near[:, extent] / 2, kind="stable")]
        centres = near[:, along] + near[:, extent] / 2
        ends = near[:, across] + near[:, depth]
        for foot in np.unique(np.concatenate([near[:, across], ends])):
            level = np.flatnonzero((np.abs(near[:, across] - foot) <= 1) | (np.abs(ends - foot) <= 1))
            first, last = _even_run(centres[level])
            if last - first > len(best):
                best = near[level[first:last]]
    return len(best), [_box(tick) for tick in best] if len(best) >= _TICKS_A_RULER else []


def _even_run(places: np.ndarray) -> tuple[int, int]:
    """[first, last) of the longest run of ascending places at one spacing of at least 4 pixels."""
    gaps = np.diff(places)
    best, first = (0, min(len(places), 2)), 0
    for i in range(1, len(gaps)):
        if not (gaps[i] >= 4 and abs(gaps[i] - gaps[i - 1]) <= max(1.0, 0.08 * gaps[i])):
            first = i
        if i + 2 - first > best[1] - best[0]:
            best = first, i + 2
    return best


def _labels(grey: np.ndarray, text: list[Box]) -> tuple[int, list[Box]]:
    """Pixels of the largest bright, compact, sharply bounded patch on dark ground that touches no tissue, and
    the boxes of all such: a film's label or marker. What lies in a line of text is none."""
    import cv2

    n, labels, stats, _ = cv2.connectedComponentsWithStats((grey >= 0.25).astype(np.uint8), connectivity=8)
    if n < 3:
        return 0, []
    total = grey.size
    tissue = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    areas, boxes = [], []
    for index in range(1, n):
        left, top, width, height, area = stats[index]
        if index == tissue or not 0.0005 * total <= area <= 0.05 * total or min(width, height) < 8:
            continue
        inside = labels[top : top + height, left : left + width] == index
        bright = float(grey[top : top + height, left : left + width][inside].mean())
        if _meet((left, top, width, height), text):
            continue
        if area >= 0.45 * width * height and bright >= 0.45 and _sharp(grey, labels == index, stats[index]):
            areas.append(int(area))
            edge = max(1, max(width, height) // 16)  # a marker's rim is dark
            boxes.append((int(left - edge), int(top - edge), int(width + 2 * edge), int(height + 2 * edge)))
    return max(areas, default=0), boxes


def _meet(box: Box, others: list[Box]) -> bool:
    """Whether a box shares a pixel with any of the others."""
    left, top, width, height = box
    return any(
        left < x + w and x < left + width and top < y + h and y < top + height for x, y, w, h in others
    )


def _sharp(grey: np.ndarray, piece: np.ndarray, box: np.ndarray, least: float = 0.3) -> bool:
    """Whether a piece's rim is brighter than its surroundings by `least` on the whole: tissue fades."""
    import cv2

    left, top, width, height = box[:4]
    window = np.s_[max(0, top - 6) : top + height + 6, max(0, left - 6) : left + width + 6]
    own, seen = piece[window].astype(np.uint8), grey[window]
    square = np.ones((5, 5), np.uint8)
    rim = (own > 0) & (cv2.erode(own, square) == 0)
    around = (cv2.dilate(own, np.ones((11, 11), np.uint8)) > 0) & (cv2.dilate(own, square) == 0)
    return around.any() and float(seen[rim].mean() - seen[around].mean()) >= least


def _patches(grey: np.ndarray, known: list[Box]) -> tuple[int, list[Box]]:
    """Pixels of the largest flat rectangle brighter or darker than its ground all round, and all their boxes.

    Flat means one shade to a few 255ths, as nothing that was measured is; a marker's letter is a hole in it.
    """
    import cv2

    square = np.ones((3, 3), np.uint8)
    flat = cv2.dilate(grey, square) - cv2.erode(grey, square) <= 6 / 255
    flat &= grey >= 0.1  # black is background
    n, labels, stats, _ = cv2.connectedComponentsWithStats(flat.astype(np.uint8), connectivity=4)
    total, areas, boxes = grey.size, [], []
    for index in range(1, n):
        left, top, width, height, area = stats[index]
        size = width * height
        if not 0.0003 * total <= size <= 0.06 * total or min(width, height) < 8:
            continue
        if max(width, height) > 5 * min(width, height) or area < 0.25 * size:
            continue
        piece = np.pad((labels[top : top + height, left : left + width] == index).astype(np.uint8), 1)
        outline, _ = cv2.findContours(piece, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        whole = cv2.drawContours(np.zeros_like(piece), outline, -1, 1, -1)[1:-1, 1:-1]
        values = grey[top : top + height, left : left + width][piece[1:-1, 1:-1] > 0]
        if whole.mean() < 0.9 or np.ptp(values) > 12 / 255:
            continue
        box = (int(left) - 1, int(top) - 1, int(width) + 2, int(height) + 2)
        if not _meet(box, known) and _stands_out(grey, box, float(values.mean())):
            areas.append(int(size))
            boxes.append((box[0] - 2, box[1] - 2, box[2] + 4, box[3] + 4))
    return max(areas, default=0), boxes


def _stands_out(grey: np.ndarray, box: Box, shade: float, least: float = 0.12) -> bool:
    """Whether the ring of 2 to 4 pixels around a box is of another shade on each side in the picture."""
    left, top, width, height = box
    sides = [
        grey[max(0, top - 4) : max(0, top - 1), max(0, left) : left + width],
        grey[top + height + 1 : top + height + 4, max(0, left) : left + width],
        grey[max(0, top) : top + height, max(0, left - 4) : max(0, left - 1)],
        grey[max(0, top) : top + height, left + width + 1 : left + width + 4],
    ]
    return all(not side.size or abs(float(np.median(side)) - shade) >= least for side in sides)
