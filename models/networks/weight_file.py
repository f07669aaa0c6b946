"""Weight files of Keras: a layer's name and its numbers, from both forms that Keras has had."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from models.errors import BadInput


def read_weight_file(path: Path) -> dict[str, list[np.ndarray]]:
    """Layer name -> its weights as float32, in Keras' order, in the file's order of layers.

    Read are `.weights.h5` of Keras 3, and the `.h5` of older ones with weights or a whole model (the form of
    the published "notop" files); in their names "/" becomes "_". Raises BadInput where the file is missing or
    holds no weights.
    """
    import h5py

    if not path.is_file():
        raise BadInput(f"The weight file {path} is not there; give its place with file:PATH.")
    try:
        with h5py.File(path) as archive:
            group = archive.get("model_weights", archive)
            found = _older(group) if "layer_names" in group.attrs else _newer(archive)
    except (OSError, KeyError, ValueError) as error:
        raise BadInput(f"{path.name} cannot be read as a weight file of Keras: give a .h5 file.") from error
    if not found:
        raise BadInput(f"{path.name} holds no weights of Keras layers: give a .weights.h5 or .h5 file.")
    return found


def _older(group) -> dict[str, list[np.ndarray]]:
    found = {}
    for name in map(_text, group.attrs["layer_names"]):
        weights = [_text(w) for w in group[name].attrs["weight_names"]]
        if weights:
            found[name.replace("/", "_")] = [np.asarray(group[name][w], np.float32) for w in weights]
    return found


def _newer(archive) -> dict[str, list[np.ndarray]]:
    """Groups are called after the layers' classes; the layer's own name is an attribute."""
    found = {}
    groups = archive.get("layers", archive.get("_layer_checkpoint_dependencies", {}))
    for key in sorted(groups, key=_by_number):
        stored = groups[key].get("vars", {})
        if len(stored):
            arrays = [np.asarray(stored[index], np.float32) for index in sorted(stored, key=int)]
            found[_text(stored.attrs.get("name", key))] = arrays
    return found


def _by_number(key: str) -> tuple[str, int]:
    kind, number = re.fullmatch(r"(.*?)_?(\d*)", key).groups()
    return kind, int(number or 0)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
