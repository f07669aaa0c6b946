"""Pictures for the screen: a study, and a heatmap laid over it, no larger than a screen can use."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from models.study import Study
from xai.drawing import draw_as
from xai.export import png_bytes
from xai.heatmap import Heatmap
from xai.overlay import (
    DEFAULT_COLOURS,
    DEFAULT_LEVELS,
    DEFAULT_OPACITY,
    Contour,
    contours,
    draw_overlay,
    to_rgb,
)

LONGEST_SIDE = 2048
CARD_SIDE = 560
THUMBNAIL_SIDE = 320


@dataclass(frozen=True)
class Style:
    """How a heatmap is drawn. opacity: 0..1. colours: of xai.overlay.COLOUR_MAPS. drawing: of
    xai.drawing.DRAWINGS."""

    opacity: float = DEFAULT_OPACITY
    colours: str = DEFAULT_COLOURS
    drawing: str = "colour"

    @property
    def coloured(self) -> bool:
        return self.drawing != "contours"

    @property
    def contoured(self) -> bool:
        return self.drawing != "colour"


@dataclass(frozen=True, eq=False)
class Picture:
    """PNG bytes of `shown` (height, width) pixels that stand for height x width native pixels."""

    png: bytes
    height: int
    width: int
    shown: tuple[int, int]

    @cached_property
    def uri(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def reduced(self) -> bool:
        return self.shown != (self.height, self.width)


def original_picture(study: Study) -> Picture:
    """The study as stored, reduced in size where it is larger than LONGEST_SIDE."""
    return _picture(to_rgb(_screen(study.display())), study)


def overlay_picture(study: Study, heatmap: Heatmap, style: Style) -> Picture:
    """The study with the heatmap's colours; the study alone where the style has none or the map is blank."""
    display = _screen(study.display())
    if not style.coloured:
        return _picture(to_rgb(display), study)
    smaller = replace(heatmap, placement=replace(heatmap.placement, native=display.shape[:2]))
    return _picture(draw_overlay(display, smaller, style.opacity, style.colours), study)


def card_picture(study: Study, heatmap: Heatmap, style: Style, mask: np.ndarray | None = None) -> Picture:
    """The study with the heatmap and the lesion's outline, small enough for a dozen on one page.

    mask: bool [H, W], of the study's size.
    """
    display = _screen(study.display(), CARD_SIDE)
    outline = None if mask is None else _nearest(mask, *display.shape[:2])
    rgb = draw_as(display, heatmap, style.drawing, style.opacity, style.colours, outline)
    return _picture(rgb, study)


def thumbnail(study: Study) -> Picture:
    """The middle square of a study, small."""
    display = study.display()
    side = min(display.shape[:2])
    top, left = (display.shape[0] - side) // 2, (display.shape[1] - side) // 2
    square = display[top : top + side, left : left + side]
    return _picture(to_rgb(_screen(square, THUMBNAIL_SIDE)), study)


def contour_lines(heatmap: Heatmap) -> tuple[Contour, ...]:
    """The map's contours in native pixels with pixel edges on whole numbers; none where it is blank."""
    if heatmap.blank:
        return ()
    found = contours(heatmap.native(), heatmap.scale, DEFAULT_LEVELS)
    return tuple(replace(contour, points=contour.points + 0.5) for contour in found)


def _screen(display: np.ndarray, longest: int = LONGEST_SIDE) -> np.ndarray:
    """uint8 [H, W, C] averaged down so that its longer side is at most `longest`."""
    height, width = display.shape[:2]
    if max(height, width) <= longest:
        return display
    import cv2

    factor = longest / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    smaller = cv2.resize(np.ascontiguousarray(display), size, interpolation=cv2.INTER_AREA)
    return smaller if smaller.ndim == 3 else smaller[..., None]


def _nearest(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = ((np.arange(height) + 0.5) * mask.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * mask.shape[1] / width).astype(int)
    return mask[np.ix_(rows, columns)]


def _picture(rgb: np.ndarray, study: Study) -> Picture:
    return Picture(png_bytes(rgb), study.height, study.width, rgb.shape[:2])
