"""RISE: the target's mean value over random masks that leave a place visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xai.methods.perturbation import Predict, enlarged, in_batches, settled
from xai.methods.request import Watch

if TYPE_CHECKING:
    from xai.methods.target import Target

MASKS = 2000
CELLS = 7
KEEP = 0.5


def rise(
    tensor: np.ndarray,
    predict: Predict,
    target: Target,
    classes: Sequence[str],
    masks: int = MASKS,
    cells: int = CELLS,
    keep: float = KEEP,
    seed: int = 0,
    watch: Watch | None = None,
) -> np.ndarray:
    """float32 [h, w], signed, logit units: how much higher the target is where the pixel is visible than on
    the average of all masks.

    Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018, eq. 4:
    the mean of the target over masks, weighted by the mask at that pixel. Two things differ from the authors'
    program. The target is in logit units and may be negative, so the mean over all masks is taken off. And
    weights are divided by the sum of the drawn masks at that pixel instead of its expectation, which takes
    out the chance of how often a pixel was seen.

    tensor: float32 [1, h, w, C]; masks: how many are drawn (the paper: 4,000 to 8,000); cells, keep, seed:
    see `draw_masks`. The same seed gives the same map.
    """
    size = tensor.shape[1:3]
    rng = np.random.default_rng(seed)
    seen, lit, scores = np.zeros(size), np.zeros(size), np.zeros(masks)
    for part in in_batches(masks, watch):
        drawn = draw_masks(part.stop - part.start, size, cells, keep, rng)
        values = target.of(predict(tensor * drawn[..., None]), classes)
        if part.start == 0:
            first = values[0]
        # Measured from the first one: a target that never changes then gives zeros, and sums stay small.
        scores[part] = settled(values - first, first)
        seen += drawn.sum(axis=0, dtype=np.float64)
        lit += np.tensordot(scores[part], drawn, axes=1)
    mean = np.divide(lit, seen, out=np.full(size, scores.mean()), where=seen > 0)
    return (mean - scores.mean()).astype(np.float32)


def draw_masks(
    count: int, size: tuple[int, int], cells: int, keep: float, rng: np.random.Generator
) -> np.ndarray:
    """float32 [count, h, w] in 0..1 (section 3.2 of the paper): a coarse grid of `cells` x `cells` zeros and
    ones, one with probability `keep`, enlarged bilinearly to one cell more than the image in each direction
    and cut out at a random place, so that edges of cells lie anywhere."""
    height, width = size
    tall, wide = -(-height // cells), -(-width // cells)
    whole = ((cells + 1) * tall, (cells + 1) * wide)
    grids = (rng.random((count, cells, cells)) < keep).astype(np.float32)
    tops, lefts = rng.integers(0, tall, count), rng.integers(0, wide, count)
    drawn = np.empty((count, height, width), np.float32)
    for index, (grid, top, left) in enumerate(zip(grids, tops, lefts, strict=True)):
        drawn[index] = enlarged(grid[..., None], whole)[0, top : top + height, left : left + width]
    return drawn
