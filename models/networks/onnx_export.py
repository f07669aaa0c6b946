"""Networks as ONNX files: the same numbers for every engine, kernels stored in half precision, computed in
single.

A file is written layer by layer, so it does not depend on the Keras backend, its bytes are the same each time
(its SHA-256 can name it), and every initialiser carries the name of the Keras variable it came from
("<layer>/<variable>"): the TensorFlow engine reads its weights from here too.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.networks.graph import Network
from models.networks.onnx_graph import Graph
from models.networks.onnx_layers import keras_kernel, write_layers


def export_trunk(network: Network, branch: str) -> bytes:
    """One branch, image [N, h, w, C] -> activations [N, gh, gw, K], as the bytes of an ONNX file.

    Raises BadInput for a layer type that has no translation here (models.networks.onnx_layers).
    """
    place = next(b for b in network.branches if b.name == branch)
    trunk, graph = network.trunk(branch), Graph()
    first = graph.add("Transpose", ["image"], "image_nchw", perm=[0, 3, 1, 2])
    last = write_layers(graph, trunk, first)
    graph.add("Transpose", [last], "activations", perm=[0, 2, 3, 1])
    spec = network.spec
    return graph.bytes(
        [
            helper.make_tensor_value_info(
                "image", TensorProto.FLOAT, ["N", spec.height, spec.width, spec.channels]
            )
        ],
        [helper.make_tensor_value_info("activations", TensorProto.FLOAT, ["N", *place.grid, place.channels])],
        {"backbone": branch, "target_layer": place.layer},
    )


def read_initialisers(path: Path) -> dict[str, np.ndarray]:
    """Name -> float32 array of every stored weight of an exported file, still in ONNX's axis order."""
    model = onnx.load(path)
    return {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if "/" in tensor.name
    }


def load_weights(network: Network, trunks: dict[str, Path], head: Path) -> None:
    """Give a rebuilt network the numbers of its exported files: trunks a branch, and the head."""
    for path in (*trunks.values(), head):
        load_trunk(network, path)


def load_trunk(network: Network, path: Path) -> None:
    """Give the layers that one exported file names its numbers."""
    for name, array in read_initialisers(path).items():
        layer_name, variable_name = name.rsplit("/", 1)
        layer = _layer_named(network, layer_name)
        variable = next(v for v in layer.weights if v.name == variable_name)
        variable.assign(keras_kernel(layer, array) if array.ndim == 4 else array)


def _layer_named(network: Network, name: str) -> keras.layers.Layer:
    for dense in network.head.dense_layers():
        if dense.name == name:
            return dense
    return network.model.get_layer(name)
