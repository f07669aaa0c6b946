"""SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360) and the published ImageNet weights it can start
from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from models.errors import BadInput
from models.networks.backbone import Backbone, InputRange, Tensor

WEIGHTS_FILE = "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
WEIGHTS_SHA256 = "17154246284f555591549ac2c83e127abfbf4307dc4b0060fdaa2931d0fa38da"
WEIGHTS_SOURCE = (
    "SqueezeNet 1.1 ImageNet weights of keras-squeezenet, MIT License, Copyright (c) 2016 Jesper Wohlert"
)

_FIRES = (
    (2, 16, 64),
    (3, 16, 64),
    (4, 32, 128),
    (5, 32, 128),
    (6, 48, 192),
    (7, 48, 192),
    (8, 64, 256),
    (9, 64, 256),
)
_POOL_AFTER = (3, 5)


def _fire(x: Tensor, index: int, squeeze: int, expand: int) -> Tensor:
    """Squeeze to few channels, expand by 1x1 and 3x3 kernels side by side (section 3.1)."""
    from keras import layers

    name = f"fire{index}"
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
    left = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_expand1x1")(x)
    right = layers.Conv2D(expand, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
    return layers.Concatenate(name=f"{name}_concat")([left, right])


def _squeezenet(images: Tensor, weights: str | None = None) -> Tensor:
    from keras import layers

    if weights is not None:
        raise BadInput(
            "SqueezeNet's ImageNet weights are not part of Keras; start it from the published file "
            f'with start.squeezenet = "file:{WEIGHTS_FILE}" instead.'
        )
    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(images)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for index, squeeze, expand in _FIRES:
        x = _fire(x, index, squeeze, expand)
        if index in _POOL_AFTER:
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{index}")(x)
    return x


def read_published_weights(path: Path) -> dict[str, list]:
    """Layer name -> [kernel, bias], read from the published legacy HDF5 file by position, not by name.

    The names inside are those of another program ("uniform1"), so the file's digest is checked instead.
    Raises BadInput where the file is missing or another one.
    """
    import h5py
    import numpy as np

    if not path.is_file():
        raise BadInput(
            f"The SqueezeNet weight file {path} is not there; give its place with start.squeezenet."
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise BadInput(f"{path.name} is not the published SqueezeNet 1.1 weight file: its SHA-256 differs.")
    with h5py.File(path) as archive:
        names = [n.decode() if isinstance(n, bytes) else n for n in archive.attrs["layer_names"]]
        groups = {n: archive[n] for n in names if len(archive[n].attrs["weight_names"])}
        return {
            name.replace("/", "_"): [np.asarray(group[w], np.float32) for w in group.attrs["weight_names"]]
            for name, group in groups.items()
        }


SQUEEZENET = Backbone(
    name="squeezenet",
    title="SqueezeNet 1.1",
    build=_squeezenet,
    target_layer="fire9_concat",
    range=InputRange.mean_subtracted(),
    hints=("fire5_concat", "fire9_concat", "fire9_concat"),
    earlier=("fire3_concat", "fire5_concat", "fire7_concat"),
    blocks=("fire8_", "fire9_"),
    source="Iandola et al. 2016, arXiv:1602.07360",
)
