"""Maps from stored feature maps: no second pass, no gradient tape.

An engine's answer holds, for every branch, the target layer's activations A [gh, gw, K] and, for every
class, the channel weights w [K]: the gradient of that class's margin with respect to A, averaged over
space. Where the activations feed a mean pooling, the gradient is the same in every cell. Where the head
flattens, the answer holds the gradient G [gh, gw, K] itself.

Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017, eq. 1 and 2,
before the ReLU) is sum_k w_k A_k. Behind a mean pooling it adds up: its sum over the grid is gradient .
pooled features, the branch's signed contribution to the margin; and HiResCAM and XGrad-CAM, which weigh the
cells of a channel differently where the gradient differs, are this same map. On a flattening head the three
differ; with dense layers and ReLU the margin is piecewise linear in A, so the sum of G * A is the
contribution, and HiResCAM and XGrad-CAM sum to it.

A support vector machine or naive Bayes is not piecewise linear in the features: its maps are gradients as
every other's, but no share of the margin belongs to a branch, and contributions are None.

A contrastive target's gradient is the same combination of the classes' gradients as the target is of their
margins, so it costs nothing either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from xai.cam import CURVED, Explanation, GridMap, joint_map
from xai.methods.registry import DEFAULT_METHOD, METHODS, check_method
from xai.methods.target import Target

if TYPE_CHECKING:
    from models.engines import Branch, Explained
    from models.engines.head import Head


def explain_case(
    explained: Explained,
    target: Target | str,
    method: str = DEFAULT_METHOD,
    layer: str | None = None,
    head: Head | None = None,
) -> Explanation:
    """Every branch's map of `target` by a method of the stored family, their joint map, each one's
    contribution and the rest, for one case (N = 1).

    target: a class's name stands for its margin. layer: a branch's name or its target layer's, for the map of
    that branch alone. head: the run's (models.engines.head), which Ablation-CAM alone needs.
    """
    target = Target(target) if isinstance(target, str) else target
    method = check_method(method)
    if METHODS[method].family != "stored":
        raise ValueError(f"{method} is not made from stored feature maps.")
    if any(len(branch.activations) != 1 for branch in explained.branches):
        raise ValueError("Maps are made a case at a time: pass explained.case(i).")
    weights = target.weights(explained.classes)
    branches = explained.branches if layer is None else (_branch(explained, layer),)
    maps = tuple(_branch_map(b, weights, target, method, explained.head) for b in branches)
    margin, joint = float(target.of(explained.margins, explained.classes)[0]), joint_map(maps)
    whole = joint.contribution is not None and len(branches) == len(explained.branches)
    rest = margin - sum(m.contribution for m in maps) if whole else None
    return Explanation(target.label, maps, joint, rest, margin, target.against)


def grad_cam(
    explained: Explained, label: str, layer: str | None = None, method: str = DEFAULT_METHOD
) -> GridMap:
    """The map of one class at one branch, from an engine's answer for one case (N = 1).

    layer: a branch's name or its target layer's; None is allowed where there is one branch. Refuses an
    unknown class, layer or method with BadInput.
    """
    return explain_case(explained, label, method, _branch(explained, layer).name).maps[0]


def _branch_map(branch: Branch, weights: np.ndarray, target: Target, method: str, head: str) -> GridMap:
    # Double precision here costs nothing and keeps contributions + rest == margin tight.
    activations = branch.activations[0].astype(np.float64)
    mean = _combined(branch.weights[0], weights)
    values = activations @ mean
    contribution = float(values.sum())
    if branch.gradient is not None:
        products = _combined(branch.gradient[0], weights) * activations
        contribution = float(products.sum())
        if method == "hirescam":
            values = products.sum(axis=2)
        elif method == "xgrad-cam":
            values = activations @ _xgrad_weights(activations, products)
    stated = None if head in CURVED else contribution
    return GridMap(
        values.astype(np.float32),
        branch.name,
        branch.layer,
        method,
        target.label,
        stated,
        target.against,
        METHODS[method].unit,
    )


def _combined(gradients: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The target's gradient, float64, from the margins' [C, ...]: few classes have a weight, so the others
    are not touched."""
    return sum(weights[index] * gradients[index].astype(np.float64) for index in np.flatnonzero(weights))


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
