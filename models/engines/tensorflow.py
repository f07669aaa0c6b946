"""Explained predictions from the rebuilt Keras network: on a GPU, and where input gradients are needed."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from models.engines.explained import Explained, Scores, explained_by
from models.engines.margins import probabilities
from models.engines.onnx import ActivationMemo, check_tensor, finite_logits
from models.errors import BadInput
from models.runs import Run


class TensorFlowEngine:
    """The run's Keras network with the numbers of its ONNX files, as one compiled, warmed function.

    `network` is the models.networks.graph.Network itself, for methods that differentiate through it. Single
    precision without TensorFloat-32, so that it agrees with the ONNX engine. Safe to call from many threads.
    Opening imports TensorFlow (seconds, half a gigabyte).
    """

    def __init__(self, run: Run) -> None:
        tf = _tensorflow()
        from models.networks.rebuild import rebuild

        self.run = run
        self.network = rebuild(run)
        self._lock = threading.Lock()
        model, size = self.network.model, run.card.input
        signature = tf.TensorSpec((None, size.height, size.width, size.channels), tf.float32)
        self._explain = tf.function(lambda image: model(image, training=False), input_signature=[signature])
        # The first call traces and plans; the person in front of the page should not wait for that.
        self._explain(tf.zeros((1, size.height, size.width, size.channels)))
        device = "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
        self.name = f"tensorflow {tf.__version__} {device} f32"

    def explain(self, tensor: np.ndarray, memo: ActivationMemo | None = None) -> Explained:
        """As models.engines.onnx.OnnxEngine.explain; `memo` has no effect, the network is one function."""
        out = self._pass(tensor)
        # The rebuilt graph calls a branch by its backbone, the run may call it otherwise.
        named = {
            f"{kind}_{branch.name}": out[f"{kind}_{branch.backbone}"]
            for branch in self.run.branches
            for kind in ("activations", "channel_weights", "gradient")
            if f"{kind}_{branch.backbone}" in out
        }
        activations = [named[f"activations_{branch.name}"] for branch in self.run.branches]
        return explained_by(self.run, out | named, activations, self.name)

    def predict(self, tensor: np.ndarray, memo: ActivationMemo | None = None) -> Scores:
        """Logits and calibrated probabilities only; tensor and errors as for `explain`."""
        logits = self._pass(tensor)["logits"]
        return Scores(logits, probabilities(logits, self.run.card.calibration))

    def _pass(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        tensor = check_tensor(self.run, tensor)
        with self._lock:
            out = self._explain(tensor)
        out = {name: value.numpy() for name, value in out.items()}
        finite_logits(self.run, out["logits"])
        return out


def _tensorflow() -> Any:
    """TensorFlow as Keras' backend, taking a GPU's memory as it needs it. BadInput for another backend."""
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise BadInput(
            f"Keras runs on {keras.backend.backend()} here: set KERAS_BACKEND=tensorflow or choose onnx."
        )
    for device in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(device, True)
        except RuntimeError:  # the device is in use already, with whatever was chosen first
            break
    # Ten bits of mantissa would move logits by 1e-3 against the other engine.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    return tf
