"""Pixels through a lossy file in memory: what a picture becomes when it is saved again.

Here because files are decoded in this room alone. The bytes are our own: no stranger's header is trusted.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def jpeg_round_trip(pixels: np.ndarray, quality: int = 75) -> np.ndarray:
    """uint8 [H, W, C], C 1 or 3 -> the same after baseline JPEG of that quality (1..95, Pillow's scale)."""
    grey = pixels.shape[2] == 1
    held = io.BytesIO()
    Image.fromarray(pixels[..., 0] if grey else pixels).save(held, format="JPEG", quality=quality)
    held.seek(0)
    with Image.open(held, formats=["JPEG"]) as image:
        return np.asarray(image).reshape(pixels.shape)
