"""A lesion mask that somebody drew, and whether it belongs to an image."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from models.errors import BadInput
from models.study.limits import Limits
from models.study.raster import open_raster
from models.study.samples import samples_of
from models.study.source import Source, name_of, read_bytes
from models.study.study import Study


def read_mask(source: Source, name: str | None = None, *, limits: Limits | None = None) -> np.ndarray:
    """bool [H, W], True in the lesion: every pixel that is not black once transparency is laid on black.

    A JPEG mask is cut at half of white instead: its compression leaves a grey fringe around the lesion.
    Raises BadInput for what `read_study` refuses, and for a mask without a lesion pixel.
    """
    limits = limits or Limits()
    shown = name_of(source, name)
    raster = open_raster(read_bytes(source, shown, limits), shown, limits)
    samples = samples_of(raster, shown)
    threshold = samples.depth_max // 2 if raster.form == "JPEG" else 0
    lesion = (samples.values > threshold).any(axis=2)
    if not lesion.any():
        raise BadInput(
            f'The mask "{shown}" marks no lesion, every pixel is black: choose the mask of this image.'
        )
    return lesion


def mask_for(study: Study, mask: np.ndarray) -> np.ndarray:
    """The mask, bool [H, W], when it has the study's size; BadInput naming both sizes otherwise."""
    mask = np.asarray(mask)
    if mask.shape != (study.height, study.width):
        size = " x ".join(f"{side:,}" for side in reversed(mask.shape))
        raise BadInput(
            f"The mask is {size} pixels and the image {study.width:,} x {study.height:,}: "
            "choose the mask that was drawn on this image."
        )
    return mask.astype(bool, copy=False)


def united_mask(sources: Sequence[Source], *, limits: Limits | None = None) -> bytes:
    """Several masks of one image as one PNG: white where any of them marks the lesion.

    BadInput for what `read_mask` refuses, and for masks of different sizes.
    """
    union = None
    for number, source in enumerate(sources, 1):
        lesion = read_mask(source, f"mask {number}", limits=limits)
        if union is not None and union.shape != lesion.shape:
            raise BadInput(
                "The masks of this image are of different sizes: draw them all on the image itself."
            )
        union = lesion if union is None else union | lesion
    held = io.BytesIO()
    Image.fromarray(union.astype(np.uint8) * 255).save(held, format="PNG", compress_level=1)
    return held.getvalue()
