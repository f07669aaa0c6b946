"""Two maps that know no model, to read a localisation figure against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xai.measures.localisation import Localisation, localise

if TYPE_CHECKING:
    from models.inputs import Placement

CENTRE_SPREAD = 0.25


def centre_map(native: tuple[int, int]) -> np.ndarray:
    """float32 [H, W]: a Gaussian blob in the middle, its standard deviation a quarter of each side.

    What a reader who has seen no image would point at; lesions are framed centrally more often than not.
    """
    down, across = (_bell(side) for side in native)
    return np.outer(down, across)


def ceiling_map(mask: np.ndarray, placement: Placement, grid: tuple[int, int]) -> np.ndarray:
    """float32 [H, W]: the lesion's mask seen through a grid of (gh, gw) cells, each lit by its share of
    lesion.

    What a network that knew the outline could show at this resolution; no more can be asked of its heatmap.
    """
    gh, gw = grid
    covered = placement.to_input(mask.astype(np.float32))
    return placement.to_native(
        _cell_shares(gh, covered.shape[0]) @ covered @ _cell_shares(gw, covered.shape[1]).T
    )


def baselines(mask: np.ndarray, placement: Placement, grid: tuple[int, int]) -> dict[str, Localisation]:
    """{"centre": ..., "ceiling": ...} for one lesion mask, bool [H, W], and the grid of the map under
    judgement."""
    return {
        "centre": localise(centre_map(mask.shape), mask),
        "ceiling": localise(ceiling_map(mask, placement, grid), mask),
    }


def _bell(side: int) -> np.ndarray:
    distance = (np.arange(side) + 0.5) / side - 0.5
    return np.exp(-0.5 * (distance / CENTRE_SPREAD) ** 2).astype(np.float32)


def _cell_shares(cells: int, side: int) -> np.ndarray:
    """float32 [cells, side]: row i averages the pixels under cell i, split pixels by their overlap."""
    edges = np.arange(cells + 1) * (side / cells)
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0.0, None) * (cells / side)).astype(np.float32)
