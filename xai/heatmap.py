"""A map with its geometry and its scale: where it lies on the native image, and what full colour stands
for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xai.cam import GridMap

if TYPE_CHECKING:
    from models.inputs import Placement

# Below this many logits a cell nothing is evidence: single precision leaves about 1e-7 of noise.
BLANK_PEAK = 1e-6
SATURATED_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Heatmap:
    """One class's map of one case.

    map: the values on their own grid, in the map's unit, signed where the method is. placement: the way back
    to the native image. scale: the value (> 0) that full colour stands for; fixed by the run, so that two
    images can be compared. relative: True where the run has no such value for this method or layer; the scale
    is then this map's own maximum, and its colours cannot be compared with another map's.
    """

    map: GridMap
    placement: Placement
    scale: float
    relative: bool = False

    @classmethod
    def relative_to_itself(cls, values: GridMap, placement: Placement) -> Heatmap:
        """The heatmap whose full colour is the map's own maximum over the cells that hold any image (1 where
        that is not positive: such a map is blank)."""
        on_image = values.values[placement.content_share(*values.grid) > 0]
        peak = float(on_image.max())
        return cls(values, placement, peak if np.isfinite(peak) and peak > 0 else 1.0, relative=True)

    @property
    def grid(self) -> tuple[int, int]:
        """(gh, gw): the true resolution of what is shown."""
        return self.map.grid

    @property
    def maximum(self) -> float:
        """Highest value of the whole grid, padding included, in logit per cell (NaN where the map holds
        one)."""
        return float(self.map.values.max())

    @property
    def minimum(self) -> float:
        """Lowest value of the whole grid, padding included, in logit per cell."""
        return float(self.map.values.min())

    def native(self) -> np.ndarray:
        """float32 [H, W] on the native image, signed, logit per grid cell; one bilinear warp at every
        call."""
        return self.placement.to_native(self.map.values)

    def rectified(self) -> np.ndarray:
        """float32 [H, W] >= 0 on the native image: evidence for the class only (the ReLU of Grad-CAM, eq.
        2)."""
        return np.maximum(self.native(), 0.0)

    @cached_property
    def content_share(self) -> np.ndarray:
        """float32 [gh, gw] in 0..1: how much of each cell is image and not padding."""
        return self.placement.content_share(*self.grid)

    @cached_property
    def evidence(self) -> np.ndarray:
        """float32 [gh, gw] >= 0: the rectified grid."""
        return np.maximum(self.map.values, 0.0)

    @cached_property
    def blank(self) -> bool:
        """True where the map points nowhere and must not be drawn. Any one of:

        - a value is NaN or infinite;
        - no cell that holds any image has more than 1e-6 logits (an absolute bound, so a map without
          positive evidence is blank, however negative, and so is one whose evidence lies in padding alone);
        - it is constant over the cells that hold image: highest and lowest differ by at most 1e-6 logits or
          a millionth of the highest value, whichever is more.

        Of a relative map, whose unit may be anything, the absolute bounds are 0.
        """
        values = self.map.values
        if not np.isfinite(values).all():
            return True
        on_image = values[self.content_share > 0]
        peak, spread = float(on_image.max()), float(np.ptp(on_image))
        # A grid of one cell has no places to tell apart; it is constant by this rule, as it should be.
        return peak <= self._noise or spread <= max(self._noise, BLANK_PEAK * peak)

    @property
    def constant(self) -> bool:
        """True where the map is blank only because every place got the same positive value."""
        return self.blank and bool(np.isfinite(self.map.values).all()) and self._content_peak > self._noise

    @cached_property
    def saturated(self) -> bool:
        """True where over half of the image's area is at the top of the colours, so they tell places apart
        no more.

        Counted on grid cells, each weighted by the share of it that is image: the cells at or above `scale`
        cover more than 0.5 of the total. A blank map is never saturated.
        """
        if self.blank:
            return False
        share = self.content_share
        return float(share[self.map.values >= self.scale].sum()) > SATURATED_SHARE * float(share.sum())

    @property
    def _noise(self) -> float:
        return 0.0 if self.relative else BLANK_PEAK

    @property
    def _content_peak(self) -> float:
        return float(self.map.values[self.content_share > 0].max())
