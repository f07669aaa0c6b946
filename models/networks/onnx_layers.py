"""Keras layers in ONNX operations: one function a kind of layer, and the table that finds it.

Image tensors are [N, K, h, w] in the file and [N, h, w, K] in Keras; a kernel or statistic is stored under
"<layer>/<variable>", a number that belongs to no variable under "<layer>:<what>".
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
from keras import layers
from keras.src.ops import numpy as operations  # the classes of "+" and "*" have no public name

from models.errors import BadInput
from models.networks.onnx_graph import Graph
from models.networks.shufflenet_layers import ChannelShuffle, ChannelSlice


def write_layers(graph: Graph, model: keras.Model, first: str) -> str:
    """Add the layers of a Keras graph of one input and one output. first: the input's name, [N, K, h, w];
    returned is the name of the output.

    Raises BadInput for a layer, or a setting of one, that has no translation here.
    """
    names = {id(model.inputs[0]): first}
    for depth in sorted(model._nodes_by_depth, reverse=True):  # a node after those it needs
        for node in model._nodes_by_depth[depth]:
            layer = node.operation
            if isinstance(layer, layers.InputLayer):
                continue
            if type(layer) not in _TRANSLATIONS:
                kind = type(layer).__name__
                raise BadInput(f"A layer of type {kind} ({layer.name}) cannot be stored as ONNX here.")
            inputs = [names[id(tensor)] for tensor in node.input_tensors]
            names[id(node.outputs[0])] = _TRANSLATIONS[type(layer)](graph, layer, inputs, node)
    return names[id(model.outputs[0])]


def keras_kernel(layer: keras.layers.Layer, stored: np.ndarray) -> np.ndarray:
    """A convolution's kernel as ONNX holds it, [out, in, h, w], in the form of that layer: [h, w, in, out],
    of a depthwise convolution (in ONNX [in x multiplier, 1, h, w]) [h, w, in, multiplier]."""
    turned = stored.transpose(2, 3, 1, 0)
    return turned.reshape(layer.kernel.shape) if _depthwise(layer) else turned


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
    shape = node.input_tensors[0].shape
    if depthwise := _depthwise(layer):
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    stored = kernel.transpose(3, 2, 0, 1)
    operands = [inputs[0], graph.kernel(f"{layer.name}/{layer.kernel.name}", stored)]
    if layer.use_bias:
        operands.append(graph.constant(f"{layer.name}/bias", np.asarray(layer.bias, np.float32)))
    if tuple(layer.dilation_rate) != (1, 1):
        raise BadInput(f"The dilated convolution {layer.name} cannot be stored as ONNX here.")
    output = graph.add(
        "Conv",
        operands,
        f"{layer.name}:out",
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.strides),
        pads=_same_pads(layer, shape, layer.kernel_size),
        group=shape[3] if depthwise else layer.groups,
    )
    return _activation(graph, layer, [output], node)


def _batch_normalisation(graph: Graph, layer, inputs: list[str], node) -> str:
    width = node.input_tensors[0].shape[3]

    def stored(name: str, otherwise: float = 0.0) -> str:
        variable = getattr(layer, name)
        if variable is None:  # the layer scales or shifts nothing
            return graph.constant(f"{layer.name}:{name}", np.full(width, otherwise, np.float32))
        return graph.constant(f"{layer.name}/{name}", np.asarray(variable, np.float32))

    operands = [stored("gamma", 1.0), stored("beta"), stored("moving_mean"), stored("moving_variance")]
    epsilon = float(layer.epsilon)
    return graph.add("BatchNormalization", [inputs[0], *operands], f"{layer.name}:out", epsilon=epsilon)


def _activation(graph: Graph, layer, inputs: list[str], node) -> str:
    """The activation of an Activation layer, or of a convolution."""
    name = keras.activations.serialize(layer.activation)
    if name == "linear":
        return inputs[0]
    if name in ("silu", "swish"):
        gate = graph.add("Sigmoid", inputs, f"{layer.name}:gate")
        return graph.add("Mul", [inputs[0], gate], f"{layer.name}:silu")
    if name == "relu6":
        return _clipped(graph, layer.name, inputs[0], 6.0)
    if name == "hard_sigmoid":  # max(0, min(1, x / 6 + 1 / 2))
        return graph.add("HardSigmoid", inputs, f"{layer.name}:hard_sigmoid", alpha=1 / 6, beta=0.5)
    kind = {"relu": "Relu", "sigmoid": "Sigmoid", "hard_silu": "HardSwish", "hard_swish": "HardSwish"}
    if name not in kind:
        raise BadInput(f"The activation {name} of {layer.name} cannot be stored as ONNX here.")
    return graph.add(kind[name], inputs, f"{layer.name}:{name}")


def _clipped(graph: Graph, name: str, x: str, most: float) -> str:
    ends = [
        graph.constant(f"{name}:{end}", np.array(v, np.float32)) for end, v in (("least", 0), ("most", most))
    ]
    return graph.add("Clip", [x, *ends], f"{name}:clipped")


def _relu(graph: Graph, layer, inputs: list[str], node) -> str:
    if layer.negative_slope or layer.threshold:
        raise BadInput(f"The leaky or shifted ReLU {layer.name} cannot be stored as ONNX here.")
    if layer.max_value is None:
        return graph.add("Relu", inputs, f"{layer.name}:relu")
    return _clipped(graph, layer.name, inputs[0], float(layer.max_value))


def _zero_padding(graph: Graph, layer, inputs: list[str], node) -> str:
    (top, bottom), (left, right) = layer.padding
    pads = graph.constant(f"{layer.name}:pads", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return graph.add("Pad", [inputs[0], pads], f"{layer.name}:out")


def _pooling(kind: str) -> Callable[..., str]:
    """A mean is over the pixels inside the image, in Keras as in ONNX (count_include_pad = 0)."""

    def translation(graph: Graph, layer, inputs: list[str], node) -> str:
        return graph.add(
            kind,
            inputs,
            f"{layer.name}:out",
            kernel_shape=list(layer.pool_size),
            strides=list(layer.strides),
            pads=_same_pads(layer, node.input_tensors[0].shape, layer.pool_size),
        )

    return translation


def _global_pooling(graph: Graph, layer, inputs: list[str], node) -> str:
    pooled = graph.add("GlobalAveragePool", inputs, f"{layer.name}:out")
    return pooled if layer.keepdims else graph.add("Flatten", [pooled], f"{layer.name}:flat")


def _reshape(graph: Graph, layer, inputs: list[str], node) -> str:
    """In Keras' order of the axes, which is the order in which the numbers are counted."""
    before, after = len(node.input_tensors[0].shape), node.outputs[0].shape
    x = inputs[0]
    if before == 4:
        x = graph.add("Transpose", [x], f"{layer.name}:last", perm=[0, 2, 3, 1])
    shape = graph.constant(f"{layer.name}:shape", np.array([-1, *after[1:]], np.int64))
    x = graph.add("Reshape", [x, shape], f"{layer.name}:out")
    return graph.add("Transpose", [x], f"{layer.name}:first", perm=[0, 3, 1, 2]) if len(after) == 4 else x


