"""The pooled head: dense layers over pooled features, and the closed-form gradient of every class's margin.

With mean pooling followed by dense layers and ReLU, a margin is piecewise linear in the pooled features, so
its gradient is a few matrix products with the ReLU masks of the forward pass. Writing it in forward
operations makes Grad-CAM's channel weights (Selvaraju et al., ICCV 2017, eq. 1) ordinary outputs of the
network.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops


def margin_matrix(outputs: int, classes: int, positive: int) -> np.ndarray:
    """[classes, outputs] float32: a class's margin as a combination of the logits.

    One logit: plus the logit for the positive class, minus it for the other. Several: the class's logit less
    the mean of the others.
    """
    if outputs == 1:
        signs = [[1.0] if index == positive else [-1.0] for index in range(classes)]
        return np.asarray(signs, np.float32)
    others = (1.0 - np.eye(outputs)) / (outputs - 1)
    return (np.eye(outputs) - others).astype(np.float32)


@keras.saving.register_keras_serializable(package="lesionlens")
class PooledHead(layers.Layer):
    """Pooled features, one tensor [N, K_b] a branch -> logits [N, L] and channel weights [N, C, K_b] a
    branch.

    Channel weights are d margin_c / d activation averaged over space: the gradient with respect to the pooled
    features divided by the number of grid cells of that branch. They describe the network without dropout.

    units: widths of the hidden dense layers; the last dense layer has `outputs` units.
    cells: number of grid cells of each branch's target layer.
    """

    def __init__(
        self,
        units: tuple[int, ...],
        outputs: int,
        cells: tuple[int, ...],
        classes: int,
        positive: int,
        dropout: float = 0.0,
        name: str = "head",
    ):
        super().__init__(name=name)
        self.units, self.outputs, self.cells = tuple(units), outputs, tuple(cells)
        self.classes, self.positive, self.dropout = classes, positive, dropout
        self._dense = [layers.Dense(width, name=f"dense{i + 1}") for i, width in enumerate((*units, outputs))]
        self._drop = layers.Dropout(dropout)
        self.margins = margin_matrix(outputs, classes, positive)

    def build(self, shapes: list[tuple[int | None, int]]) -> None:
        self._widths = [shape[-1] for shape in shapes]
        width = sum(self._widths)
        for dense in self._dense:
            dense.build((None, width))
            width = dense.units

    def dense_layers(self) -> list[layers.Dense]:
        """The dense layers from the features to the logits."""
        return self._dense

    def call(self, pooled: list, training: bool = False) -> tuple:
        features = ops.concatenate(pooled, axis=-1)
        logits = self._logits(features, training)
        return (logits, *self._channel_weights(features))

    def _logits(self, x, training: bool):
        x = self._drop(x, training=training)
        for dense in self._dense[:-1]:
            x = self._drop(ops.relu(dense(x)), training=training)
        return self._dense[-1](x)

    def _channel_weights(self, features) -> list:
        masks = []
        x = features
        for dense in self._dense[:-1]:
            x = ops.relu(dense(x))
            masks.append(ops.cast(x > 0, x.dtype))
        margins = ops.cast(ops.convert_to_tensor(self.margins), features.dtype)
        gradient = ops.expand_dims(margins @ ops.transpose(self._dense[-1].kernel), 0)  # [1, C, width]
        for dense, mask in zip(reversed(self._dense[:-1]), reversed(masks), strict=True):
            # Two axes, not three: then the transposition is a flag of the product and costs nothing.
            masked = ops.reshape(gradient * ops.expand_dims(mask, 1), (-1, dense.units))
            product = masked @ ops.transpose(dense.kernel)
            gradient = ops.reshape(product, (-1, self.classes, dense.kernel.shape[0]))
        if not masks:  # a linear head: the same weights for every case
            gradient = ops.repeat(gradient, ops.shape(features)[0], axis=0)
        edges = np.cumsum(self._widths)[:-1].tolist()
        parts = ops.split(gradient, edges, axis=-1) if edges else [gradient]
        return [part / cells for part, cells in zip(parts, self.cells, strict=True)]

    def get_config(self) -> dict:
        return {
            "units": self.units,
            "outputs": self.outputs,
            "cells": self.cells,
            "classes": self.classes,
            "positive": self.positive,
            "dropout": self.dropout,
            "name": self.name,
        }
