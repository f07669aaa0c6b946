"""What the methods that change the image and look again have in common: any engine, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from models.engines.margins import margins
from xai.methods.request import Watch

if TYPE_CHECKING:
    from models.engines import Engine

BATCH = 16
# Single precision leaves about 1e-7 of a logit, and a little more where batches differ in size.
NOISE = 1e-6
Baseline = Literal["mean", "blur", "black"]
Predict = Callable[[np.ndarray], np.ndarray]
"""float32 [N, h, w, C] -> margins [N, classes], logit units."""


def predictor(engine: Engine) -> Predict:
    """What an engine says of many images: their margins, without maps."""
    classes = len(engine.run.classes)
    return lambda images: margins(engine.predict(images).logits, classes)


def in_batches(total: int, watch: Watch | None = None, batch: int = BATCH) -> Iterator[slice]:
    """0..total in slices of `batch`, telling `watch` how many are done before each and at the end."""
    for start in range(0, total, batch):
        if watch is not None:
            watch(start, total)
        yield slice(start, min(start + batch, total))
    if watch is not None:
        watch(total, total)


def settled(differences: np.ndarray, value: float) -> np.ndarray:
    """Differences between targets of about `value` logits, those that single precision cannot tell from none
    set to 0: a network that does not look at the image shall have a map of zeros, not of noise."""
    return np.where(np.abs(differences) <= NOISE * max(1.0, abs(value)), 0.0, differences)


def enlarged(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps [gh, gw, K] on `size` pixels -> float32 [K, h, w], by the bilinear warp that draws them:
    half-pixel centres, edge values repeated (models.inputs.Placement.to_native)."""
    import cv2

    maps = np.ascontiguousarray(maps, np.float32)
    if maps.shape[:2] == size:
        return np.moveaxis(maps, 2, 0)
    # A plane at a time: OpenCV's quick paths are those of few channels.
    planes = [
        cv2.resize(np.ascontiguousarray(maps[..., k]), size[::-1], interpolation=cv2.INTER_LINEAR)
        for k in range(maps.shape[2])
    ]
    return np.stack(planes)


def filler(tensor: np.ndarray, baseline: Baseline, inside: np.ndarray | None = None) -> np.ndarray:
    """What takes the place of pixels that are taken away: float32 [h, w, C].

    tensor: float32 [1, h, w, C]. "mean": each channel's mean over `inside` (bool [h, w]: the image without
    its padding; None: everywhere); "blur": the image blurred until nothing smaller than a tenth of it is left
    (Gaussian, deviation a twentieth of the longer side); "black": 0. ValueError for another word.
    """
    image = tensor[0]
    if baseline == "black":
        return np.zeros_like(image)
    if baseline == "mean":
        seen = image.reshape(-1, image.shape[2]) if inside is None or not inside.any() else image[inside]
        return np.broadcast_to(seen.mean(axis=0, dtype=np.float64), image.shape).astype(np.float32)
    if baseline == "blur":
        import cv2

        blurred = cv2.GaussianBlur(np.ascontiguousarray(image), (0, 0), max(image.shape[:2]) / 20)
        return blurred.reshape(image.shape)
    raise ValueError(f"there is no baseline {baseline!r}: mean, blur or black")
