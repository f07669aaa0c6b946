"""Do two heatmaps of one image speak for the same place?

Maps of different runs have different grids, inputs and scales, so nothing is compared but their order: each
map is brought onto one grid that covers the native image (its padding left out), and there the ranks of its
signed values count. Both figures are those of Krishna et al., "The Disagreement Problem in Explainable
Machine Learning" (2022), with grid cells in the place of features: rank correlation, and the agreement of the
top features, here as intersection over union.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xai.heatmap import Heatmap

# Cells along the longer side of the common grid: several for each cell of the finest map (28 x 28).
COMMON_SIDE = 96
TOP_SHARE = 0.1
# Two tenths chosen blindly have an intersection over union of 0.1 * 0.1 / 0.19 = 0.05: no more than that is
# no common place, if the order of the rest does not agree either.
APART_OVERLAP = 0.05
APART_RANK = 0.5


@dataclass(frozen=True)
class Agreement:
    """Two maps of one image.

    rank: Spearman's correlation of all places, -1..1. overlap: intersection over union, 0..1, of the tenth of
    the image's area where each map is highest, as far as it is above zero. None, with `why` as a sentence,
    where a map has no places to compare.
    """

    rank: float | None
    overlap: float | None
    why: str = ""

    @property
    def apart(self) -> bool:
        """Whether the maps speak for different places: top areas that meet no more than by chance, and an
        order that agrees little. False where that cannot be told."""
        if self.rank is None or self.overlap is None:
            return False
        return self.overlap <= APART_OVERLAP and self.rank < APART_RANK


def agreement(first: Heatmap, second: Heatmap) -> Agreement:
    """How far two maps of the same native image agree; symmetric. ValueError for images of two sizes."""
    return agreements((first, second))[0][1]


def agreements(heatmaps: Sequence[Heatmap]) -> list[list[Agreement]]:
    """Every map against every map, [n][n]; all of one native image (else ValueError)."""
    if len({heatmap.placement.native for heatmap in heatmaps}) > 1:
        raise ValueError("Maps of images of different sizes cannot be compared.")
    whys = [why_no_place(heatmap) for heatmap in heatmaps]
    prepared = [
        None if why else _Order.of(on_common_grid(heatmap))
        for heatmap, why in zip(heatmaps, whys, strict=True)
    ]
    # A map can vary over its cells and be flat over the part that is image.
    whys = [
        why or ("The map has the same value everywhere." if order is not None and order.flat else "")
        for why, order in zip(whys, prepared, strict=True)
    ]
    found: dict[tuple[int, int], Agreement] = {}
    for i in range(len(heatmaps)):
        for j in range(i, len(heatmaps)):
            why = whys[i] or whys[j]
            found[i, j] = Agreement(None, None, why) if why else _compare(prepared[i], prepared[j])
            found[j, i] = found[i, j]
    return [[found[i, j] for j in range(len(heatmaps))] for i in range(len(heatmaps))]


def agreement_of_values(first: np.ndarray, second: np.ndarray) -> Agreement:
    """How far two maps of the same places agree: two arrays of one shape, signed. As `agreement`, for maps
    that lie on one grid already. ValueError for two shapes."""
    if first.shape != second.shape:
        raise ValueError(f"Maps of {first.shape} and {second.shape} have not the same places.")
    for values in (first, second):
        if not values.size or not np.isfinite(values).all() or np.ptp(values) == 0:
            return Agreement(None, None, "The map has the same value everywhere.")
    return _compare(_Order.of(first), _Order.of(second))


def why_no_place(heatmap: Heatmap) -> str:
    """A sentence where the map points nowhere; empty where it can be compared."""
    if heatmap.constant:
        return "The map has the same value everywhere."
    return "The map is blank: no place speaks for the class." if heatmap.blank else ""


def on_common_grid(heatmap: Heatmap, side: int = COMMON_SIDE) -> np.ndarray:
    """float32 [h, w], signed: the map at the centres of a grid over the native image whose longer side has
    `side` cells (fewer where the image has fewer pixels); square cells but for rounding."""
    height, width = heatmap.placement.native
    factor = min(1.0, side / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    return replace(heatmap.placement, native=size).to_native(heatmap.map.values)


@dataclass(frozen=True, eq=False)
class _Order:
    """One map's order of places. ranks: float64 [n], centred, of length 1 (0 where flat). top: bool [n]."""

    ranks: np.ndarray
    top: np.ndarray
    flat: bool

    @classmethod
    def of(cls, values: np.ndarray) -> _Order:
        ranks = mean_ranks(values)
        ranks -= ranks.mean()
        length = np.sqrt(ranks @ ranks)
        return cls(ranks / length if length else ranks, top_area(values).ravel(), not length)


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """float64 [n]: each value's rank from 1, ties sharing their mean, as scipy.stats.rankdata has it (the
    import of which takes longer than everything else a comparison does)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place.ravel()]


def top_area(values: np.ndarray, share: float = TOP_SHARE) -> np.ndarray:
    """bool, as `values`: the `share` of all places where the map is highest, as far as it is above zero;
    places that tie with the last of them are in."""
    count = max(1, round(share * values.size))
    least = np.partition(values, values.size - count, axis=None)[values.size - count]
    return (values >= least) & (values > 0)


def _compare(first: _Order, second: _Order) -> Agreement:
    # The correlation of ranks; rounding must not lead it out of its range.
    rank = float(np.clip(first.ranks @ second.ranks, -1.0, 1.0))
    union = int(np.count_nonzero(first.top | second.top))
    if not union:
        return Agreement(rank, None, "No place of the image speaks for the class.")
    return Agreement(rank, float(np.count_nonzero(first.top & second.top)) / union)
