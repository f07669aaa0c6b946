"""Maps of different grids brought onto one, with nothing lost or added."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def resample(values: np.ndarray, gh: int, gw: int) -> np.ndarray:
    """A grid [h, w] on a grid at least as fine, [gh, gw] float64, its sum preserved; equal sizes:
    unchanged."""
    down = sum_preserving_weights(values.shape[0], gh)
    across = sum_preserving_weights(values.shape[1], gw)
    return down @ values.astype(np.float64) @ across.T


@lru_cache(maxsize=64)  # a handful of grids, asked for at every map
def sum_preserving_weights(source: int, target: int) -> np.ndarray:
    """Linear interpolation of `source` cells onto `target` >= source cells as a matrix [target, source]
    float64.

    Half-pixel centres, edge cells repeated outwards. Every column sums to 1, so each source cell hands all
    of its evidence on. For equal sizes it is the identity. Between sizes that do not divide each other,
    columns are scaled by a few per cent to make that so.
    """
    if target < source:
        raise ValueError(f"{source} cells cannot be resampled onto {target}: resample onto the finer grid.")
    position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    distance = np.abs(position[:, None] - np.arange(source)[None, :])
    weights = np.clip(1.0 - distance, 0.0, None)
    weights /= weights.sum(axis=0)
    weights.setflags(write=False)  # everyone who asks gets this very array
    return weights