def _permutation(graph: Graph, layer, inputs: list[str], node) -> str:
    if len(layer.dims) != 3:
        return graph.add("Transpose", inputs, f"{layer.name}:out", perm=[0, *layer.dims])
    # An axis of the picture, 1 to 3 for [h, w, K], is 2, 3, 1 in [N, K, h, w].
    height, width, channels = ({1: 2, 2: 3, 3: 1}[axis] for axis in layer.dims)
    return graph.add("Transpose", inputs, f"{layer.name}:out", perm=[0, channels, height, width])


def _shuffle(graph: Graph, layer, inputs: list[str], node) -> str:
    _, height, width, channels = node.outputs[0].shape
    groups = layer.groups

    def reshaped(x: str, name: str, *axes: int) -> str:
        shape = graph.constant(f"{layer.name}:{name}_shape", np.array([-1, *axes, height, width], np.int64))
        return graph.add("Reshape", [x, shape], f"{layer.name}:{name}")

    grouped = reshaped(inputs[0], "grouped", groups, channels // groups)
    dealt = graph.add("Transpose", [grouped], f"{layer.name}:dealt", perm=[0, 2, 1, 3, 4])
    return reshaped(dealt, "out", channels)


def _slice(graph: Graph, layer, inputs: list[str], node) -> str:
    ends = (("start", layer.start), ("stop", layer.stop), ("axis", 1))
    operands = [graph.constant(f"{layer.name}:{name}", np.array([v], np.int64)) for name, v in ends]
    return graph.add("Slice", [inputs[0], *operands], f"{layer.name}:out")


def _concatenation(graph: Graph, layer, inputs: list[str], node) -> str:
    return graph.add("Concat", inputs, f"{layer.name}:out", axis=1)


def _joined(kind: str) -> Callable[..., str]:
    """Add or multiply two or more images, one of which may be a number a channel, [N, 1, 1, K]."""

    def translation(graph: Graph, layer, inputs: list[str], node) -> str:
        output = inputs[0]
        for index, other in enumerate(inputs[1:]):
            output = graph.add(kind, [output, other], f"{layer.name}:{index}")
        return output

    return translation


def _arithmetic(kind: str) -> Callable[..., str]:
    """ "+" and "*" between images, or an image and a number; the order does not matter for either."""

    def translation(graph: Graph, operation, inputs: list[str], node) -> str:
        numbers = [v for v in node.arguments.args if not isinstance(v, keras.KerasTensor)]
        constants = [
            graph.constant(f"{operation.name}:number{index}", np.asarray(value, np.float32))
            for index, value in enumerate(numbers)
        ]
        if any(np.ndim(value) for value in numbers):
            raise BadInput(f"The operation {operation.name} on an array cannot be stored as ONNX here.")
        return graph.add(kind, [*inputs, *constants], f"{operation.name}:out")

    return translation


def _channelwise(values) -> np.ndarray:
    """A number, or one a channel, as it stands against [N, K, h, w]."""
    flat = np.asarray(values, np.float32).reshape(-1)
    return flat.reshape(-1, 1, 1) if flat.size > 1 else flat.reshape(())


def _rescaling(graph: Graph, layer, inputs: list[str], node) -> str:
    scale = graph.constant(f"{layer.name}:scale", _channelwise(layer.scale))
    offset = graph.constant(f"{layer.name}:offset", _channelwise(layer.offset))
    return graph.add(
        "Add", [graph.add("Mul", [inputs[0], scale], f"{layer.name}:scaled"), offset], f"{layer.name}:out"
    )


def _normalisation(graph: Graph, layer, inputs: list[str], node) -> str:
    """(x - mean) / deviation, the numbers that the layer computes with; they are no variables of a run."""
    deviation = np.maximum(np.sqrt(np.asarray(layer.variance)), keras.config.epsilon())
    mean = graph.constant(f"{layer.name}:mean", _channelwise(layer.mean))
    scale = graph.constant(f"{layer.name}:deviation", _channelwise(deviation))
    return graph.add(
        "Div", [graph.add("Sub", [inputs[0], mean], f"{layer.name}:centred"), scale], f"{layer.name}:out"
    )


def _identity(graph: Graph, layer, inputs: list[str], node) -> str:
    return inputs[0]


_TRANSLATIONS: dict[type, Callable[..., str]] = {
    layers.Conv2D: _convolution,
    layers.DepthwiseConv2D: _convolution,
    layers.BatchNormalization: _batch_normalisation,
    layers.Activation: _activation,
    layers.ReLU: _relu,
    layers.ZeroPadding2D: _zero_padding,
    layers.MaxPooling2D: _pooling("MaxPool"),
    layers.AveragePooling2D: _pooling("AveragePool"),
    layers.GlobalAveragePooling2D: _global_pooling,
    layers.Reshape: _reshape,
    layers.Permute: _permutation,
    layers.Concatenate: _concatenation,
    layers.Add: _joined("Add"),
    layers.Multiply: _joined("Mul"),
    operations.Add: _arithmetic("Add"),
    operations.Multiply: _arithmetic("Mul"),
    layers.Rescaling: _rescaling,
    layers.Normalization: _normalisation,
    layers.Dropout: _identity,
    ChannelShuffle: _shuffle,
    ChannelSlice: _slice,
}
