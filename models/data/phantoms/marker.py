"""The planted shortcut: a film-marker-like square with a letter, burned into a corner of a phantom.

Classifiers of chest films have learnt such markers instead of the disease (Zech et al., PLoS Med 15:e1002683,
2018; DeGrave, Janizek, Lee, Nat Mach Intell 3:610, 2021). Where the marker predicts the label and the mask of
the lesion is known, whether a heatmap or a guard finds it out can be told from right and wrong.
"""

from __future__ import annotations

import numpy as np

from models.data.phantoms.case import Phantom

SIDE = 0.1
"""Side of the square as a share of the image's longer side: 22 pixels once the image is padded to 224."""

_BRIGHT, _DARK, _LETTERS = 245, 10, "LR"


def with_marker(drawn: Phantom, rng: np.random.Generator) -> Phantom:
    """The phantom with a marker in one of its corners; the mask stays the lesion's.

    A bright square with a dark letter (L or R, whatever side it is) and a dark edge, a little off the border.
    The corner is drawn from those that the lesion leaves free. attributes tell where it lies: marker_x0,
    marker_y0, marker_x1, marker_y1 (half-open pixels) and marker_corner ("top left", ...).
    """
    h, w = drawn.image.shape[:2]
    side = max(16, round(SIDE * max(h, w)))
    off = max(2, side // 6)
    letter = _LETTERS[int(rng.integers(len(_LETTERS)))]
    places = {
        f"{vertical} {horizontal}": (y, x)
        for vertical, y in (("top", off), ("bottom", h - off - side))
        for horizontal, x in (("left", off), ("right", w - off - side))
    }
    free = [name for name in sorted(places) if not _touches(drawn.mask, *places[name], side)]
    corner = free[int(rng.integers(len(free)))]  # one lesion never reaches all four
    y, x = places[corner]
    image = drawn.image.copy()
    patch = _square(side, letter)
    image[y : y + side, x : x + side] = patch if image.ndim == 2 else patch[..., None]
    where = {"marker_x0": x, "marker_y0": y, "marker_x1": x + side, "marker_y1": y + side}
    return Phantom(image, drawn.mask, drawn.label, drawn.attributes | {"marker_corner": corner} | where)


def marker_box(drawn: Phantom) -> tuple[slice, slice] | None:
    """(rows, columns) of the marker in a phantom's image; None where it has none."""
    at = drawn.attributes
    if "marker_x0" not in at:
        return None
    return slice(at["marker_y0"], at["marker_y1"]), slice(at["marker_x0"], at["marker_x1"])


def _touches(mask: np.ndarray | None, y: int, x: int, side: int) -> bool:
    return mask is not None and bool(mask[y : y + side, x : x + side].any())


def _square(side: int, letter: str) -> np.ndarray:
    """uint8 [side, side]: a dark edge, a flat bright square, the letter upright in its middle."""
    import cv2

    patch = np.full((side, side), _BRIGHT, np.uint8)
    edge = max(1, side // 16)
    patch[:edge], patch[-edge:], patch[:, :edge], patch[:, -edge:] = (_DARK,) * 4
    page = np.zeros((2 * side, 2 * side), np.uint8)
    scale, thick = 0.027 * side, max(1, side // 12)
    cv2.putText(page, letter, (side // 2, side), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    # Centred by what was drawn: what the library says of a text's size differs between its versions.
    drawn = page[np.ix_(page.any(axis=1), page.any(axis=0))].astype(np.float32) / 255.0
    top, left = (side - drawn.shape[0]) // 2, (side - drawn.shape[1]) // 2
    under = patch[top : top + drawn.shape[0], left : left + drawn.shape[1]]
    under[:] = np.round(under + drawn * (_DARK - under.astype(np.float32))).astype(np.uint8)
    return patch
