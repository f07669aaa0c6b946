"""The pictures that a batch wrote, small enough for a table or a card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.errors import BadInput
from models.study import read_study
from xai.batch.pictures import find_file

QUALITY = 82
#: Around a picture in both themes, so that a grey image is judged the same in each.
DARK = 20


def small_picture(folder: Path, file: str, side: int, square: bool = False) -> bytes:
    """A picture below the batch's folder as JPEG without metadata, its longer side at most `side` pixels.

    square: in the middle of a dark square of that side, so that pictures of all shapes stand in one line.
    """
    import cv2

    path = find_file(folder, file)
    if path is None:
        raise BadInput("There is no such picture in this batch: run it again with heatmaps.")
    shown = read_study(path, path.name).display()
    height, width = shown.shape[:2]
    factor = side / max(height, width)
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        shown = cv2.resize(np.ascontiguousarray(shown), size, interpolation=cv2.INTER_AREA)
        shown = shown if shown.ndim == 3 else shown[..., None]
    shown = _squared(shown, side) if square else shown
    pixels = shown[..., ::-1] if shown.shape[2] == 3 else shown
    done, encoded = cv2.imencode(".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise BadInput("A picture of this batch cannot be shown: run it again with heatmaps.")
    return encoded.tobytes()


def _squared(shown: np.ndarray, side: int) -> np.ndarray:
    """uint8 [side, side, C]; a picture smaller than that is not made larger."""
    height, width, channels = shown.shape
    box = np.full((side, side, channels), DARK, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    box[top : top + height, left : left + width] = shown
    return box
