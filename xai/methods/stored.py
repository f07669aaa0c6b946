"""Maps from stored feature maps: no second pass, no gradient tape.

An engine's answer holds, for every branch, the target layer's activations A [gh, gw, K] and, for every
class, the channel weights w [K]: the gradient of that class's margin with respect to A, averaged over
space. Where the activations feed a mean pooling, the gradient G is w in every cell. Where the head flattens,
the answer holds G [gh, gw, K] itself. From A and G:

Grad-CAM (Selvaraju et al., ICCV 2017, eq. 1 and 2, before the ReLU): sum_k w_k A_k.
HiResCAM (Draelos and Carin, arXiv:2011.08891, 2020): sum_k G_k A_k.
XGrad-CAM (Fu et al., BMVC 2020, eq. 6): as Grad-CAM, w_k = sum of G_k A_k over sum of A_k.
Grad-CAM++ (Chattopadhay et al., WACV 2018): see `_grad_cam_pp`.
LayerCAM (Jiang et al., IEEE TIP 2021): sum_k relu(G_k) A_k.
Eigen-CAM (Muhammad and Yeasin, IJCNN 2020): see `_eigen_cam`.
Ablation-CAM (Ramaswamy and Desai, WACV 2020): see `ablation_weights`.

The last two are in the unit of the activations: of a hybrid each branch is measured in its own highest
activation (`_amount`), or the trunk with the larger numbers would be the joint map.

Behind a mean pooling Grad-CAM adds up: its sum over the grid is gradient . pooled features, the branch's
signed contribution to the margin; and HiResCAM and XGrad-CAM are this same map. On a flattening head the
three differ; with dense layers and ReLU the margin is piecewise linear in A, so the sum of G * A is the
contribution, and HiResCAM and XGrad-CAM sum to it. A support vector machine or naive Bayes is not piecewise
linear in the features: its maps are gradients as every other's, but no share of the margin belongs to a
branch, and contributions are None. So they are for the methods whose maps add up to nothing.

A contrastive target's gradient is the same combination of the classes' gradients as the target is of their
margins, so it costs nothing either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from xai.cam import ADDING_UP, CURVED, Explanation, GridMap, joint_map
from xai.methods.registry import DEFAULT_METHOD, EVEN_GRADIENT, METHODS, check_method
from xai.methods.target import Target

if TYPE_CHECKING:
    from models.engines import Branch, Explained
    from models.engines.head import Head

ABLATION = "ablation-cam"
# Their values are in the unit of the activations, in which trunks differ by orders of magnitude.
OWN_UNIT = (ABLATION, "eigen-cam")
# Channels set to zero in one call of the head: a few megabytes where it flattens.
CHANNELS_AT_ONCE = 64


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
    that branch alone; there is no rest then. head: the run's (models.engines.head), which Ablation-CAM alone
    needs. BadInput for an unknown class, layer or method.
    """
    target = Target(target) if isinstance(target, str) else target
    method = check_method(method)
    if METHODS[method].family != "stored":
        raise ValueError(f"{method} is not made from stored feature maps.")
    if any(len(branch.activations) != 1 for branch in explained.branches):
        raise ValueError("Maps are made a case at a time: pass explained.case(i).")
    target.weights(explained.classes)
    branches = explained.branches if layer is None else (_branch(explained, layer),)
    maps = tuple(_branch_map(explained, branch, target, method, head) for branch in branches)
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


