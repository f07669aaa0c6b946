"""Where an image holds tissue: the breast on a film, the sector of a probe, the tissue on a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.study import Study

_LONGEST = 512
_BLACK = 0.05
_SLIDE_COLOUR, _SLIDE_WHITE = 0.06, 0.82
_COLOURED = 0.3


def foreground(study: Study) -> np.ndarray:
    """bool [H, W]: True on tissue; all True where no background could be told."""
    import cv2

    scale = min(1.0, _LONGEST / max(study.height, study.width))
    size = max(1, round(study.width * scale)), max(1, round(study.height * scale))
    planes = [cv2.resize(study.plane(c), size, interpolation=cv2.INTER_AREA) for c in range(study.channels)]
    inside = _small_foreground(np.stack(planes, axis=-1))
    native = cv2.resize(inside.astype(np.uint8), (study.width, study.height), interpolation=cv2.INTER_NEAREST)
    return native.astype(bool)


def _small_foreground(unit: np.ndarray) -> np.ndarray:
    """bool [h, w] of a picture float32 [h, w, C] of at most 512 pixels a side."""
    import cv2

    colour = np.ptp(unit, axis=2)
    if unit.shape[2] == 3 and (colour > 0.1).mean() > _COLOURED:
        tissue = (colour > _SLIDE_COLOUR) | (unit.max(axis=2) < _SLIDE_WHITE)
    else:
        tissue = cv2.GaussianBlur(unit.max(axis=2), (0, 0), 2.0) > _BLACK
    n, labels, stats, _ = cv2.connectedComponentsWithStats(tissue.astype(np.uint8), connectivity=8)
    if n < 2:
        return np.ones(tissue.shape, bool)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
