"""Networks as ONNX files: the same numbers for every engine, kernels stored in half precision, computed in
single.

A file is written layer by layer, so it does not depend on the Keras backend, its bytes are the same each time
(its SHA-256 can name it), and every initialiser carries the name of the Keras variable it came from
("<layer>/<variable>"): the TensorFlow engine reads its weights from here too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers
from onnx import TensorProto, helper, numpy_helper

from models.errors import BadInput
from models.networks.graph import Network
from models.networks.onnx_graph import Graph


def export_trunk(network: Network, branch: str) -> bytes:
    """One branch, image [N, h, w, C] -> activations [N, gh, gw, K], as the bytes of an ONNX file.

    Raises BadInput for a layer type that has no translation here (see CONTRIBUTING.md to add one).
    """
    place = next(b for b in network.branches if b.name == branch)
    trunk, graph = network.trunk(branch), Graph()
    image, activations = trunk.inputs[0], trunk.outputs[0]
    names = {id(image): graph.add("Transpose", ["image"], "image_nchw", perm=[0, 3, 1, 2])}
    for node in _in_order(trunk):
        layer = node.operation
        if isinstance(layer, layers.InputLayer):
            continue
        translate = _TRANSLATIONS.get(type(layer))
        if translate is None:
            raise BadInput(
                f"A layer of type {type(layer).__name__} ({layer.name}) cannot be stored as ONNX here."
            )
        inputs = [names[id(tensor)] for tensor in node.input_tensors]
        names[id(node.outputs[0])] = translate(graph, layer, inputs, node)
    graph.add("Transpose", [names[id(activations)]], "activations", perm=[0, 2, 3, 1])
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
        # [out, in, h, w] -> [h, w, in, out]; depthwise: [in, 1, h, w] -> [h, w, in, 1]
        if array.ndim == 4:
            array = array.transpose(2, 3, 0, 1) if _depthwise(layer) else array.transpose(2, 3, 1, 0)
        variable.assign(array)


def _layer_named(network: Network, name: str) -> keras.layers.Layer:
    for dense in network.head.dense_layers():
        if dense.name == name:
            return dense
    return network.model.get_layer(name)


def _in_order(model: keras.Model) -> list:
    """The graph's nodes, every one after those it needs."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in model._nodes_by_depth[depth]]


def _depthwise(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, layers.DepthwiseConv2D)


def _same_pads(layer: keras.layers.Layer, shape: tuple, kernel: tuple[int, int]) -> list[int]:
    """[top, left, bottom, right] of Keras' "same" padding, whose spare pixel goes to the bottom and right."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    pads = []
    for size, extent, stride in zip(shape[1:3], kernel, layer.strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        pads.append((total // 2, total - total // 2))
    return [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]


def _convolution(graph: Graph, layer, inputs: list[str], node) -> str:
    kernel = np.asarray(layer.kernel)
    depthwise = _depthwise(layer)
    stored = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
    operands = [inputs[0], graph.kernel(f"{layer.name}/{layer.kernel.name}", stored)]
    if layer.use_bias:
        operands.append(graph.constant(f"{layer.name}/bias", np.asarray(layer.bias, np.float32)))
    if tuple(layer.dilation_rate) != (1, 1):
        raise BadInput(f"The dilated convolution {layer.name} cannot be stored as ONNX here.")
    shape = node.input_tensors[0].shape
    output = graph.add(
        "Conv",
        operands,
        f"{layer.name}:out",
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.strides),
        pads=_same_pads(layer, shape, layer.kernel_size),
        group=shape[3] if depthwise else layer.groups,
    )
    return _activation_of(graph, layer, output)


def _normalisation(graph: Graph, layer, inputs: list[str], node) -> str:
    width = node.input_tensors[0].shape[3]
    ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
    gamma = graph.constant(f"{layer.name}/gamma", np.asarray(layer.gamma) if layer.scale else ones)
    beta = graph.constant(f"{layer.name}/beta", np.asarray(layer.beta) if layer.center else zeros)
    mean = graph.constant(f"{layer.name}/moving_mean", np.asarray(layer.moving_mean))
    variance = graph.constant(f"{layer.name}/moving_variance", np.asarray(layer.moving_variance))
    operands = [inputs[0], gamma, beta, mean, variance]
    return graph.add("BatchNormalization", operands, f"{layer.name}:out", epsilon=float(layer.epsilon))


def _activation_of(graph: Graph, layer, output: str) -> str:
    name = keras.activations.serialize(layer.activation)
    if name == "linear":
        return output
    if name != "relu":
        raise BadInput(f"The activation {name} of {layer.name} cannot be stored as ONNX here.")
    return graph.add("Relu", [output], f"{layer.name}:relu")


def _activation(graph: Graph, layer, inputs: list[str], node) -> str:
    return _activation_of(graph, layer, inputs[0])


def _zero_padding(graph: Graph, layer, inputs: list[str], node) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant(f"{layer.name}:pads", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return graph.add("Pad", [inputs[0], pads], f"{layer.name}:out")


def _pooling(kind: str) -> Callable[..., str]:
    def translate(graph: Graph, layer, inputs: list[str], node) -> str:
        return graph.add(
            kind,
            inputs,
            f"{layer.name}:out",
            kernel_shape=list(layer.pool_size),
            strides=list(layer.strides),
            pads=_same_pads(layer, node.input_tensors[0].shape, layer.pool_size),
        )

    return translate


def _concatenation(graph: Graph, layer, inputs: list[str], node) -> str:
    return graph.add("Concat", inputs, f"{layer.name}:out", axis=1)


def _addition(graph: Graph, layer, inputs: list[str], node) -> str:
    output = inputs[0]
    for index, other in enumerate(inputs[1:]):
        output = graph.add("Add", [output, other], f"{layer.name}:{index}")
    return output


_TRANSLATIONS: dict[type, Callable[..., str]] = {
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.BatchNormalization: _normalisation,
    layers.Activation: _activation,
    layers.ZeroPadding2D: _zero_padding,
    layers.MaxPooling2D: _pooling("MaxPool"),
    layers.AveragePooling2D: _pooling("AveragePool"),
    layers.Concatenate: _concatenation,
    layers.Add: _addition,
}
