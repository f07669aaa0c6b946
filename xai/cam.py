"""Grad-CAM from stored feature maps: no second pass, no gradient tape.

An engine's answer holds, for every branch, the target layer's activations A [gh, gw, K] and, for every
class, the channel weights w [K]: the gradient of that class's margin with respect to A, averaged over
space. Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017, eq. 1 and
2, before the ReLU) is then sum_k w_k A_k.

Where the activations feed a mean pooling, the gradient is the same in every cell. Two things follow. The
map adds up: its sum over the grid is gradient . pooled features, the branch's signed contribution to the
margin. And HiResCAM (Draelos & Carin, 2020) and XGrad-CAM (Fu et al., BMVC 2020), which weigh the cells of
a channel differently where the gradient differs, are this same map.

Where the head flattens, the gradient G [gh, gw, K] differs over space and so do the three. With dense layers
and ReLU the margin is still piecewise linear in A, so the sum of G * A is the contribution. HiResCAM (sum_k
G_k * A_k) and XGrad-CAM (w_k = sum G_k * A_k / sum A_k) sum to it, Grad-CAM does not.

A support vector machine or naive Bayes is not piecewise linear in the features: its maps are gradients as
every other's, but no share of the margin belongs to a branch, and contributions are None.

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

METHODS = {"grad-cam": "Grad-CAM", "hirescam": "HiResCAM", "xgrad-cam": "XGrad-CAM"}
DEFAULT_METHOD = "grad-cam"
JOINT = "joint"
CURVED = {"svm": "a support vector machine", "bayes": "naive Bayes"}


@dataclass(frozen=True, eq=False)
class GridMap:
    """One map on its own grid.

    values: float32 [gh, gw], signed, logit per grid cell. name: the branch, or "joint". layer: the target
    layer ("+"-joined for a joint map). method: a key of METHODS. label: the class whose margin is
    explained. contribution: what this branch adds to the margin, in logit units, the sum of gradient x
    activation; it is the sum of the values but for Grad-CAM on a flattening head, and None where the head has
    no contributions (see `why_no_contributions`).
    """

    values: np.ndarray
    name: str
    layer: str
    method: str
    label: str
    contribution: float | None

    @property
    def grid(self) -> tuple[int, int]:
        """(gh, gw): the map's true resolution."""
        return self.values.shape


@dataclass(frozen=True, eq=False)
class Explanation:
    """Every map of one class for one case.

    maps: one a branch, in the run's order. joint: their sum on the finest grid (the map itself where there
    is one branch). margin: the class's margin in logit units; rest: the part no place in the image accounts
    for (biases passed through the head), so that sum of contributions + rest == margin. None where
    contributions are.
    """

    label: str
    maps: tuple[GridMap, ...]
    joint: GridMap
    rest: float | None
    margin: float


def check_method(method: str) -> str:
    """The method's key, or BadInput that lists what there is."""
    key = method.strip().lower()
    if key not in METHODS:
        raise BadInput(f"There is no method {method!r}: choose one of {', '.join(METHODS)}.")
    return key


def one_map(head: str) -> bool:
    """Whether every method gives the same map on a head of that kind: on all but one that flattens."""
    return head != "flatten"


def method_title(method: str, head: str) -> str:
    """A method's name for people, with a word where it is no other map than Grad-CAM on this head."""
    name = METHODS[check_method(method)]
    same = method != DEFAULT_METHOD and one_map(head)
    return f"{name} (on pooled features the same map as Grad-CAM)" if same else name


def why_no_contributions(head: str) -> str | None:
    """A sentence where a head of that kind has no contributions; None where it has them."""
    if head not in CURVED:
        return None
    return (
        f"Contributions are not defined for {CURVED[head]}: its margin is not piecewise linear in the "
        "features, so only the map's gradient is exact."
    )


def grad_cam(
    explained: Explained, label: str, layer: str | None = None, method: str = DEFAULT_METHOD
) -> GridMap:
    """The map of one class at one branch, from an engine's answer for one case (N = 1).

    layer: a branch's name or its target layer's; None is allowed where there is one branch. Refuses an
    unknown class, layer or method with BadInput.
    """
    branch, index = _branch(explained, layer), _class_index(explained, label)
    return _branch_map(branch, index, label, check_method(method), explained.head)


def joint_map(maps: Sequence[GridMap]) -> GridMap:
    """Branches of one class on one grid: each resampled with its sum preserved onto the finest grid, then
    added.

    The finest grid has the most rows and the most columns of any branch; all grids are taken to cover the
    same input. The joint map's sum is the sum of the maps' sums, its contribution that of theirs.
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
    parts = [m.contribution for m in maps]
    contribution = None if None in parts else float(sum(parts))
    return GridMap(values.astype(np.float32), JOINT, layer, first.method, first.label, contribution)


def explain_case(explained: Explained, label: str, method: str = DEFAULT_METHOD) -> Explanation:
    """Every branch's map of `label`, their joint map, each one's contribution and the rest, for one case."""
    method = check_method(method)
    index = _class_index(explained, label)
    maps = tuple(_branch_map(b, index, label, method, explained.head) for b in explained.branches)
    margin, joint = float(explained.margins[0, index]), joint_map(maps)
    rest = None if joint.contribution is None else margin - sum(m.contribution for m in maps)
    return Explanation(label, maps, joint, rest, margin)


def _branch_map(branch: Branch, index: int, label: str, method: str, head: str) -> GridMap:
    if branch.activations.shape[0] != 1:
        raise ValueError("Maps are made a case at a time: pass explained.case(i).")
    # Double precision here costs nothing and keeps contributions + rest == margin tight.
    activations, weights = branch.activations[0].astype(np.float64), branch.weights[0, index]
    values = activations @ weights.astype(np.float64)
    contribution = float(values.sum())
    if branch.gradient is not None:
        products = branch.gradient[0, index] * activations
        contribution = float(products.sum())
        if method == "hirescam":
            values = products.sum(axis=2)
        elif method == "xgrad-cam":
            values = activations @ _xgrad_weights(activations, products)
    stated = None if head in CURVED else contribution
    return GridMap(values.astype(np.float32), branch.name, branch.layer, method, label, stated)


def _xgrad_weights(activations: np.ndarray, products: np.ndarray) -> np.ndarray:
    """[K]: a channel's gradient averaged with its activations as weights (Fu et al., BMVC 2020, eq. 6); 0
    where a channel is silent."""
    totals = activations.sum(axis=(0, 1))
    return np.divide(products.sum(axis=(0, 1)), totals, out=np.zeros_like(totals), where=totals != 0)


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
