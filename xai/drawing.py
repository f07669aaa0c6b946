"""A heatmap on its image the way a person chose to see it: as colours, as contours, or as both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xai.overlay import (
    DEFAULT_COLOURS,
    DEFAULT_LEVELS,
    DEFAULT_OPACITY,
    colour_table,
    contours,
    draw_outline,
    draw_overlay,
    mask_outline,
    to_rgb,
)

if TYPE_CHECKING:
    from xai.heatmap import Heatmap

DRAWINGS = ("colour", "contours", "both")


def draw_as(
    display: np.ndarray,
    heatmap: Heatmap,
    drawing: str = "colour",
    opacity: float = DEFAULT_OPACITY,
    colours: str = DEFAULT_COLOURS,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """uint8 RGB [H, W, 3] of a display uint8 [H, W(, C)] of any size; a blank map adds nothing.

    drawing: of DRAWINGS (else ValueError). mask: bool [H, W] of the display's size, outlined.
    """
    if drawing not in DRAWINGS:
        raise ValueError(f"A heatmap is drawn as {', '.join(DRAWINGS)}, not {drawing!r}.")
    fitted = replace(heatmap, placement=replace(heatmap.placement, native=display.shape[:2]))
    rgb = to_rgb(display) if drawing == "contours" else draw_overlay(display, fitted, opacity, colours)
    if drawing != "colour" and not heatmap.blank:
        for contour in contours(fitted.native(), heatmap.scale, DEFAULT_LEVELS):
            rgb = draw_outline(rgb, [contour.points], contour_colour(colours, contour.level))
    return rgb if mask is None else draw_outline(rgb, mask_outline(mask))


def contour_colour(colours: str, level: float) -> tuple[int, int, int]:
    """RGB of the contour at that fraction of the scale: the lower half of a table is too dark for a line on
    tissue."""
    red, green, blue = map(int, colour_table(colours)[round(255 * (0.5 + level / 2))])
    return red, green, blue