def layer_values(method: str, activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """float64 [gh, gw]: the map of a method of the stored family (but Ablation-CAM, which needs the head).

    activations: [gh, gw, K] of any layer. gradient: the target's with respect to them, [gh, gw, K], or [K]
    where it is the same in every cell.
    """
    activations = activations.astype(np.float64)
    if gradient.ndim == 1 and method in EVEN_GRADIENT:
        method = "grad-cam"
    return _FORMULAS[method](activations, gradient.astype(np.float64))


def ablation_weights(explained: Explained, name: str, target: Target, head: Head) -> np.ndarray:
    """float64 [K]: what the target loses, in logits, when a channel of a branch's features is set to 0.

    Ramaswamy and Desai, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
    Localization", WACV 2020, which divides by the score itself. Ours is not divided: in logit units the
    score may be 0 or negative, and one factor for all channels changes no map's shape. The channels feed the
    head, so nothing but the head is computed again. Behind linear layers alone the loss is the gradient times
    the channel's sum.
    """
    features = head.features([branch.activations for branch in explained.branches])
    index = next(i for i, branch in enumerate(explained.branches) if branch.name == name)
    channels = features[index].shape[-1]
    weights = np.empty(channels)
    for start in range(0, channels, CHANNELS_AT_ONCE):
        part = np.arange(start, min(start + CHANNELS_AT_ONCE, channels))
        # The first row stays whole: rounding then is the same on both sides of the difference.
        rows = [np.repeat(values, len(part) + 1, axis=0) for values in features]
        rows[index][np.arange(len(part)) + 1, ..., part] = 0.0
        values = target.of(head.margins(rows), explained.classes)
        weights[part] = values[0] - values[1:]
    return weights


def _branch_map(
    explained: Explained, branch: Branch, target: Target, method: str, head: Head | None
) -> GridMap:
    # Double precision here costs nothing and keeps contributions + rest == margin tight.
    activations = branch.activations[0].astype(np.float64)
    margins = branch.weights[0] if branch.gradient is None else branch.gradient[0]
    if method == ABLATION:
        if head is None:
            raise ValueError("Ablation-CAM needs the run's head: see models.engines.head.open_head.")
        values = activations @ ablation_weights(explained, branch.name, target, head)
    else:
        gradient = _combined(margins, target.weights(explained.classes))
        values = layer_values(method, activations, gradient)
    if method in OWN_UNIT and len(explained.branches) > 1:
        values = values / _amount(activations)
    contribution = None
    if method in ADDING_UP and explained.head not in CURVED:
        contribution = float(values.sum() if branch.gradient is None else (gradient * activations).sum())
    return GridMap(
        values.astype(np.float32),
        branch.name,
        branch.layer,
        method,
        target.label,
        contribution,
        target.against,
        METHODS[method].unit,
    )


def _amount(activations: np.ndarray) -> float:
    """What to divide a branch's map in activations by, so that branches add up place by place when their sums
    are kept: its highest activation, as in Score-CAM here, times its cells."""
    highest = float(np.abs(activations).max())
    return (highest or 1.0) * activations.shape[0] * activations.shape[1]


def _combined(gradients: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The target's gradient, float64, from the margins' [C, ...]: few classes have a weight, so the others
    are not touched."""
    return sum(weights[index] * gradients[index].astype(np.float64) for index in np.flatnonzero(weights))


def _mean_over_space(gradient: np.ndarray) -> np.ndarray:
    return gradient if gradient.ndim == 1 else gradient.mean(axis=(0, 1))


def _grad_cam(activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return activations @ _mean_over_space(gradient)


def _hirescam(activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return (gradient * activations).sum(axis=2)


def _xgrad_cam(activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """A channel's weight is 0 where it is silent."""
    totals = activations.sum(axis=(0, 1))
    sums = (gradient * activations).sum(axis=(0, 1))
    return activations @ np.divide(sums, totals, out=np.zeros_like(totals), where=totals != 0)


def _layercam(activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return (np.maximum(gradient, 0.0) * activations).sum(axis=2)


def _grad_cam_pp(activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Chattopadhay et al., WACV 2018: w_k = sum over cells of alpha relu(dY/dA), for the score Y = exp(S) of
    the target S, whose second and third derivatives are then powers of the first: alpha =
    g^2 / (2 g^2 + sum(A_k) g^3), which is 1 / (2 + sum(A_k) g).

    exp(S) multiplies every weight of every branch and is left out, as pytorch-grad-cam does; the 1e-6 that
    it adds to the denominator, and which decides where gradients are small, is left out too.
    """
    below = 2.0 + activations.sum(axis=(0, 1)) * gradient
    positive = np.maximum(gradient, 0.0)
    shares = np.divide(positive, below, out=np.zeros_like(positive), where=below != 0)
    cells = activations.shape[0] * activations.shape[1]
    weights = shares * cells if gradient.ndim == 1 else shares.sum(axis=(0, 1))
    return activations @ weights


def _eigen_cam(activations: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Muhammad and Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020: the
    cells' features projected on their first right singular vector.

    As in pytorch-grad-cam each channel's mean over space is taken off before, so the map is the first
    principal component. A singular vector has no sign: the one is taken whose map goes along with the mean
    activation of a cell. The gradient is not looked at: every class has the same map.
    """
    gh, gw, channels = activations.shape
    cells = activations.reshape(gh * gw, channels)
    cells = cells - cells.mean(axis=0)
    projected = cells @ _first_direction(cells)
    sign = -1.0 if projected @ cells.mean(axis=1) < 0 else 1.0
    return sign * projected.reshape(gh, gw)


def _first_direction(rows: np.ndarray) -> np.ndarray:
    """[K]: the first right singular vector of [n, K], by the smaller of the two products with its transpose,
    which is much quicker than the whole decomposition. Any direction where all rows are 0."""
    n, channels = rows.shape
    if channels <= n:
        return np.linalg.eigh(rows.T @ rows)[1][:, -1]
    direction = rows.T @ np.linalg.eigh(rows @ rows.T)[1][:, -1]
    length = np.linalg.norm(direction)
    return direction / length if length > 0 else direction


_FORMULAS = {
    "grad-cam": _grad_cam,
    "grad-cam++": _grad_cam_pp,
    "hirescam": _hirescam,
    "layercam": _layercam,
    "xgrad-cam": _xgrad_cam,
    "eigen-cam": _eigen_cam,
}


def _branch(explained: Explained, layer: str | None) -> Branch:
    branches: Sequence[Branch] = explained.branches
    if layer is None and len(branches) == 1:
        return branches[0]
    for branch in branches:
        if layer in (branch.name, branch.layer):
            return branch
    known = ", ".join(f"{b.name} ({b.layer})" for b in branches)
    asked = "Several layers can be explained" if layer is None else f"There is no layer {layer!r}"
    raise BadInput(f"{asked}: choose one of {known}.")
