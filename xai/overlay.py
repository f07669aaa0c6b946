"""Drawing a heatmap on its image: numbers in, uint8 RGB and polylines out.

Colour and opacity follow the value over a fixed scale (Heatmap.scale), never the map's own maximum:
noise stays faint and two images can be compared. Where there is no evidence the image is left exactly as it
was. Everything is in native geometry, where there is no padding, so padding is never coloured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from xai.heatmap import Heatmap

# Name -> what a picker says. The first is the default; jet is there because readers ask for it.
COLOUR_MAPS = {
    "inferno": "Inferno (perceptually uniform)",
    "viridis": "Viridis (perceptually uniform)",
    "cividis": "Cividis (perceptually uniform, made for colour-blind readers)",
    "magma": "Magma (perceptually uniform)",
    "jet": "Jet (not uniform: its bands suggest edges that are not in the map)",
}
DEFAULT_COLOURS = "inferno"
DEFAULT_OPACITY = 0.6
# The colours begin in the dark, as ultrasound does: faint opacity on top of that would hide real evidence.
FULL_OPACITY_AT = 0.5
DEFAULT_LEVELS = (0.25, 0.5, 0.75)
LESION_COLOUR = (0, 255, 170)

# Rows blended at a time: the temporaries of a 4000 x 3000 image stay at a few megabytes.
_ROWS = 64


@dataclass(frozen=True, eq=False)
class Contour:
    """One polyline around evidence. level: its fraction of the scale. points: float32 [n, 2], (x, y) in
    native pixels with the first pixel's centre at 0, closed (the last point joins the first)."""

    level: float
    points: np.ndarray


@lru_cache(maxsize=len(COLOUR_MAPS))
def colour_table(name: str) -> np.ndarray:
    """uint8 [256, 3] RGB from no evidence to full scale, read-only. ValueError for a name not in
    COLOUR_MAPS."""
    if name not in COLOUR_MAPS:
        raise ValueError(f"There is no colour map {name!r}: choose one of {', '.join(COLOUR_MAPS)}.")
    import cv2

    code = getattr(cv2, f"COLORMAP_{name.upper()}")
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], code)[:, 0, ::-1].copy()
    table.setflags(write=False)
    return table


def blend(
    display: np.ndarray,
    native: np.ndarray,
    scale: float,
    opacity: float = DEFAULT_OPACITY,
    colours: str = DEFAULT_COLOURS,
) -> np.ndarray:
    """The image with the map's positive evidence laid over it, uint8 RGB [H, W, 3].

    display: uint8 [H, W], [H, W, 1] or [H, W, 3]. native: float [H, W], signed, logit per cell. scale: the
    value of full colour, > 0; more than that looks the same. opacity: 0..1 from half of the scale on, below
    that in proportion to the value. Values <= 0 and NaN leave the pixel untouched.
    """
    if native.shape != display.shape[:2]:
        raise ValueError(f"A map {native.shape} does not lie on an image {display.shape[:2]}.")
    if not (np.isfinite(scale) and scale > 0 and 0 <= opacity <= 1):
        raise ValueError(f"A scale must be positive and an opacity in 0..1, not {scale} and {opacity}.")
    import cv2

    tables = _mixed(float(opacity), colours)
    planes = _planes(display)
    rgb = np.empty((*display.shape[:2], 3), np.uint8)
    for top in range(0, len(rgb), _ROWS):
        rows = slice(top, top + _ROWS)
        level = _levels(native[rows], scale).astype(np.uint16) << 8
        keys = [level | plane[rows] for plane in planes]
        drawn = [cv2.LUT(keys[channel % len(keys)], table) for channel, table in enumerate(tables)]
        cv2.merge(drawn, rgb[rows])
    return rgb


@lru_cache(maxsize=8)
def _mixed(opacity: float, colours: str) -> tuple[np.ndarray, ...]:
    """For each channel uint8 [65536], read-only: what is drawn at (level of evidence) x 256 + (shade of the
    image). Every pixel is a look-up, so that a batch of overlays costs little."""
    alpha = opacity * np.minimum(np.arange(256, dtype=np.float32) / (255 * FULL_OPACITY_AT), 1.0)
    # Per level of evidence: how much of the image is kept, and what each channel gets (the half rounds).
    kept = 1.0 - alpha
    added = alpha[:, None] * colour_table(colours) + 0.5
    shades = np.arange(256, dtype=np.float32)
    found = []
    for channel in range(3):
        table = (shades * kept[:, None] + added[:, channel, None]).astype(np.uint8).reshape(-1)
        table.setflags(write=False)
        found.append(table)
    return tuple(found)


