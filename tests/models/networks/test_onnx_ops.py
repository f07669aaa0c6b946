"""Every kind of layer that an exported trunk may hold, alone: ONNX Runtime computes what Keras computes."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.errors import BadInput

keras = pytest.importorskip("keras")

from keras import layers  # noqa: E402

from models.networks.onnx_graph import Graph  # noqa: E402
from models.networks.onnx_layers import keras_kernel, write_layers  # noqa: E402
from models.networks.shufflenet_layers import ChannelShuffle, ChannelSlice  # noqa: E402

pytestmark = pytest.mark.tf

SHAPE = (7, 10, 6)  # rows, columns, channels: odd and even, all different


def model_of(compute):
    image = keras.Input(SHAPE, name="image")
    return keras.Model(image, compute(image))


def stored(model) -> bytes:
    """A Keras graph as ONNX; a picture comes out with its channels last, as in Keras."""
    graph = Graph()
    first = graph.add("Transpose", ["image"], "first", perm=[0, 3, 1, 2])
    last = write_layers(graph, model, first)
    picture = len(model.output.shape) == 4
    graph.add(*(("Transpose", [last], "out") if picture else ("Identity", [last], "out")), **TURN[picture])
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape[1:]])
        for name, shape in (("image", model.input.shape), ("out", model.output.shape))
    ]
    return graph.bytes(ports[:1], ports[1:], {})


TURN = {True: {"perm": [0, 2, 3, 1]}, False: {}}


def both(model):
    """(ONNX Runtime's, Keras') output on two images that hold negative numbers too, up to +-9."""
    rng = np.random.default_rng(3)
    for variable in model.weights:
        value = rng.uniform(0.3, 1.5, variable.shape) * rng.choice([-1.0, 1.0], variable.shape)
        value = np.abs(value) if variable.name.endswith("variance") else value
        variable.assign(value.astype(np.float16))  # what a file holds, so that no rounding is compared
    x = rng.uniform(-9, 9, (2, *SHAPE)).astype(np.float32)
    session = onnxruntime.InferenceSession(stored(model), providers=["CPUExecutionProvider"])
    return session.run(["out"], {"image": x})[0], np.asarray(model(x))


LAYERS = {
    "relu": lambda x: layers.ReLU()(x),
    "relu6": lambda x: layers.ReLU(6.0)(x),
    "relu6 by name": lambda x: layers.Activation("relu6")(x),
    "silu": lambda x: layers.Activation("silu")(x),
    "sigmoid": lambda x: layers.Activation("sigmoid")(x),
    "hard sigmoid": lambda x: layers.Activation("hard_sigmoid")(x),
    "hard swish": lambda x: layers.Activation("hard_swish")(x),
    "hard sigmoid of MobileNetV3": lambda x: layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0),
    "product of two": lambda x: x * layers.ReLU()(x),
    "dropout": lambda x: layers.Dropout(0.5)(x),
    "rescaling": lambda x: layers.Rescaling(0.25, -1.5)(x),
    "rescaling by channel": lambda x: layers.Rescaling([1, 2, 3, 4, 5, 6.0], [6.0, 5, 4, 3, 2, 1])(x),
    "normalization": lambda x: layers.Normalization(
        mean=[1.0, 2, 3, 4, 5, 6], variance=[1.0, 4, 9, 16, 25, 36]
    )(x),
    "global pooling": lambda x: layers.GlobalAveragePooling2D()(x),
    "squeeze and excitation": lambda x: layers.Multiply()(
        [x, layers.GlobalAveragePooling2D(keepdims=True)(x)]
    ),
    "pooled and reshaped": lambda x: layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(x)),
    "reshape": lambda x: layers.Reshape((10, 14, 3))(x),
    "flattening reshape": lambda x: layers.Reshape((420,))(x),
    "permute": lambda x: layers.Permute((3, 1, 2))(x),
    "turn": lambda x: layers.Permute((2, 1, 3))(x),
    "three added": lambda x: layers.Add()([x, layers.ReLU()(x), x]),
    "concatenation": lambda x: layers.Concatenate()([layers.ReLU()(x), x]),
    "mean at the edge": lambda x: layers.AveragePooling2D(3, 1, padding="same")(x),
    "mean with a stride": lambda x: layers.AveragePooling2D(2, 2, padding="same")(x),
    "maximum with a stride": lambda x: layers.MaxPooling2D(3, 2, padding="same")(x),
    "padding of four sides": lambda x: layers.ZeroPadding2D(((0, 1), (2, 3)))(x),
    "convolution": lambda x: layers.Conv2D(4, (3, 2), strides=2, padding="same", activation="silu")(x),
    "groups": lambda x: layers.Conv2D(9, 3, groups=3)(x),
    "depthwise": lambda x: layers.DepthwiseConv2D(3, padding="same")(x),
    "depthwise, twice the channels": lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2)(x),
    "batch normalisation": lambda x: layers.BatchNormalization()(x),
    "batch normalisation that does not scale": lambda x: layers.BatchNormalization(scale=False)(x),
    "batch normalisation that does not shift": lambda x: layers.BatchNormalization(center=False)(x),
    "shuffle": lambda x: ChannelShuffle(3)(x),
    "slice": lambda x: ChannelSlice(1, 4)(x),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_the_same_from_its_file(name):
    mine, theirs = both(model_of(LAYERS[name]))
    assert mine.shape == theirs.shape
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["convolution", "groups", "depthwise", "depthwise, twice the channels"])
def test_a_stored_kernel_returns_to_its_layer(name):
    model = model_of(LAYERS[name])
    layer = model.layers[-1]
    layer.kernel.assign(np.random.default_rng(0).normal(size=layer.kernel.shape).astype(np.float16))
    tensors = {t.name: t for t in onnx.load_from_string(stored(model)).graph.initializer}
    kernel = numpy_helper.to_array(tensors[f"{layer.name}/kernel"]).astype(np.float32)
    np.testing.assert_array_equal(keras_kernel(layer, kernel), np.asarray(layer.kernel))


def test_only_what_is_a_variable_is_named_as_one():
    """A reader takes "<layer>/<variable>" back into the layer, so a scale it does not have must not be
    there."""
    model = model_of(lambda x: layers.BatchNormalization(scale=False, name="bn")(x))
    names = {t.name for t in onnx.load_from_string(stored(model)).graph.initializer}
    assert {n for n in names if "/" in n} == {"bn/beta", "bn/moving_mean", "bn/moving_variance"}


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (lambda x: layers.ReLU(negative_slope=0.1, name="leak")(x), "leak"),
        (lambda x: layers.Conv2D(2, 3, dilation_rate=2, name="wide")(x), "dilated convolution wide"),
        (lambda x: layers.Activation("selu", name="odd")(x), "selu of odd"),
        (lambda x: layers.UpSampling2D(name="up")(x), "UpSampling2D"),
        (lambda x: x * np.arange(6, dtype=np.float32), "array"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(compute, words):
    with pytest.raises(BadInput, match=words):
        stored(model_of(compute))
