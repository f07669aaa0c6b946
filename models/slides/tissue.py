"""Where a slide holds tissue and where it is bare glass, told on its thumbnail."""

from __future__ import annotations

import numpy as np

#: Least saturation, of 255, that may be tissue: Otsu's method parts any picture in two, an empty glass too.
LEAST_SATURATION = 15
#: How much more green than red a pixel is before it is ink: haematoxylin and eosin both take most from green.
_INK = 24
_HOLE, _SPECK = 0.02, 0.001
"""Shares of the tissue: holes up to that size belong to it (fat, lumina), pieces under that are dust."""


def find_tissue(thumbnail: np.ndarray) -> np.ndarray:
    """bool [h, w]: True on tissue of a thumbnail uint8 RGB [h, w, 3] in haematoxylin and eosin.

    Otsu's threshold (IEEE Trans. Syst. Man Cybern. 9:62, 1979) on the smoothed saturation, as pipelines
    for slides do (Lu et al., Nat. Biomed. Eng. 5:555, 2021), but never under LEAST_SATURATION, so that bare
    glass stays bare. Blue and green ink is left out. Then gaps are closed, holes filled and specks removed.
    Fat at a tissue's rim may be missed, as it is white. ValueError for another array.
    """
    if thumbnail.dtype != np.uint8 or thumbnail.ndim != 3 or thumbnail.shape[2] != 3:
        raise ValueError(f"A thumbnail must be uint8 [h, w, 3], not {thumbnail.dtype} {thumbnail.shape}.")
    import cv2

    longest = max(thumbnail.shape[:2])
    smooth = cv2.medianBlur(np.ascontiguousarray(thumbnail), 5) if longest >= 64 else thumbnail
    saturation = _saturation(smooth)
    threshold, _ = cv2.threshold(saturation, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    found = (saturation > max(threshold, LEAST_SATURATION - 1)) & ~_ink(smooth)
    if not found.any():
        return found
    size = max(3, longest // 200) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_CLOSE, disc)
    area = np.count_nonzero(closed)
    filled = closed.astype(bool) | _pieces(closed == 0, most=_HOLE * area)
    return _pieces(filled, least=_SPECK * area)


def _saturation(rgb: np.ndarray) -> np.ndarray:
    """uint8 [h, w]: the difference of the strongest and the weakest channel.

    The chroma, and not HSV's quotient by the strongest one: of a black pixel that is noise.
    """
    return rgb.max(axis=2) - rgb.min(axis=2)


def _ink(rgb: np.ndarray) -> np.ndarray:
    red, green = rgb[..., 0].astype(np.int16), rgb[..., 1].astype(np.int16)
    return green - red > _INK


def _pieces(mask: np.ndarray, least: float = 0.0, most: float = np.inf) -> np.ndarray:
    """bool [h, w]: the connected pieces of at least and at most so many pixels."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    kept = (areas >= least) & (areas <= most)
    kept[0] = False
    return kept[labels]
