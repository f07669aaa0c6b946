"""The target as a function TensorFlow can differentiate, and its gradient with respect to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.engines.tensorflow import TensorFlowEngine
    from xai.methods.target import Target

# As many images as a backward pass of the largest trunk keeps in memory without trouble (some 2 GB).
BATCH = 8


def logit_row(engine: TensorFlowEngine, target: Target, classes: Sequence[str]) -> np.ndarray:
    """float32 [L, 1]: the target as a combination of the network's logits."""
    combined = target.weights(classes) @ engine.network.head.margins.astype(np.float64)
    return combined.astype(np.float32)[:, None]


def values_of(
    engine: TensorFlowEngine, images: np.ndarray, target: Target, classes: Sequence[str]
) -> np.ndarray:
    """float64 [N]: the target's value for images [N, h, w, C], logit units."""
    logits = engine.network.logits_model(np.asarray(images, np.float32), training=False)
    return (np.asarray(logits, np.float64) @ logit_row(engine, target, classes))[:, 0]


def gradients_of(
    engine: TensorFlowEngine, images: np.ndarray, target: Target, classes: Sequence[str]
) -> np.ndarray:
    """float32 [N, h, w, C]: each image's own gradient of the target, logit per unit of shade.

    In inference mode no image of a batch has a part in another's logits, so the gradient of their sum is all
    of them at once.
    """
    import tensorflow as tf

    pixels, row = tf.constant(images, tf.float32), tf.constant(logit_row(engine, target, classes))
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(pixels)
        total = tf.reduce_sum(engine.network.logits_model(pixels, training=False) @ row)
    return tape.gradient(total, pixels).numpy()


def strongest(gradient: np.ndarray) -> np.ndarray:
    """float32 [h, w] >= 0: the largest magnitude over the channels of a gradient [h, w, C] (Simonyan et al.,
    2014, section 3.1)."""
    return np.abs(gradient).max(axis=2).astype(np.float32)
