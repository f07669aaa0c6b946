"""Guided backpropagation and Guided Grad-CAM."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from xai.methods.gradient.tape import logit_row, strongest
from xai.methods.perturbation import enlarged

if TYPE_CHECKING:
    from models.engines.tensorflow import TensorFlowEngine
    from models.networks.graph import Network
    from xai.methods.target import Target

_LOCK = threading.Lock()
_TRACED: WeakKeyDictionary[Any, Callable] = WeakKeyDictionary()


def guided_backprop(
    engine: TensorFlowEngine, tensor: np.ndarray, target: Target, classes: Sequence[str]
) -> np.ndarray:
    """float32 [h, w] >= 0, arbitrary unit: the magnitude of the guided gradient, the largest of the channels.

    Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR Workshop 2015, section
    3.4: at every ReLU, gradients pass only where the unit is active and only if they are positive. The map is
    sharp but nearly the same for every class and for random upper weights (Adebayo et al., "Sanity Checks for
    Saliency Maps", NeurIPS 2018). tensor: float32 [1, h, w, C].
    """
    return strongest(guided_gradient(engine, tensor, target, classes))


def guided_grad_cam(
    engine: TensorFlowEngine, tensor: np.ndarray, target: Target, classes: Sequence[str], cam: np.ndarray
) -> np.ndarray:
    """float32 [h, w] >= 0, arbitrary unit: guided backpropagation times Grad-CAM rectified and enlarged.

    Selvaraju et al., ICCV 2017, section 3.3. cam: float [gh, gw], the network's (joint) Grad-CAM of the same
    target and image.
    """
    evidence = enlarged(np.maximum(cam, 0.0)[..., None], tensor.shape[1:3])[0]
    return guided_backprop(engine, tensor, target, classes) * evidence


def guided_gradient(
    engine: TensorFlowEngine, tensor: np.ndarray, target: Target, classes: Sequence[str]
) -> np.ndarray:
    """float32 [h, w, C], signed: the guided gradient itself."""
    import tensorflow as tf

    with _LOCK:
        if engine not in _TRACED:
            _TRACED[engine] = _traced(engine.network)
        traced = _TRACED[engine]
    return traced(tf.constant(tensor), tf.constant(logit_row(engine, target, classes))).numpy()[0]


def _traced(network: Network) -> Callable:
    """(images, row [L, 1]) -> guided gradients, as a graph of its own over the network's own variables.

    In that graph alone the ReLUs have another gradient: neither the layers nor what the engine computes is
    touched, and a ReLU that is a layer's activation counts as one that is a layer.
    """
    import tensorflow as tf

    from models.networks.classical_head import ClassicalHead

    trunks = [network.trunk(branch.name) for branch in network.branches]

    def logits(images):
        maps = [trunk(images, training=False) for trunk in trunks]
        if network.spec.head == "flatten":
            return maps[0]
        return [tf.reduce_mean(m, axis=(1, 2)) for m in maps]

    @tf.function(reduce_retracing=True)
    def gradient(images, row):
        graph = tf.compat.v1.get_default_graph()
        names = _guided_gradients()
        with graph.gradient_override_map(names):
            features = logits(images)
        # A classical head's ReLU keeps a distance from falling below 0: it is no unit of a network.
        with graph.gradient_override_map({} if isinstance(network.head, ClassicalHead) else names):
            total = tf.reduce_sum(network.head(features, explain=False) @ row)
        return tf.gradients(total, images)[0]

    return gradient


@lru_cache(maxsize=1)
def _guided_gradients() -> dict[str, str]:
    """TensorFlow operation -> the name its guided gradient is registered under, once a process."""
    import tensorflow as tf

    @tf.RegisterGradient("LesionLensGuidedRelu")
    def relu(op, gradient):
        return tf.where((op.outputs[0] > 0) & (gradient > 0), gradient, 0.0)

    @tf.RegisterGradient("LesionLensGuidedRelu6")
    def relu6(op, gradient):
        active = (op.outputs[0] > 0) & (op.outputs[0] < 6)
        return tf.where(active & (gradient > 0), gradient, 0.0)

    return {"Relu": "LesionLensGuidedRelu", "Relu6": "LesionLensGuidedRelu6"}
