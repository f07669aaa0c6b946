"""Grad-CAM from stored feature maps: no second pass, no gradient tape.

An engine's answer holds, for every branch, the target layer's activations A [gh, gw, K] and, for every
class, the channel weights w [K]: the gradient of that class's margin with respect to A, averaged over
space. Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017, eq. 1 and
2, before the ReLU) is then sum_k w_k A_k.

Here the activations feed a mean pooling, so the gradient is the same in every cell. Two things follow. The
map adds up: its sum over the grid is gradient . pooled features, the branch's signed contribution to the
margin. And HiResCAM (Draelos & Carin, 2020) and XGrad-CAM (Fu et al., BMVC 2020), which weigh the cells of
a channel differently where the gradient differs, are this same map.

Unit throughout: logit per grid cell, signed; rectifying is left to display.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.engines.grids import resample
from models.errors import BadInput

if TYPE_CHECKING:
    from models.engines import Branch, Explained

METHODS = {
    "grad-cam": "Grad-CAM",
    "hirescam": "HiResCAM (on a pooled head the same map as Grad-CAM)",
    "xgrad-cam": "XGrad-CAM (on a pooled head the same map as Grad-CAM)",
}
DEFAULT_METHOD = "grad-cam"
JOINT = "joint"


@dataclass(frozen=True, eq=False)
class GridMap:
    """One map on its own grid.

    values: float32 [gh, gw], signed, logit per grid cell. name: the branch, or "joint". layer: the target
    layer ("+"-joined for a joint map). method: a key of METHODS. label: the class whose margin is
    explained. contribution: sum of the values in logit units, what this branch adds to the margin.
    """

    values: np.ndarray
    name: str
    layer: str
    method: str
    label: str
    contribution: float

    @property
    def grid(self) -> tuple[int, int]:
        """(gh, gw): the map's true resolution."""
        return self.values.shape


@dataclass(frozen=True, eq=False)
class Explanation:
    """Every map of one class for one case.

    maps: one a branch, in the run's order. joint: their sum on the finest grid (the map itself where there
    is one branch). margin: the class's margin in logit units; rest: the part no place in the image accounts
    for (biases passed through the head), so that sum of contributions + rest == margin.
    """

    label: str
    maps: tuple[GridMap, ...]
    joint: GridMap
    rest: float
    margin: float


def check_method(method: str) -> str:
    """The method's key, or BadInput that lists what there is."""
    key = method.strip().lower()
    if key not in METHODS:
        raise BadInput(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    return key


def grad_cam(
    explained: Explained, label: str, layer: str | None = None, method: str = DEFAULT_METHOD
) -> GridMap:
    """The map of one class at one branch, from an engine's answer for one case (N = 1).

    layer: a branch's name or its target layer's; None is allowed where there is one branch. Refuses an
    unknown class, layer or method with BadInput.
    """
    return _branch_map(_branch(explained, layer), _class_index(explained, label), label, check_method(method))


def joint_map(maps: Sequence[GridMap]) -> GridMap:
    """Branches of one class on one grid: each resampled with its sum preserved onto the finest grid, then
    added.

    The finest grid has the most rows and the most columns of any branch; all grids are taken to cover the
    same input. The joint map's sum is the sum of the contributions.
    """
    if not maps:
        raise ValueError("A joint map needs at least one branch.")
    first = maps[0]
    if any((m.label, m.method) != (first.label, first.method) for m in maps):
        raise ValueError("Maps of different classes or methods cannot be added.")
    gh = max(m.values.shape[0] for m in maps)
    gw = max(m.values.shape[1] for m in maps)
    values = sum(resample(m.values, gh, gw) for m in maps)
    layer = " + ".join(m.layer for m in maps)
    contribution = float(sum(m.contribution for m in maps))
    return GridMap(values.astype(np.float32), JOINT, layer, first.method, first.label, contribution)


def explain_case(explained: Explained, label: str, method: str = DEFAULT_METHOD) -> Explanation:
    """Every branch's map of `label`, their joint map, each one's contribution and the rest, for one case."""
    method = check_method(method)
    index = _class_index(explained, label)
    maps = tuple(_branch_map(branch, index, label, method) for branch in explained.branches)
    margin = float(explained.margins[0, index])
    rest = margin - sum(m.contribution for m in maps)
    return Explanation(label, maps, joint_map(maps), rest, margin)


def _branch_map(branch: Branch, index: int, label: str, method: str) -> GridMap:
    if branch.activations.shape[0] != 1:
        raise ValueError("Maps are made a case at a time: pass explained.case(i).")
    # Double precision here costs nothing and keeps contributions + rest == margin tight.
    values = branch.activations[0].astype(np.float64) @ branch.weights[0, index].astype(np.float64)
    return GridMap(values.astype(np.float32), branch.name, branch.layer, method, label, float(values.sum()))


def _branch(explained: Explained, layer: str | None) -> Branch:
    branches = explained.branches
    if layer is None and len(branches) == 1:
        return branches[0]
    for branch in branches:
        if layer in (branch.name, branch.layer):
            return branch
    known = ", ".join(f"{b.name} ({b.layer})" for b in branches)
    asked = "Several layers can be explained" if layer is None else f"There is no layer {layer!r}"
    raise BadInput(f"{asked}: choose one of {known}.")


def _class_index(explained: Explained, label: str) -> int:
    if label not in explained.classes:
        raise BadInput(f"This run has no class {label!r}: choose one of {', '.join(explained.classes)}.")
    return explained.classes.index(label)
