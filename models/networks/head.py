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


class DenseHead(layers.Layer):
    """Dense layers with ReLU between them, and the margins' gradient back through them.

    units: widths of the hidden dense layers; the last dense layer has `outputs` units. Gradients describe the
    network without dropout.
    """

    def __init__(
        self, units: tuple[int, ...], outputs: int, classes: int, positive: int, dropout: float, name: str
    ):
        super().__init__(name=name)
        self.units, self.outputs = tuple(units), outputs
        self.classes, self.positive, self.dropout = classes, positive, dropout
        self._dense = [layers.Dense(width, name=f"dense{i + 1}") for i, width in enumerate((*units, outputs))]
        self._drop = layers.Dropout(dropout)
        self.margins = margin_matrix(outputs, classes, positive)

    def dense_layers(self) -> list[layers.Dense]:
        """The dense layers from the features to the logits."""
        return self._dense

    def _build_dense(self, width: int) -> None:
        for dense in self._dense:
            dense.build((None, width))
            width = dense.units

    def _forward(self, features, training: bool) -> tuple:
        """Logits [N, L] and every hidden layer's output after its ReLU, before dropout."""
        hidden = []
        x = self._drop(features, training=training)
        for dense in self._dense[:-1]:
            hidden.append(ops.relu(dense(x)))
            x = self._drop(hidden[-1], training=training)
        return self._dense[-1](x), hidden

    def _hidden(self, features, hidden: list, training: bool) -> list:
        """The hidden outputs that a gradient is taken at: those of the network without dropout."""
        return self._forward(features, False)[1] if training and self.dropout else hidden

    def _gradient(self, features, hidden: list, rows: np.ndarray):
        """[N, R, width]: gradient with respect to the features of R combinations `rows` [R, L] of the
        logits."""
        rows = ops.cast(ops.convert_to_tensor(rows), features.dtype)
        gradient = ops.expand_dims(rows @ ops.transpose(self._dense[-1].kernel), 0)  # [1, R, width]
        for dense, values in zip(reversed(self._dense[:-1]), reversed(hidden), strict=True):
            mask = ops.expand_dims(ops.cast(values > 0, features.dtype), 1)
            # Two axes, not three: then the transposition is a flag of the product and costs nothing.
            masked = ops.reshape(gradient * mask, (-1, dense.units))
            product = masked @ ops.transpose(dense.kernel)
            gradient = ops.reshape(product, (-1, rows.shape[0], dense.kernel.shape[0]))
        if not hidden:  # a linear head: the same gradient for every case
            gradient = ops.repeat(gradient, ops.shape(features)[0], axis=0)
        return gradient

    def get_config(self) -> dict:
        return {
            "units": self.units,
            "outputs": self.outputs,
            "classes": self.classes,
            "positive": self.positive,
            "dropout": self.dropout,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="lesionlens")
class PooledHead(DenseHead):
    """Pooled features, one tensor [N, K_b] a branch -> logits [N, L] and channel weights [N, C, K_b] a
    branch; with explain=False the logits alone.

    Channel weights are d margin_c / d activation averaged over space: the gradient with respect to the pooled
    features divided by the number of grid cells of that branch.

    cells: number of grid cells of each branch's target layer; the rest as for DenseHead.
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
        super().__init__(units, outputs, classes, positive, dropout, name)
        self.cells = tuple(cells)

    def build(self, shapes: list[tuple[int | None, int]]) -> None:
        self._widths = [shape[-1] for shape in shapes]
        self._build_dense(sum(self._widths))

    def call(self, pooled: list, training: bool = False, explain: bool = True):
        features = ops.concatenate(pooled, axis=-1)
        logits, hidden = self._forward(features, training)
        if not explain:
            return logits
        gradient = self._gradient(features, self._hidden(features, hidden, training), self.margins)
        return (logits, *per_branch(gradient, self._widths, self.cells))

    def get_config(self) -> dict:
        return super().get_config() | {"cells": self.cells}


def per_branch(gradient, widths: list[int], cells: tuple[int, ...]) -> list:
    """The gradient [N, C, sum of K] with respect to joined pooled features -> channel weights [N, C, K_b] a
    branch: each cell has one part in `cells` of the mean."""
    edges = np.cumsum(widths)[:-1].tolist()
    parts = ops.split(gradient, edges, axis=-1) if edges else [gradient]
    return [part / count for part, count in zip(parts, cells, strict=True)]
