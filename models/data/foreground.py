"""Where an image holds tissue: the breast on a film, the sector of a probe, the tissue on a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.study import Study

_LONGEST = 512
_FILM_BLACK = 0.05
_FLAT_BLACK, _FLAT = 0.02, 0.02
_SLIDE_WHITE, _SLIDE_GREY = 0.85, 0.08
_COLOURED = 0.3
_LEAST_BARE, _LEAST_BARE_SLIDE = 0.02, 0.1
"""Shares of the picture; a slide's fat cells are white as well, and tissue."""
_LEAST_PIECE = 0.1


def foreground(study: Study, modality: str | None = None) -> np.ndarray:
    """bool [H, W]: True on tissue; all True where no background could be told.

    Background reaches the image's border, so a cyst or a lumen is none: of a film what is dark, of a slide
    bare white, of ultrasound and whatever is not known only what is black and flat, since deep shadow is dark
    too. Of the rest, pieces under a tenth of the largest (a film's labels) are background as well.
    modality: where the study does not say it.
    """
    import cv2

    scale = min(1.0, _LONGEST / max(study.height, study.width))
    size = max(1, round(study.width * scale)), max(1, round(study.height * scale))
    planes = [cv2.resize(study.plane(c), size, interpolation=cv2.INTER_AREA) for c in range(study.channels)]
    unit = np.stack(planes, axis=-1)
    modality = study.modality or modality
    if modality == "histopathology" or (np.ptp(unit, axis=2) > 0.1).mean() > _COLOURED:
        inside = ~_from_border(_bare_slide(unit), _LEAST_BARE_SLIDE)
        inside |= not inside.any()
    else:
        inside = _large_pieces(~_from_border(_black(unit.max(axis=2), modality), _LEAST_BARE))
    native = study.width, study.height
    return cv2.resize(inside.astype(np.uint8), native, interpolation=cv2.INTER_NEAREST).astype(bool)


def _bare_slide(unit: np.ndarray) -> np.ndarray:
    """bool [h, w]: white glass in a picture float32 [h, w, C]."""
    import cv2

    white = (unit.min(axis=2) >= _SLIDE_WHITE) & (np.ptp(unit, axis=2) <= _SLIDE_GREY)
    return cv2.morphologyEx(white.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0


def _black(grey: np.ndarray, modality: str | None) -> np.ndarray:
    """bool [h, w]: film without breast, or the black around a probe's sector."""
    import cv2

    square = np.ones((3, 3), np.uint8)
    if modality == "mammography":
        return cv2.GaussianBlur(grey, (0, 0), 2.0) <= _FILM_BLACK
    spread = cv2.dilate(grey, square) - cv2.erode(grey, square)
    flat = (cv2.blur(grey, (3, 3)) <= _FLAT_BLACK) & (spread <= _FLAT)
    # Flatness ends a pixel before the tissue does.
    return (cv2.dilate(flat.astype(np.uint8), square) > 0) & (grey <= 2 * _FLAT_BLACK)


def _from_border(bare: np.ndarray, least: float) -> np.ndarray:
    """bool [h, w]: pieces that touch the border and are no specks."""
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(bare.astype(np.uint8), connectivity=4)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    large = stats[:, cv2.CC_STAT_AREA] >= least * bare.size
    kept = np.isin(np.arange(count), border) & large
    kept[0] = False
    return kept[labels]


def _large_pieces(inside: np.ndarray) -> np.ndarray:
    """bool [h, w]: without what hangs on the rest by a thread, such as a label by the film's bright edge."""
    import cv2

    core = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8))
    if not core.any():
        return inside if inside.any() else np.ones_like(inside)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(core, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = (areas >= _LEAST_PIECE * areas.max())[labels] & (core > 0)
    return (cv2.dilate(kept.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0) & inside
