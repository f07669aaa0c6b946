"""How much of a stranger's slide the program is willing to take on, and what its pyramid is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SlideLimits:
    """Upper bounds, each checked before the work it bounds. Pixels.

    max_side: of the slide. max_levels: of its pyramid. max_tile: longer side of the tiles it is stored in,
    each of which is decoded whole. max_region: what one region may be made of, at the level it is read from.
    max_thumbnail_source: what a thumbnail may be averaged from; a slide without a pyramid has its full size.
    """

    max_side: int = 1_000_000
    max_levels: int = 64
    max_tile: int = 4_096
    max_region: int = 36_000_000
    max_thumbnail_source: int = 4_000_000_000


@dataclass(frozen=True)
class Level:
    """One storey of the pyramid. width, height: pixels. downsample: level-0 pixels a pixel of this one."""

    width: int
    height: int
    downsample: float
