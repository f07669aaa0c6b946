"""Images drawn for tests, and their files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 64, 96


def dark_disc(shade: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [64, 96] of bright tissue with a dark disc of radius 12 at (row 40, column 56), and its mask."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    disc = (rows - 40) ** 2 + (columns - 56) ** 2 <= 12**2
    image = np.full((HEIGHT, WIDTH), 200, np.uint8)
    image[disc] = shade
    return image, np.where(disc, 255, 0).astype(np.uint8)


def bright() -> np.ndarray:
    """uint8 [96, 96], square (so without padding), in which the tiny run finds nothing dark."""
    return np.full((WIDTH, WIDTH), 220, np.uint8)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
