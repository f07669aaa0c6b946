"""Small networks with fixed numbers, for two frameworks to build: what both sides of the golden files read.

Needs numpy alone, since the environment of pytorch-grad-cam has nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

CLASSES = ("benign", "malignant", "normal")
TARGETS = ("malignant", "malignant-benign")
"""A class's margin, and two classes' difference of logits."""
BATCH_NORM_EPSILON = 1e-3
IMAGENET_MEAN, IMAGENET_STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
COMPACT_WIDTHS = (16, 32, 64, 96, 128)
NETWORKS = ("pooled", "flatten", "compact")


@dataclass(frozen=True, eq=False)
class Stage:
    """A 3x3 convolution with ReLU. kernel [3, 3, in, out], bias [out], float32; norm: (scale, shift, mean,
    variance) of a batch normalisation before the ReLU, or None."""

    kernel: np.ndarray
    bias: np.ndarray
    stride: int
    norm: tuple[np.ndarray, ...] | None = None


@dataclass(frozen=True, eq=False)
class Fixed:
    """A network and an image: stages, mean pooling or (2x2 max-pooling and) flattening, dense layers with
    ReLU between them.

    image: float32 [1, h, w, C]. adapter: (scale [3], offset [3]) from one channel to three, or None. dense:
    (kernel [in, out], bias [out]) each. layer, earlier: indices of the stages that maps are made at.
    """

    image: np.ndarray
    stages: tuple[Stage, ...]
    flatten: bool
    dense: tuple[tuple[np.ndarray, np.ndarray], ...]
    layer: int
    earlier: int | None = None
    adapter: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def outputs(self) -> int:
        return self.dense[-1][0].shape[1]

    @property
    def whole_size(self) -> bool:
        """Whether the layer's grid is as large as the image."""
        return all(stage.stride == 1 for stage in self.stages)


def combination(target: str, outputs: int) -> np.ndarray:
    """float32 [outputs]: the target as a combination of the logits, written out by hand."""
    assert outputs == 3
    rows = {"malignant": [-0.5, 1.0, -0.5], "malignant-benign": [-1.0, 1.0, 0.0]}
    return np.array(rows[target], np.float32)


def fixed(name: str) -> Fixed:
    """The network of that name, the same numbers at every call."""
    return {"pooled": _pooled, "flatten": _flatten, "compact": _compact}[name]()


def _pooled() -> Fixed:
    """Two convolutions at full size, mean pooling, one hidden layer."""
    rng = np.random.default_rng(5)
    image = _image(rng, 12)
    stages = (_stage(rng, 1, 4), _stage(rng, 4, 6))
    return Fixed(image, stages, False, (_dense(rng, 6, 5), _dense(rng, 5, 3)), 1)


def _flatten() -> Fixed:
    """Two convolutions at full size, 2x2 maxima, flattened: the gradient differs from cell to cell.

    The last biases are high enough for a positive maximum in every 2x2 cells: where all are 0 frameworks
    differ in which of them gets the gradient.
    """
    rng = np.random.default_rng(6)
    image = _image(rng, 12)
    stages = (_stage(rng, 1, 4), _stage(rng, 4, 6))
    stages[-1].bias[:] += 1.0
    return Fixed(image, stages, True, (_dense(rng, 6 * 6 * 6, 8), _dense(rng, 8, 3)), 1)


def _compact() -> Fixed:
    """The backbone `compact` of models.networks with its adapter: five stages, batch normalisation, 4x4 cells
    of an image of 64 x 64 pixels; maps also at its third stage."""
    rng = np.random.default_rng(7)
    image = _image(rng, 64)
    widths = (3, *COMPACT_WIDTHS)
    stages = tuple(
        _stage(rng, before, after, stride=1 if after == widths[-1] else 2, norm=True)
        for before, after in pairwise(widths)
    )
    scale, offset = (1 / IMAGENET_STD).astype(np.float32), (-IMAGENET_MEAN / IMAGENET_STD).astype(np.float32)
    dense = (_dense(rng, widths[-1], 10), _dense(rng, 10, 3))
    return Fixed(image, stages, False, dense, 4, earlier=2, adapter=(scale, offset))


def _image(rng: np.random.Generator, side: int) -> np.ndarray:
    """A dark disc on a bright noisy ground, off the centre."""
    rows, columns = np.mgrid[:side, :side] / side
    disc = (rows - 0.4) ** 2 + (columns - 0.6) ** 2 < 0.05
    shades = np.where(disc, 0.2, 0.7) + rng.normal(0, 0.08, (side, side))
    return np.clip(shades, 0, 1).astype(np.float32)[None, ..., None]


def _stage(rng: np.random.Generator, before: int, after: int, stride: int = 1, norm: bool = False) -> Stage:
    kernel = rng.normal(0, np.sqrt(2 / (9 * before)), (3, 3, before, after)).astype(np.float32)
    if not norm:
        return Stage(kernel, rng.normal(0, 0.1, after).astype(np.float32), stride)
    numbers = (rng.uniform(0.8, 1.2, after), rng.normal(0, 0.3, after))
    numbers += (rng.normal(0, 0.3, after), rng.uniform(0.5, 1.5, after))
    # The convolution in front of a normalisation has no bias.
    return Stage(kernel, np.zeros(after, np.float32), stride, tuple(n.astype(np.float32) for n in numbers))


def _dense(rng: np.random.Generator, before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    kernel = rng.normal(0, np.sqrt(2 / before), (before, after)).astype(np.float32)
    return kernel, rng.normal(0, 0.1, after).astype(np.float32)
