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
from models.networks.head import PooledHead

OPSET = 17


class _Graph:
    """Nodes and initialisers under construction; image tensors are [N, K, h, w] inside."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def kernel(self, name: str, array: np.ndarray) -> str:
        """Stored in half precision, cast to single where it is used."""
        half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise BadInput(
                f"The weights of {name} exceed half precision; train with a lower rate or weight decay."
            )
        return self.add("Cast", [self.constant(name, half)], f"{name}:single", to=TensorProto.FLOAT)

    def bytes(self, inputs: list, outputs: list, properties: dict[str, str]) -> bytes:
        graph = helper.make_graph(self.nodes, "lesionlens", inputs, outputs, self.initialisers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="lesionlens"
        )
        model.ir_version = 9
        helper.set_model_props(model, dict(sorted(properties.items())))
        onnx.checker.check_model(model)
        return model.SerializeToString(deterministic=True)


def export_trunk(network: Network, branch: str) -> bytes:
    """One branch, image [N, h, w, C] -> activations [N, gh, gw, K], as the bytes of an ONNX file.

    Raises BadInput for a layer type that has no translation here (see CONTRIBUTING.md to add one).
    """
    place = next(b for b in network.branches if b.name == branch)
    trunk, graph = network.trunk(branch), _Graph()
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


def export_head(head: PooledHead, branches: tuple[tuple[str, int], ...]) -> bytes:
    """Dense layers and closed-form gradient as the bytes of an ONNX file.

    branches: (name, channels K_b) in order. Inputs `pooled_<branch>` [N, K_b]; outputs `logits` [N, L] and
    `channel_weights_<branch>` [N, classes, K_b].
    """
    graph = _Graph()
    pooled = [f"pooled_{name}" for name, _ in branches]
    x = graph.add("Concat", pooled, "pooled", axis=1) if len(pooled) > 1 else pooled[0]
    dense = head.dense_layers()
    kernels, masks = [], []
    for index, layer in enumerate(dense):
        kernels.append(graph.kernel(f"{layer.name}/kernel", np.asarray(layer.kernel)))
        bias = graph.constant(f"{layer.name}/bias", np.asarray(layer.bias, np.float32))
        last = index == len(dense) - 1
        product = graph.add("MatMul", [x, kernels[-1]], f"{layer.name}:product")
        x = graph.add("Add", [product, bias], "logits" if last else f"{layer.name}:sum")
        if not last:
            x = graph.add("Relu", [x], f"{layer.name}:relu")
            positive = graph.add("Greater", [x, _zero(graph)], f"{layer.name}:positive")
            mask = graph.add("Cast", [positive], f"{layer.name}:mask", to=TensorProto.FLOAT)
            masks.append(graph.add("Unsqueeze", [mask, _axis(graph)], f"{layer.name}:mask_per_class"))
    _export_gradient(graph, head, kernels, masks, branches)
    batch, classes = "N", head.classes
    return graph.bytes(
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, [batch, k])
            for n, (_, k) in zip(pooled, branches, strict=True)
        ],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, head.outputs]),
            *(
                helper.make_tensor_value_info(
                    f"channel_weights_{name}", TensorProto.FLOAT, [batch, classes, k]
                )
                for name, k in branches
            ),
        ],
        {"units": ",".join(map(str, head.units)), "classes": str(classes)},
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
        for name, array in read_initialisers(path).items():
            layer_name, variable_name = name.rsplit("/", 1)
            layer = _layer_named(network, layer_name)
            variable = next(v for v in layer.weights if v.name == variable_name)
            if (
                array.ndim == 4
            ):  # [out, in, h, w] -> [h, w, in, out]; depthwise: [in, 1, h, w] -> [h, w, in, 1]
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


def _zero(graph: _Graph) -> str:
    return _once(graph, "zero", np.zeros((), np.float32))


def _axis(graph: _Graph) -> str:
    return _once(graph, "class_axis", np.array([1], np.int64))


def _once(graph: _Graph, name: str, array: np.ndarray) -> str:
    if all(tensor.name != name for tensor in graph.initialisers):
        graph.constant(name, array)
    return name


def _export_gradient(
    graph: _Graph,
    head: PooledHead,
    kernels: list[str],
    masks: list[str],
    branches: tuple[tuple[str, int], ...],
) -> None:
    """The margins' gradient with respect to the pooled features, back through the dense layers."""
    margins = graph.constant("margins", head.margins)
    transposed = [graph.add("Transpose", [k], f"{k}:transposed", perm=[1, 0]) for k in kernels]
    gradient = graph.add("MatMul", [margins, transposed[-1]], "gradient:logits")
    for index in reversed(range(len(masks))):
        gradient = graph.add("Mul", [gradient, masks[index]], f"gradient:masked{index}")
        gradient = graph.add("MatMul", [gradient, transposed[index]], f"gradient:{index}")
    if not masks:  # a linear head has one gradient for every case: repeat it over the batch
        shape = graph.add("Shape", [f"pooled_{branches[0][0]}"], "batch_shape", start=0, end=1)
        tail = graph.constant(
            "gradient_shape", np.array([head.classes, sum(k for _, k in branches)], np.int64)
        )
        full = graph.add("Concat", [shape, tail], "gradient_full_shape", axis=0)
        gradient = graph.add("Expand", [gradient, full], "gradient")
    parts = [f"gradient_{name}" for name, _ in branches]
    if len(parts) > 1:
        sizes = graph.constant("branch_widths", np.array([k for _, k in branches], np.int64))
        graph.nodes.append(helper.make_node("Split", [gradient, sizes], parts, name="split", axis=2))
    else:
        parts = [gradient]
    for part, (name, _), cells in zip(parts, branches, head.cells, strict=True):
        count = graph.constant(f"cells_{name}", np.asarray(cells, np.float32))
        graph.add("Div", [part, count], f"channel_weights_{name}")


