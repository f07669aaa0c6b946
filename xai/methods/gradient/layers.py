"""Activations and gradient at any layer of the network, for the methods that are made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from xai.methods.gradient.tape import logit_row

if TYPE_CHECKING:
    from models.engines.tensorflow import TensorFlowEngine
    from xai.methods.target import Target


def layer_tensors(
    engine: TensorFlowEngine, tensor: np.ndarray, layer: str, target: Target
) -> tuple[np.ndarray, np.ndarray]:
    """(activations A, gradient G of the target with respect to them), float32 [gh, gw, K] each, logit units.

    tensor: float32 [1, h, w, C]. layer: its name in the network, with the branch's prefix. BadInput for one
    that does not exist or gives no feature map.
    """
    import keras
    import tensorflow as tf

    network, row = engine.network, logit_row(engine, target, engine.run.classes)
    try:
        maps = network.model.get_layer(layer).output
    except ValueError:
        raise BadInput(f"The run {engine.run.id} has no layer {layer!r}: choose a published layer.") from None
    if not hasattr(maps, "shape") or len(maps.shape) != 4:
        raise BadInput(f"The layer {layer} gives no feature map: choose a published layer.")
    model = keras.Model(network.model.input, [maps, network.logits_model.output])
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        pixels = tf.constant(tensor)
        # What nobody watches leaves no trace, and the image is where every layer comes from.
        tape.watch(pixels)
        activations, logits = model(pixels, training=False)
        value = tf.reduce_sum(logits @ row)
    gradient = tape.gradient(value, activations)
    return activations.numpy()[0], gradient.numpy()[0]