def draw_overlay(
    display: np.ndarray,
    heatmap: Heatmap,
    opacity: float = DEFAULT_OPACITY,
    colours: str = DEFAULT_COLOURS,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """The picture of a heatmap, uint8 RGB [H, W, 3]; a blank map adds nothing. mask: bool [H, W],
    outlined."""
    if heatmap.blank:
        rgb = to_rgb(display)
    else:
        rgb = blend(display, heatmap.native(), heatmap.scale, opacity, colours)
    return rgb if mask is None else draw_outline(rgb, mask_outline(mask))


def contours(
    native: np.ndarray, scale: float, levels: Sequence[float] = DEFAULT_LEVELS
) -> tuple[Contour, ...]:
    """Outlines of where the map reaches stated fractions of its scale; a level that is not reached has none.

    native: float [H, W]. levels: fractions of `scale` in (0, 1], lowest first in the answer. A contour runs
    through the outermost pixels at or above the level, within half a pixel; holes have contours of their
    own.
    """
    if any(not 0 < level <= 1 for level in levels):
        raise ValueError(f"Contour levels are fractions of the scale in (0, 1], not {tuple(levels)}.")
    return tuple(
        Contour(float(level), points)
        for level in sorted(levels)
        for points in _outlines(native >= level * scale)
    )


def mask_outline(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Closed polylines float32 [n, 2] of (x, y) in native pixels around the regions of a bool mask [H,
    W]."""
    return _outlines(mask)


def draw_outline(
    rgb: np.ndarray, outlines: Sequence[np.ndarray], colour: tuple[int, int, int] = LESION_COLOUR
) -> np.ndarray:
    """A copy of an RGB image with polylines drawn; the line is about a 300th of the longer side wide."""
    import cv2

    drawn = np.ascontiguousarray(rgb).copy()
    thickness = max(1, round(max(rgb.shape[:2]) / 300))
    whole = [np.rint(points).astype(np.int32)[:, None] for points in outlines]
    return cv2.polylines(drawn, whole, True, colour, thickness, cv2.LINE_AA)


def to_rgb(display: np.ndarray) -> np.ndarray:
    """uint8 [H, W], [H, W, 1] or [H, W, 3] -> a new uint8 [H, W, 3]."""
    import cv2

    planes = [np.ascontiguousarray(plane) for plane in _planes(display)]
    return cv2.merge(planes * (3 // len(planes)))


def _planes(display: np.ndarray) -> list[np.ndarray]:
    """The channels of a picture, uint8 [H, W] each: one of a grey one. ValueError for anything else."""
    if display.dtype != np.uint8 or display.ndim not in (2, 3):
        raise ValueError(f"An image must be uint8 [H, W(, C)], not {display.dtype} {display.shape}.")
    if display.ndim == 2:
        return [display]
    if display.shape[2] not in (1, 3):
        raise ValueError(f"An image has 1 or 3 channels, not {display.shape[2]}.")
    return [display[..., channel] for channel in range(display.shape[2])]


def _levels(native: np.ndarray, scale: float) -> np.ndarray:
    """uint8: 0 for no evidence to 255 for `scale` and above. fmax takes 0 where the value is NaN."""
    levels = np.multiply(native, native.dtype.type(255.0 / scale))
    np.fmin(np.fmax(levels, 0.0, out=levels), 255.0, out=levels)
    return np.rint(levels, out=levels).astype(np.uint8)


def _outlines(region: np.ndarray) -> tuple[np.ndarray, ...]:
    import cv2

    found, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    # Half a pixel is below what a screen shows, and makes the lines of a large image light to send to a page.
    thin = (cv2.approxPolyDP(points, 0.5, True)[:, 0] for points in found)
    return tuple(points.astype(np.float32) for points in thin)