def _same_pads(layer: keras.layers.Layer, shape: tuple, kernel: tuple[int, int]) -> list[int]:
    """[top, left, bottom, right] of Keras' "same" padding, whose spare pixel goes to the bottom and right."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    pads = []
    for size, extent, stride in zip(shape[1:3], kernel, layer.strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + extent - size, 0)
        pads.append((total // 2, total - total // 2))
    return [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]


def _convolution(graph: _Graph, layer, inputs: list[str], node) -> str:
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


def _normalisation(graph: _Graph, layer, inputs: list[str], node) -> str:
    width = node.input_tensors[0].shape[3]
    ones, zeros = np.ones(width, np.float32), np.zeros(width, np.float32)
    gamma = graph.constant(f"{layer.name}/gamma", np.asarray(layer.gamma) if layer.scale else ones)
    beta = graph.constant(f"{layer.name}/beta", np.asarray(layer.beta) if layer.center else zeros)
    mean = graph.constant(f"{layer.name}/moving_mean", np.asarray(layer.moving_mean))
    variance = graph.constant(f"{layer.name}/moving_variance", np.asarray(layer.moving_variance))
    operands = [inputs[0], gamma, beta, mean, variance]
    return graph.add("BatchNormalization", operands, f"{layer.name}:out", epsilon=float(layer.epsilon))


def _activation_of(graph: _Graph, layer, output: str) -> str:
    name = keras.activations.serialize(layer.activation)
    if name == "linear":
        return output
    if name != "relu":
        raise BadInput(f"The activation {name} of {layer.name} cannot be stored as ONNX here.")
    return graph.add("Relu", [output], f"{layer.name}:relu")


def _activation(graph: _Graph, layer, inputs: list[str], node) -> str:
    return _activation_of(graph, layer, inputs[0])


def _zero_padding(graph: _Graph, layer, inputs: list[str], node) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant(f"{layer.name}:pads", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return graph.add("Pad", [inputs[0], pads], f"{layer.name}:out")


def _pooling(kind: str) -> Callable[..., str]:
    def translate(graph: _Graph, layer, inputs: list[str], node) -> str:
        return graph.add(
            kind,
            inputs,
            f"{layer.name}:out",
            kernel_shape=list(layer.pool_size),
            strides=list(layer.strides),
            pads=_same_pads(layer, node.input_tensors[0].shape, layer.pool_size),
        )

    return translate


def _concatenation(graph: _Graph, layer, inputs: list[str], node) -> str:
    return graph.add("Concat", inputs, f"{layer.name}:out", axis=1)


def _addition(graph: _Graph, layer, inputs: list[str], node) -> str:
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
