"""Images, maps and a small network with fixed numbers: what Xplique and our faithfulness measures both read.

Needs numpy alone, since the environment of Xplique has nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIDE, CLASSES, STEPS = 32, 3, 8


@dataclass(frozen=True, eq=False)
class Perturbed:
    """A 3x3 convolution of stride 2 with ReLU, mean pooling, a dense layer, softmax; two grey images and a
    map each. kernel: float32 [3, 3, 1, 8]; dense: [8, 3]; images: [2, h, w, 1]; maps: [2, h, w] in 0..1 with
    both ends taken and no two pixels alike; targets: a class each."""

    kernel: np.ndarray
    bias: np.ndarray
    dense: np.ndarray
    images: np.ndarray
    maps: np.ndarray
    targets: tuple[int, ...]


def perturbed() -> Perturbed:
    """The same numbers at every call."""
    rng = np.random.default_rng(11)
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    images, maps = [], []
    for row, column in ((0.4, 0.6), (0.7, 0.3)):
        spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 0.02)
        images.append(np.clip(0.3 + 0.6 * spot + rng.normal(0, 0.08, spot.shape), 0, 1))
        heat = spot + rng.normal(0, 0.2, spot.shape)
        maps.append((heat - heat.min()) / np.ptp(heat))
    return Perturbed(
        kernel=rng.normal(0, 0.6, (3, 3, 1, 8)).astype(np.float32),
        bias=rng.normal(0, 0.1, 8).astype(np.float32),
        dense=rng.normal(0, 3.0, (8, CLASSES)).astype(np.float32),
        images=np.array(images, np.float32)[..., None],
        maps=np.array(maps, np.float32),
        targets=(0, 1),
    )
