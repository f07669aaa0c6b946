"""tf-keras-vis as a method source: a second opinion by another program, with its own definitions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from xai.methods.gradient.tape import logit_row

if TYPE_CHECKING:
    from models.engines.tensorflow import TensorFlowEngine
    from xai.methods.target import Target

PREFIX = "tf-keras-vis/"
_PLAIN = {"seek_penultimate_conv_layer": False, "expand_cam": False, "normalize_cam": False}


def library_map(
    engine: TensorFlowEngine,
    method: str,
    tensor: np.ndarray,
    target: Target,
    classes: Sequence[str],
    layer: str | None = None,
    masks: int | None = None,
) -> np.ndarray:
    """float32 [gh, gw] of a layer, or [h, w] of "saliency": what tf-keras-vis gives, neither enlarged nor
    normalised; it rectifies.

    method: "grad-cam", "grad-cam++", "layercam", "score-cam" or "saliency", with or without the prefix
    "tf-keras-vis/". tensor: float32 [1, h, w, C]. layer: its name in the network; None where the network has
    one branch. masks: of Score-CAM, the channels of the largest deviation (its max_N); None for all.

    The library gets the flat graph that ends in its logits and the target as a combination of them, so
    nothing has to be replaced by a linear layer. Its Score-CAM is another one than ours: weights are the
    softmax over the classes of each masked image, not over the channels, so it says nothing of a network with
    one logit.
    BadInput for such a run, for a layer that is needed and absent, and where the library's numbers overflow
    (Grad-CAM++ takes the exponential of the logit).
    """
    key = method.removeprefix(PREFIX)
    if key not in _CALLS:
        raise ValueError(f"tf-keras-vis has no method {method!r} here: {', '.join(_CALLS)}")
    if layer is None and key != "saliency":
        layer = _only_layer(engine)
    found = _CALLS[key](engine, tensor, target, classes, layer, masks)
    values = np.asarray(found, np.float32)[0]
    if not np.isfinite(values).all():
        raise BadInput(
            f"tf-keras-vis gives numbers that are not finite for {key} on this image: choose another method."
        )
    return values


def _only_layer(engine: TensorFlowEngine) -> str:
    branches = engine.network.branches
    if len(branches) > 1:
        known = ", ".join(branch.layer for branch in branches)
        raise BadInput(f"tf-keras-vis makes a map of one layer: choose one of {known}.")
    return branches[0].layer


def _cam(kind: str, engine, tensor, target, classes, layer, masks) -> np.ndarray:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.layercam import Layercam

    library = {"Gradcam": Gradcam, "GradcamPlusPlus": GradcamPlusPlus, "Layercam": Layercam}[kind]
    call = library(_model(engine), clone=False)
    return call(_score(engine, target, classes), tensor, penultimate_layer=layer, **_PLAIN)


def _saliency(engine, tensor, target, classes, layer, masks) -> np.ndarray:
    from tf_keras_vis.saliency import Saliency

    call = Saliency(_model(engine), clone=False)
    return call(_score(engine, target, classes), tensor, normalize_map=False)


def _score_cam(engine, tensor, target, classes, layer, masks) -> np.ndarray:
    from tf_keras_vis.scorecam import Scorecam

    network = engine.network
    if network.spec.outputs == 1:
        raise BadInput(
            "tf-keras-vis takes a softmax over the network's outputs, and this run has one alone: every "
            "weight would be 1, so choose score-cam."
        )
    channels = network.model.get_layer(layer).output.shape[-1]
    model = _model(engine)
    predict = model.predict
    # Its progress bars would go to stdout, where a command prints its answer.
    model.predict = lambda images, **options: predict(images, verbose=0, **options)
    weights = target.weights(classes).astype(np.float32)
    call = Scorecam(model, clone=False)
    most = None if masks is None else min(masks, channels)
    return call(
        lambda shares: np.asarray(shares) @ weights, tensor, penultimate_layer=layer, max_N=most, **_PLAIN
    )


def _model(engine: TensorFlowEngine):
    """The network from its image, in a list as the library hands it over, to its logits: a model of its own
    over the same layers."""
    import keras

    return keras.Model([engine.network.model.input], engine.network.logits_model.output)


def _score(engine: TensorFlowEngine, target: Target, classes: Sequence[str]):
    row = logit_row(engine, target, classes)
    return lambda logits: (logits @ row)[:, 0]


_CALLS = {
    "grad-cam": partial(_cam, "Gradcam"),
    "grad-cam++": partial(_cam, "GradcamPlusPlus"),
    "layercam": partial(_cam, "Layercam"),
    "score-cam": _score_cam,
    "saliency": _saliency,
}
