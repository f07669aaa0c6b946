"""Picture steps: changes to a study's native pixels before it is resized, in training and inference alike.

Every step takes and gives float32 [H, W, C] in 0..1, C 1 or 3, and depends on the image alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

CLAHE_CLIP, CLAHE_TILES = 2.0, (8, 8)
LEAST_TISSUE = 0.03
"""Share of pixels with stain (optical density over 0.15 in every channel) that a normalisation needs."""
_TRANSMITTED, _LEAST_DENSITY, _FEWEST_STAINED = 240, 0.15, 16
# A stain lets less through in every channel; what the factorisation finds beside that is noise or ink.
_LEAST_ABSORBANCE, _LEAST_CONCENTRATION = 0.0, 0.05


def apply_steps(image: np.ndarray, steps: Sequence[str]) -> np.ndarray:
    """float32 [H, W, C] in 0..1 after the named steps, in their order; the array given is not changed."""
    for name in steps:
        image = np.clip(STEPS[name](image), 0.0, 1.0).astype(np.float32, copy=False).reshape(image.shape)
    return image


def median(image: np.ndarray) -> np.ndarray:
    """Median of 3x3 pixels a channel: takes speckle off and leaves edges."""
    import cv2

    return cv2.medianBlur(np.ascontiguousarray(image), 3)


def clahe(image: np.ndarray) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation of the luminance, in 8 bits (Zuiderveld 1994).

    Clip limit 2 on 8x8 tiles, OpenCV's. The colour differences (Cr, Cb) stay.
    """
    import cv2

    equaliser = cv2.createCLAHE(CLAHE_CLIP, CLAHE_TILES)
    eight = np.rint(image * 255.0).astype(np.uint8)
    if image.shape[2] == 1:
        return equaliser.apply(np.ascontiguousarray(eight[..., 0]))[..., None] / np.float32(255.0)
    parted = cv2.cvtColor(eight, cv2.COLOR_RGB2YCrCb)
    parted[..., 0] = equaliser.apply(np.ascontiguousarray(parted[..., 0]))
    return cv2.cvtColor(parted, cv2.COLOR_YCrCb2RGB) / np.float32(255.0)


def macenko(image: np.ndarray) -> np.ndarray:
    """Stain normalisation of an H&E image onto torchstain's reference stains (Macenko et al., ISBI 2009).

    A grey image, one with too little stained tissue, and one whose two stains cannot be told apart come back
    as they are: fat, glass or ink would otherwise be painted in colours that no stain gave.
    """
    if image.shape[2] != 3:
        return image
    from torchstain.numpy.normalizers import NumpyMacenkoNormalizer

    eight = np.rint(image * 255.0).astype(np.uint8)
    density = -np.log((eight.astype(np.float32) + 1.0) / _TRANSMITTED)
    stained = (density >= _LEAST_DENSITY).all(axis=2)
    if stained.sum() < _FEWEST_STAINED or stained.mean() < LEAST_TISSUE:
        return image
    own = NumpyMacenkoNormalizer()
    try:
        own.fit(eight, Io=_TRANSMITTED, beta=_LEAST_DENSITY)
    except np.linalg.LinAlgError:
        return image
    found = np.isfinite(own.HERef).all() and np.isfinite(own.maxCRef).all()
    if not found or own.HERef.min() < _LEAST_ABSORBANCE or own.maxCRef.min() < _LEAST_CONCENTRATION:
        return image
    normalised, _, _ = NumpyMacenkoNormalizer().normalize(
        eight, Io=_TRANSMITTED, beta=_LEAST_DENSITY, stains=False
    )
    return normalised / np.float32(255.0)


STEPS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"median": median, "clahe": clahe, "macenko": macenko}
