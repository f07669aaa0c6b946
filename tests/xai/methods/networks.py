"""Networks small enough to work out by hand, as what an engine answers for one case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.engines import Branch, Explained

CLASSES = ("other", "malignant")


def explained(branches, margin: float, classes: tuple[str, ...] = CLASSES) -> Explained:
    """One case with those branches; margin is the last class's."""
    margins = np.array([[-margin, margin]], np.float32)
    half = np.full((1, 2), 0.5)
    return Explained("tiny", classes, margins[:, 1:], half, margins, tuple(branches), "by hand")


def pooled() -> Explained:
    """One branch of two 2x2 channels, pooled, then two hidden ReLU units, then one logit. By hand:

    A0 = 4 0   A1 = 0 2   pooled p = (1, 2)
         0 0        2 4
    h0 = relu( 1 p0 + 0.5 p1)       = relu( 1 + 1) = 2
    h1 = relu(-1 p0 + 1.0 p1 - 1.5) = relu(-0.5) = 0, so nothing passes through it
    logit = 3 h0 + 5 h1 + 0.25 = 6.25
    d logit / d p = 3 (1, 0.5) = (3, 1.5); a cell's share of the mean is 1/4: channel weights (0.75, 0.375)
    """
    activations = np.array([[[4, 0], [0, 2]], [[0, 2], [0, 4]]], np.float32)[None]
    weights = np.array([[[-0.75, -0.375], [0.75, 0.375]]], np.float32)
    return explained([Branch("tiny", "tiny_relu", activations, weights)], margin=6.25)


class PooledHead:
    """The head of `pooled`, for models.engines.head.Head."""

    def features(self, activations):
        return [maps.mean(axis=(1, 2)) for maps in activations]

    def margins(self, features):
        (p,) = features
        hidden = np.maximum(p @ np.array([[1, -1], [0.5, 1]]) + [0, -1.5], 0)
        logit = hidden @ [3.0, 5.0] + 0.25
        return np.stack([-logit, logit], axis=1)


def flattened() -> Explained:
    """One branch of two 1x2 channels whose gradient differs from cell to cell. By hand:

    A0 = 4 2   G0 = 3 -1    G0 A0 = 12 -2   sum 10, of A0 6: weight 10/6; mean of G0 1
    A1 = 0 5   G1 = 7  2    G1 A1 =  0 10   sum 10, of A1 5: weight 2;    mean of G1 4.5
    """
    activations = np.array([[[4, 0], [2, 5]]], np.float32)[None]
    gradient = np.array([[[3, 7], [-1, 2]]], np.float32)
    gradient = np.stack([-gradient, gradient])[None]
    branch = Branch("flat", "flat_relu", activations, gradient.mean(axis=(2, 3)), gradient)
    return replace(explained([branch], margin=20.5), head="flatten")
