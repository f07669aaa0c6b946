"""How much of the image a map's evidence covers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xai.heatmap import Heatmap

# A map has a few hundred cells: more places than this tell its outline no better.
_LONGEST_SIDE = 512
HALF = 0.5


def hot_share(heatmap: Heatmap, level: float = HALF) -> float:
    """Share 0..1 of the image where the map is at least `level` of its highest value on the image; 0 where it
    is nowhere positive. The region whose overlap with a lesion is the IoU at half of the maximum."""
    height, width = heatmap.placement.native
    factor = min(1.0, _LONGEST_SIDE / max(height, width))
    small = max(1, round(height * factor)), max(1, round(width * factor))
    values = replace(heatmap, placement=replace(heatmap.placement, native=small)).native()
    highest = float(values.max())
    return float((values >= level * highest).mean()) if highest > 0 else 0.0
