"""Slides small enough to know by heart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from models.slides.pyramid import write_pyramid

GLASS = (245, 245, 245)
PINK = (210, 120, 170)
PURPLE = (90, 50, 130)


def picture(height: int = 900, width: int = 1200) -> np.ndarray:
    """Glass with a pink rectangle of tissue, rows 300 to 700 and columns 200 to 1000, whose right half is
    purple."""
    image = np.full((height, width, 3), GLASS, np.uint8)
    image[300:700, 200:600] = PINK
    image[300:700, 600:1000] = PURPLE
    return image


def slide(path: Path, image: np.ndarray | None = None, mpp: float | None = 0.5) -> Path:
    """A pyramidal TIFF of a picture."""
    image = picture() if image is None else image
    return write_pyramid(
        path, image.shape[1], image.shape[0], lambda top, height: image[top : top + height], mpp, quality=95
    )


def flat_tiff(path: Path, image: np.ndarray, tile: int = 64, **options: object) -> Path:
    """A tiled TIFF without a pyramid, by another writer."""
    tifffile.imwrite(path, image, tile=(tile, tile), photometric="rgb", **options)
    return path


def aperio(path: Path) -> Path:
    """A file that OpenSlide takes for Aperio's, full of what must not be seen."""
    image = picture()
    text = (
        "Aperio Image Library v11.2.1\r\n1200x900 |AppMag = 20|MPP = 0.4990|User = DOE_JANE|Date = 02/03/70"
    )
    with tifffile.TiffWriter(path) as sink:
        sink.write(image, tile=(256, 256), photometric="rgb", description=text, metadata=None)
        sink.write(image[::8, ::8], photometric="rgb", description="DOE_JANE", metadata=None, rowsperstrip=64)
        label = np.zeros((64, 64, 3), np.uint8)
        sink.write(label, photometric="rgb", description="label DOE_JANE", metadata=None, subfiletype=1)
    return path
