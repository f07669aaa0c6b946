"""The probability map of a slide on its thumbnail, as numbers into pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai.overlay import DEFAULT_OPACITY, blend, colour_table, mask_outline

if TYPE_CHECKING:
    from models.slides.scores import SlideScores
    from models.slides.tiles import Survey

#: Green and yellow, which haematoxylin and eosin never are; inferno begins in their purples.
SLIDE_COLOURS = "viridis"
CALLED_COLOUR = (20, 20, 20)
TISSUE_COLOUR = (40, 70, 160)
_STRIP, _BAR_SHARE = 46, 0.25


def cells(survey: Survey, values: np.ndarray) -> np.ndarray:
    """A value a tile [rows, columns] -> the same on the thumbnail's pixels [h, w], each tile a flat square.

    Nothing is interpolated: a tile is one answer of the network. Where tiles overlap, each stands for the
    middle of its field, as wide as the step to the next; the outermost reach to the slide's border.
    """
    grid, (h, w) = survey.grid, survey.thumbnail.shape[:2]
    rows = _nearest(h, survey.height / h, grid.rows, grid.side, grid.step)
    columns = _nearest(w, survey.width / w, grid.columns, grid.side, grid.step)
    return values[np.ix_(rows, columns)]


def _nearest(length: int, scale: float, count: int, side: float, step: float) -> np.ndarray:
    """For each of `length` thumbnail pixels of `scale` full-size pixels, the tile that stands for it."""
    centre = (np.arange(length) + 0.5) * scale
    return np.clip(np.floor((centre - (side - step) / 2) / step), 0, count - 1).astype(int)


def map_picture(
    scores: SlideScores,
    opacity: float = DEFAULT_OPACITY,
    colours: str = SLIDE_COLOURS,
    *,
    tissue: bool = True,
    called: bool = True,
) -> np.ndarray:
    """uint8 RGB [h, w, 3]: the thumbnail with the probability of the positive class laid over each tile.

    Full colour is probability 1 on every slide; below one half the colour grows fainter, so that the tissue
    under an unlikely tile stays readable. tissue: outline it; called: outline the tiles called positive.
    """
    survey = scores.survey
    rgb = blend(survey.thumbnail, cells(survey, scores.map), 1.0, opacity, colours)
    if tissue:
        rgb = _lines(rgb, mask_outline(survey.tissue), TISSUE_COLOUR)
    if called:
        rgb = _lines(rgb, mask_outline(cells(survey, scores.called())), CALLED_COLOUR)
    return rgb


def captioned(picture: np.ndarray, scores: SlideScores, colours: str = SLIDE_COLOURS) -> np.ndarray:
    """The picture with a strip below it: the colours' scale, a scale bar, and what it is not."""
    import cv2

    width = picture.shape[1]
    strip = np.full((_STRIP, width, 3), 255, np.uint8)
    left, bar = 10, min(160, width // 4)
    shade = np.linspace(0, 255, bar).round().astype(int)
    strip[8:18, left : left + bar] = colour_table(colours)[shade]

    def write(text: str, x: int, y: int, size: float = 0.42) -> None:
        cv2.putText(strip, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, (30, 30, 30), 1, cv2.LINE_AA)

    write("0", left, 32)
    write("1", left + bar - 8, 32)
    write(f"probability of {_ascii(scores.positive)}", left + 16, 32, 0.38)
    millimetres = nice_length(scores.survey.width_mm * _BAR_SHARE)
    pixels = round(millimetres / scores.survey.width_mm * width)
    start = left + bar + 30
    if start + pixels < width:
        strip[12:15, start : start + pixels] = 30
        write(length_text(millimetres).replace("µ", "u"), start, 32)
    told = "Single tiles, no validated verdict on the slide. Research use only: not a diagnostic device."
    write(told if width > 700 else "Research use only", max(start + pixels + 30, 0), 18, 0.4)
    return np.concatenate([picture, strip])


def nice_length(most: float) -> float:
    """The longest of 1, 2, 5 times a power of ten that is not longer than `most` (> 0)."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))


def length_text(millimetres: float) -> str:
    """A length for people."""
    return f"{millimetres:g} mm" if millimetres >= 1 else f"{millimetres * 1000:g} µm"


def _lines(rgb: np.ndarray, outlines: tuple[np.ndarray, ...], colour: tuple[int, int, int]) -> np.ndarray:
    import cv2

    whole = [np.rint(points).astype(np.int32)[:, None] for points in outlines]
    return cv2.polylines(np.ascontiguousarray(rgb), whole, True, colour, 1, cv2.LINE_AA)


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
