"""What faithfulness measures do to an image: the order of its pixels, what they are replaced by, and the
batches in which the changed images are predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
"""float32 [N, h, w, C] in 0..1 -> float [N]: the target's probability or margin, whichever the caller asks
of."""
Baseline = Literal["mean", "blur", "black"]
BASELINES: tuple[Baseline, ...] = ("mean", "blur", "black")
BATCH = 32
# Of the shorter side: wide enough that a lesion of a tenth of the image loses its edge and texture.
BLUR_SHARE = 1 / 16


def checked(
    tensor: np.ndarray, saliency: np.ndarray, inside: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(image [h, w, C], saliency [h, w] float64, inside bool [h, w]); ValueError where they do not fit each
    other, not-a-number counts as the least salient."""
    if tensor.ndim != 4 or tensor.shape[0] != 1 or saliency.shape != tensor.shape[1:3]:
        raise ValueError(
            f"One image [1, h, w, C] and its map [h, w] are needed, not {tensor.shape} and {saliency.shape}."
        )
    if inside is None:
        inside = np.ones(saliency.shape, bool)
    if inside.shape != saliency.shape or inside.dtype != bool or not inside.any():
        raise ValueError(f"The content must be bool {saliency.shape} with a True pixel, not {inside.shape}.")
    values = saliency.astype(np.float64)
    return tensor[0], np.where(np.isnan(values), -np.inf, values), inside


def replaced_by(image: np.ndarray, inside: np.ndarray, baseline: Baseline) -> np.ndarray:
    """float32 [h, w, C]: what a pixel becomes when it is taken away.

    "mean": the mean of the content a channel; "black": 0; "blur": the image behind a Gaussian blur whose
    standard deviation is a sixteenth of the shorter side, the padding not blurred into the content.
    """
    if baseline == "black":
        return np.zeros_like(image)
    if baseline == "mean":
        return np.broadcast_to(image[inside].mean(axis=0, dtype=np.float64), image.shape).astype(np.float32)
    if baseline == "blur":
        return blurred(image, inside)
    raise ValueError(f"There is no baseline {baseline!r}: choose one of {', '.join(BASELINES)}.")


def blurred(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """float32 [h, w, C]: a normalised convolution (Knutsson & Westin, CVPR 1993) over the content alone."""
    import cv2

    spread = max(1.0, min(image.shape[:2]) * BLUR_SHARE)

    def smooth(planes: np.ndarray) -> np.ndarray:
        out = cv2.GaussianBlur(np.ascontiguousarray(planes), (0, 0), spread, borderType=cv2.BORDER_REFLECT)
        return out.reshape(planes.shape)

    share = smooth(inside.astype(np.float32))
    planes = smooth(image * inside[..., None].astype(np.float32))
    return np.where(inside[..., None], planes / np.maximum(share, 1e-6)[..., None], image).astype(np.float32)


def descending(saliency: np.ndarray, inside: np.ndarray, seed: int = 0) -> np.ndarray:
    """Flat indices of the content's pixels, the most salient first. Pixels that tie come in an order drawn
    once, so that no corner of the image goes first."""
    places = np.flatnonzero(inside)
    shuffled = np.random.default_rng(seed).permutation(places)
    return shuffled[np.argsort(-saliency.ravel()[shuffled], kind="stable")]


def predict_all(images: Iterable[np.ndarray], predict: Predict) -> np.ndarray:
    """float64 [N]: `predict` of images [h, w, C], at most 32 a call; never more than that held at once."""
    values: list[np.ndarray] = []
    batch: list[np.ndarray] = []

    def flush() -> None:
        answer = np.asarray(predict(np.stack(batch).astype(np.float32, copy=False)), np.float64)
        if answer.shape != (len(batch),):
            raise ValueError(f"predict gave {answer.shape} for {len(batch)} images: one number each.")
        values.append(answer)
        batch.clear()

    for image in images:
        batch.append(image)
        if len(batch) == BATCH:
            flush()
    if batch:
        flush()
    return np.concatenate(values)
