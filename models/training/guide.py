"""Explanation-guided training: a term that pulls a class's own heatmap onto the lesion.

The heatmap is a forward output of the explain graph (activations times closed-form channel weights), so the
term needs no second derivative and costs next to nothing. After "Right for the Right Reasons" (Ross et al.,
IJCAI 2017) and GAIN (Li et al., CVPR 2018), with the map that is later shown instead of an input gradient.
"""

from __future__ import annotations

import keras
from keras import ops

STEEPNESS = 10.0
SMALLEST = 1e-6


def joint_heat(outputs: dict, branches: tuple[str, ...], classes):
    """Signed joint heatmap [N, gh, gw] of each case's class, on the finest grid, in logit per cell.

    outputs: the explain graph's. classes: int [N], whose heatmap is taken of each case. A coarser branch is
    interpolated with its sum kept.
    """
    maps = []
    for name in branches:
        weights = outputs[f"channel_weights_{name}"]
        own = ops.sum(
            weights * ops.one_hot(classes, weights.shape[1], dtype=weights.dtype)[..., None], axis=1
        )
        maps.append(ops.sum(outputs[f"activations_{name}"] * own[:, None, None, :], axis=-1))
    rows = max(heat.shape[1] for heat in maps)
    columns = max(heat.shape[2] for heat in maps)
    return sum(_regridded(heat, rows, columns) for heat in maps)


def guide_loss(heat, lesion, peak: float):
    """Loss a case, [N]: how little of the heat lies on the lesion.

    heat [N, gh, gw] signed; lesion [N, gh, gw], the share of each cell that is lesion. Two parts, each at
    least 0: one less the soft Dice overlap of the lesion with the region above half of the map's maximum (the
    region that is later drawn and measured), and `peak` times the negative logarithm of the heatmap's softmax
    mass inside the lesion (the hottest cells must be lesion: the pointing game). With more of the second the
    heat gathers in a point inside the lesion instead of covering it.
    """
    heat, lesion = ops.cast(heat, "float32"), ops.cast(lesion, "float32")
    flat = ops.reshape(heat, (-1, heat.shape[1] * heat.shape[2]))
    inside = ops.reshape(lesion, (-1, heat.shape[1] * heat.shape[2]))
    mass = ops.sum(ops.softmax(flat, axis=-1) * inside, axis=-1)
    top = ops.maximum(ops.max(flat, axis=-1, keepdims=True), SMALLEST)
    region = ops.sigmoid(STEEPNESS * (flat / top - 0.5))
    overlap = 2.0 * ops.sum(region * inside, axis=-1)
    dice = overlap / (ops.sum(region, axis=-1) + ops.sum(inside, axis=-1) + SMALLEST)
    return 1.0 - dice - peak * ops.log(mass + SMALLEST)


def _regridded(heat, rows: int, columns: int):
    if heat.shape[1:] == (rows, columns):
        return heat
    cells = heat.shape[1] * heat.shape[2]
    finer = ops.image.resize(heat[..., None], (rows, columns), interpolation="bilinear")[..., 0]
    return finer * (cells / (rows * columns))


def finest_grid(network: keras.Model, branches: tuple[str, ...]) -> tuple[int, int]:
    """(rows, columns) of the joint heatmap of an explain graph."""
    grids = [network.output[f"activations_{name}"].shape[1:3] for name in branches]
    return max(g[0] for g in grids), max(g[1] for g in grids)
