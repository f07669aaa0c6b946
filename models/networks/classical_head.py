"""Classical classifiers over pooled features as Keras layers, with the closed-form gradient of every margin.

Logistic regression, a Gaussian naive Bayes classifier and a support vector machine with an RBF kernel are
smooth in the features, so each margin's gradient is written down once and is an output like the logits. The
layers hold fitted numbers (models.training.classical) and are not trained.
"""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers, ops

from models.networks.head import margin_matrix, per_branch


class ClassicalHead(layers.Layer):
    """Pooled features, one tensor [N, K_b] a branch -> logits [N, L] and channel weights [N, C, K_b] a
    branch; with explain=False the logits alone.

    Features are standardised first: z = (features - mean) / deviation, [K] each over all branches joined.
    A kind says how z becomes logits and their Jacobian. Channel weights are the gradient of each margin with
    respect to the pooled features divided by the number of grid cells of that branch, as in PooledHead.
    Always single precision.
    """

    kind: str

    def __init__(self, outputs: int, cells: tuple[int, ...], classes: int, positive: int, name: str = "head"):
        super().__init__(name=name, dtype="float32", trainable=False)
        self.outputs, self.cells = outputs, tuple(cells)
        self.classes, self.positive = classes, positive
        self.margins = margin_matrix(outputs, classes, positive)

    def build(self, shapes: list[tuple[int | None, int]]) -> None:
        self._widths = [shape[-1] for shape in shapes]
        width = sum(self._widths)
        self.mean = self._number("mean", (width,))
        self.deviation = self._number("deviation", (width,), "ones")
        self._build(width)

    def call(self, pooled: list, explain: bool = True):
        z = (ops.concatenate(pooled, axis=-1) - self.mean) / self.deviation
        logits, jacobian = self._decide(z)
        if not explain:
            return logits
        margins = ops.convert_to_tensor(self.margins)
        return (logits, *per_branch(margins @ jacobian / self.deviation, self._widths, self.cells))

    def dense_layers(self) -> list[layers.Dense]:
        """None: the numbers of a classical head are its own (see `load`)."""
        return []

    def load(self, numbers: Mapping[str, np.ndarray]) -> None:
        """Assign every variable by its name; ValueError where names or shapes are not this head's."""
        if missing := {v.name for v in self.weights} ^ set(numbers):
            raise ValueError(f"{sorted(missing)} do not fit a head of kind {self.kind}")
        for variable in self.weights:
            variable.assign(np.asarray(numbers[variable.name], np.float32))

    def _number(self, name: str, shape: tuple[int, ...], start: str = "zeros"):
        return self.add_weight(name=name, shape=shape, initializer=start, trainable=False)

    def _build(self, width: int) -> None:
        raise NotImplementedError

    def _decide(self, z) -> tuple:
        """z [N, K] -> logits [N, L] and d logits / d z, [N, L, K]."""
        raise NotImplementedError

    def get_config(self) -> dict:
        return {
            "outputs": self.outputs,
            "cells": self.cells,
            "classes": self.classes,
            "positive": self.positive,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="lesionlens")
class LogisticHead(ClassicalHead):
    """Logistic regression, one logit or multinomial: logits = z . coefficients [K, L] + bias [L]."""

    kind = "logistic"

    def _build(self, width: int) -> None:
        self.coefficients = self._number("coefficients", (width, self.outputs))
        self.bias = self._number("bias", (self.outputs,))

    def _decide(self, z) -> tuple:
        slopes = ops.expand_dims(ops.transpose(self.coefficients), 0)
        return z @ self.coefficients + self.bias, ops.repeat(slopes, ops.shape(z)[0], axis=0)


@keras.saving.register_keras_serializable(package="lesionlens")
class SvmHead(ClassicalHead):
    """Support vector machine with an RBF kernel; more than two classes one against the rest.

    logits = exp(-gamma |z - v_m|^2) . coefficients [M, L] + bias [L], over support vectors v [M, K] that the
    machines share, with gamma = 1 / K. The bias is scikit-learn's intercept.
    """

    kind = "svm"

    def __init__(
        self,
        outputs: int,
        cells: tuple[int, ...],
        classes: int,
        positive: int,
        supports: int,
        name: str = "head",
    ):
        super().__init__(outputs, cells, classes, positive, name)
        self.supports = supports

    @property
    def gamma(self) -> float:
        return 1.0 / sum(self._widths)

    def _build(self, width: int) -> None:
        self.vectors = self._number("vectors", (self.supports, width))
        self.coefficients = self._number("coefficients", (self.supports, self.outputs))
        self.bias = self._number("bias", (self.outputs,))

    def _decide(self, z) -> tuple:
        # Squares apart from the product: differences of all pairs would be [N, M, K]. With gamma = 1 / K the
        # rounding of the sums is divided away again.
        squares = ops.sum(z * z, axis=1, keepdims=True) + ops.sum(self.vectors * self.vectors, axis=1)
        distances = ops.relu(squares - 2 * z @ ops.transpose(self.vectors))
        kernel = ops.exp(-self.gamma * distances)  # [N, M]
        logits = kernel @ self.coefficients + self.bias
        pull = ops.expand_dims(kernel, 1) * ops.transpose(self.coefficients)  # [N, L, M]
        towards = pull @ self.vectors - ops.sum(pull, axis=2, keepdims=True) * ops.expand_dims(z, 1)
        return logits, 2 * self.gamma * towards

    def get_config(self) -> dict:
        return super().get_config() | {"supports": self.supports}


@keras.saving.register_keras_serializable(package="lesionlens")
class BayesHead(ClassicalHead):
    """Gaussian naive Bayes: a logit is a class's log joint probability; the only one of two classes is the
    positive class's less the other's.

    logits = bias [L] - sum_k contrast . (z - centres)^2 precisions / 2, with centres and precisions (one over
    the variance) [C, K]. Classes are subtracted feature by feature: their sums are large and nearly equal.
    """

    kind = "bayes"

    def __init__(self, outputs: int, cells: tuple[int, ...], classes: int, positive: int, name: str = "head"):
        super().__init__(outputs, cells, classes, positive, name)
        self.contrast = contrast_matrix(outputs, classes, positive)

    def _build(self, width: int) -> None:
        self.centres = self._number("centres", (self.classes, width))
        self.precisions = self._number("precisions", (self.classes, width), "ones")
        self.bias = self._number("bias", (self.outputs,))

    def _decide(self, z) -> tuple:
        away = ops.expand_dims(z, 1) - self.centres  # [N, C, K]
        slopes = away * self.precisions
        contrast = ops.convert_to_tensor(self.contrast)
        logits = self.bias - 0.5 * ops.sum(contrast @ (away * slopes), axis=2)
        return logits, -(contrast @ slopes)


def contrast_matrix(outputs: int, classes: int, positive: int) -> np.ndarray:
    """[L, C] float32: the logits as combinations of the classes' log joint probabilities."""
    if outputs > 1:
        return np.eye(classes, dtype=np.float32)
    return np.array([[1.0 if index == positive else -1.0 for index in range(classes)]], np.float32)


CLASSICAL_HEADS = {head.kind: head for head in (LogisticHead, SvmHead, BayesHead)}
