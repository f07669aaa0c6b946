"""Maps on their own grid, and branches added up: the types every method gives, whatever it is made from.

How maps are made is in `xai.methods`. Unit of the Grad-CAM family: logit per grid cell, signed; rectifying is
left to display.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.engines.grids import resample

JOINT = "joint"
LOGIT_PER_CELL = "logit per cell"
# Methods whose maps share out a branch's contribution to the margin; others add up to nothing.
ADDING_UP = ("grad-cam", "hirescam", "xgrad-cam")
CURVED = {"svm": "a support vector machine", "bayes": "naive Bayes"}


@dataclass(frozen=True, eq=False)
class GridMap:
    """One map on its own grid.

    values: float32 [gh, gw], signed where the method is. name: the branch, or "joint". layer: the target
    layer ("+"-joined for a joint map, "input" where the map is of the whole network). method: a key of
    xai.methods.METHODS. label: the class whose margin is explained; against: the class it is held against in
    a contrastive map. unit: of the values. contribution: what this branch adds to the target, in logit units,
    the sum of gradient x activation; it is the sum of the values of Grad-CAM (but on a flattening head),
    HiResCAM and XGrad-CAM. None for every other method, and where the head has no contributions (see
    `why_no_contributions`).
    """

    values: np.ndarray
    name: str
    layer: str
    method: str
    label: str
    contribution: float | None
    against: str | None = None
    unit: str = LOGIT_PER_CELL

    @property
    def grid(self) -> tuple[int, int]:
        """(gh, gw): the map's true resolution."""
        return self.values.shape

    @property
    def title(self) -> str:
        """What is explained, for people: "malignant", or "malignant, not benign"."""
        return target_title(self.label, self.against)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Every map of one target for one case.

    maps: one a branch, in the run's order. joint: their sum on the finest grid (the map itself where there
    is one branch). margin: the target's value in logit units: the class's margin or, with `against`, the
    difference of the two logits. rest: the part no place in the image accounts for (biases passed through
    the head), so that sum of contributions + rest == margin. None where contributions are.
    """

    label: str
    maps: tuple[GridMap, ...]
    joint: GridMap
    rest: float | None
    margin: float
    against: str | None = None


def target_title(label: str, against: str | None) -> str:
    """What a map explains, for people: "malignant", or "malignant, not benign"."""
    return label if against is None else f"{label}, not {against}"


def why_no_contributions(head: str, method: str = "grad-cam", layer: str | None = None) -> str | None:
    """A sentence where maps by that method, of a head of that kind, have no contributions; None where they
    have them. layer: as asked for, None for the last one of every branch."""
    if head in CURVED:
        return (
            f"Contributions are not defined for {CURVED[head]}: its margin is not piecewise linear in the "
            "features, so only the map's gradient is exact."
        )
    if method not in ADDING_UP:
        return "Maps by this method do not add up to the margin, so no contributions are stated."
    if layer is not None:
        return "The map of one layer is not the whole margin, so no contributions are stated."
    return None


def joint_map(maps: Sequence[GridMap]) -> GridMap:
    """Branches of one class on one grid: each resampled with its sum preserved onto the finest grid, then
    added.

    The finest grid has the most rows and the most columns of any branch; all grids are taken to cover the
    same input. The joint map's sum is the sum of the maps' sums, its contribution that of theirs.
    """
    if not maps:
        raise ValueError("A joint map needs at least one branch.")
    first = maps[0]
    if any((m.label, m.against, m.method) != (first.label, first.against, first.method) for m in maps):
        raise ValueError("Maps of different classes or methods cannot be added.")
    gh = max(m.values.shape[0] for m in maps)
    gw = max(m.values.shape[1] for m in maps)
    values = sum(resample(m.values, gh, gw) for m in maps)
    layer = " + ".join(m.layer for m in maps)
    parts = [m.contribution for m in maps]
    contribution = None if None in parts else float(sum(parts))
    return replace(
        first, values=values.astype(np.float32), name=JOINT, layer=layer, contribution=contribution
    )
