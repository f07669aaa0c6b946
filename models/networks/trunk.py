"""One branch of the explain graph: its adapter, its backbone, its layers' names, and the numbers it starts
from."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from models.errors import BadInput
from models.networks.backbone import Backbone
from models.networks.squeezenet import SQUEEZENET, read_published_weights
from models.networks.weight_file import read_weight_file

KERAS_3 = ".weights.h5"
Numbers = dict[str, list[np.ndarray]]  # a layer's name -> its weights in Keras' order


def build_trunk(image, backbone: Backbone, start: str):
    """Adapter and backbone over `image` [N, h, w, C] in 0..1; returns the target layer's tensor.

    start: "none" (random), "imagenet" (downloaded by Keras) or "file:PATH" (a weight file of that backbone,
    see models.networks.weight_file). Every layer is named `<backbone>_<layer>`, the same in every process:
    those that Keras would number through a whole session are numbered in this branch from 00. Raises BadInput
    for an image that is too small, a start there is not, weights that cannot be had or do not fit.
    """
    if min(image.shape[1:3]) < backbone.smallest:
        raise BadInput(
            f"{backbone.title} takes images of at least {backbone.smallest}x{backbone.smallest} pixels, not "
            f"{image.shape[1]}x{image.shape[2]}: choose a larger input or another backbone."
        )
    # First, since building takes seconds and a start may have to be refused.
    numbers = _start(backbone, start, image.shape[1:3])
    features = backbone.build(_adapter(image, backbone), None)
    model = keras.Model(image, features)
    _number(model)
    for operation in model.operations:
        if not isinstance(operation, layers.InputLayer):
            operation.name = f"{backbone.name}_{operation.name}"
    if numbers:
        _assign(model, backbone, start, numbers)
    return features


def _adapter(image, backbone: Backbone):
    """A trainable 1x1 convolution that starts as replication (grey) or identity (RGB) in the backbone's
    range."""
    channels = image.shape[-1]
    kernel = np.zeros((1, 1, channels, 3), np.float32)
    for target in range(3):
        source = (2 - target if backbone.range.reversed_channels else target) if channels == 3 else 0
        kernel[0, 0, source, target] = backbone.range.scale[target]
    return layers.Conv2D(
        3,
        1,
        kernel_initializer=keras.initializers.Constant(kernel),
        bias_initializer=keras.initializers.Constant(np.asarray(backbone.range.offset, np.float32)),
        name="adapter",
    )(image)


def _number(model: keras.Model) -> None:
    """Number the layers that nobody named (Keras calls them after their class) in the order of their
    making."""
    unnamed = {
        kind
        for operation in model.operations
        if (kind := _kind(operation.name)).replace("_", "") == type(operation).__name__.lower()
    }
    names = _renumbered([operation.name for operation in model.operations], unnamed)
    for operation in model.operations:
        operation.name = names.get(operation.name, operation.name)


def _kind(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def _renumbered(names: Iterable[str], kinds: set[str]) -> dict[str, str]:
    """Name -> `<kind>_00`, `<kind>_01` ... of those that are of one of the `kinds`, by their old numbers."""
    new = {}
    for kind in kinds:
        same = [name for name in names if _kind(name) == kind]
        same.sort(key=lambda name: int(name[len(kind) + 1 :] or 0))
        new |= {name: f"{kind}_{index:02d}" for index, name in enumerate(same)}
    return new


def _start(backbone: Backbone, start: str, size: tuple[int, int]) -> Numbers:
    """The numbers that a start gives; none for a random one."""
    if start == "none":
        return {}
    if start == "imagenet":
        return _imagenet(backbone, size)
    if not start.startswith("file:"):
        raise BadInput(f"The start {start!r} of {backbone.name} is unknown; use none, imagenet or file:PATH.")
    path = Path(start.removeprefix("file:"))
    if backbone is SQUEEZENET and not path.name.endswith(KERAS_3):
        return read_published_weights(path)
    return read_weight_file(path)


def _imagenet(backbone: Backbone, size: tuple[int, int]) -> Numbers:
    """Keras' ImageNet weights by layer, read into a graph of their own: Keras fills a graph by position and
    would count the adapter too.

    A download that fails is refused in a sentence; its progress goes to stderr.
    """
    images = keras.Input((*size, 3))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            model = keras.Model(images, backbone.build(images, "imagenet"))
    except BadInput:
        raise
    except Exception as error:  # Keras raises a bare Exception for what urllib says
        if not isinstance(error, OSError) and not re.search("URL fetch|corrupted file", str(error)):
            raise
        raise BadInput(
            f"The ImageNet weights of {backbone.title} could not be downloaded: use --set "
            f"start.{backbone.name}=none, or file:PATH with a weight file that you have."
        ) from error
    _number(model)
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def _assign(model: keras.Model, backbone: Backbone, start: str, found: Numbers) -> None:
    """Give the backbone's layers (not the adapter) their numbers: by name, or by position where a file of an
    older Keras has as many layers of other names. BadInput names the first that does not fit."""
    source = "Keras' ImageNet file" if start == "imagenet" else Path(start.removeprefix("file:")).name
    # Layers of Keras 3's files stand there by their classes, not in the order of the network.
    ordered = not source.endswith(KERAS_3)
    prefix = f"{backbone.name}_"
    # A standardisation inside a backbone stays neutral: the adapter does it, and has been given its numbers.
    wanted = {
        layer.name.removeprefix(prefix): layer
        for layer in model.layers
        if layer.weights and layer.name != f"{prefix}adapter" and not isinstance(layer, layers.Normalization)
    }
    found = {name.removeprefix(prefix): arrays for name, arrays in found.items()}
    found = {name: a for name, a in found.items() if _kind(name) != "normalization" and name != "adapter"}
    names = _renumbered(found, {_kind(name) for name in wanted if re.search(r"_\d\d$", name)})
    found = {names.get(name, name): arrays for name, arrays in found.items()}
    missing = next((name for name in wanted if name not in found), None)
    if missing and ordered and len(found) == len(wanted):
        found = dict(zip(wanted, found.values(), strict=True))
    elif missing:
        raise BadInput(
            f"{source} does not fit {backbone.title}: it has no layer {missing}; give a weight file of this "
            "backbone without its classifier."
        )
    for name, layer in wanted.items():
        mine, theirs = [tuple(w.shape) for w in layer.weights], [a.shape for a in found[name]]
        if mine != theirs:
            raise BadInput(
                f"{source} does not fit {backbone.title}: its layer {name} has weights of the shapes "
                f"{theirs} where {mine} are needed; give a weight file of this backbone."
            )
        layer.set_weights(found[name])
