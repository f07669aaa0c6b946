"""Every backbone: published size, names, stored file, closed-form channel weights, one step of training, and
what it can start from."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import urllib.error
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from models.errors import BadInput

h5py = pytest.importorskip("h5py")
keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from keras.src.legacy.saving import legacy_h5_format  # noqa: E402
from keras.src.utils import file_utils  # noqa: E402

from models.networks.backbone import Backbone  # noqa: E402
from models.networks.backbones import BACKBONES  # noqa: E402
from models.networks.graph import NetworkSpec, build_network  # noqa: E402
from models.networks.onnx_export import export_trunk, load_weights  # noqa: E402
from models.networks.onnx_head import export_head  # noqa: E402
from models.networks.trunk import build_trunk  # noqa: E402

pytestmark = pytest.mark.tf

# Of keras.applications: the counts of its table (keras.io/api/applications) less the classifier's, of
# MobileNetV3 less its last 1x1 convolution too. ShuffleNetV2: torchvision's 2,278,604 less the classifier's,
# and two statistics for each of its 8,090 normalised channels. SqueezeNet 1.1: 1,235,496 less the
# classifier's. Ours: 9 x in x out and a bias, or four numbers of a normalisation, a convolution.
PARAMETERS = {
    "densenet121": 8_062_504 - 1_025_000,
    "resnet50": 25_636_712 - 2_049_000,
    "resnet101": 44_707_176 - 2_049_000,
    "vgg16": 14_714_688,
    "vgg19": 20_024_384,
    "inceptionv3": 23_851_784 - 2_049_000,
    "efficientnetb0": 5_330_571 - 1_281_000,
    "mobilenetv2": 3_538_984 - 1_281_000,
    "mobilenetv3small": 2_554_968 - 590_848 - 1_025_000,
    "mobilenetv3large": 5_507_432 - 1_230_080 - 1_281_000,
    "shufflenetv2": 2_278_604 - 1_025_000 + 2 * 8_090,
    "squeezenet": 1_235_496 - 513_000,
    "compact": 190_704,
    "customcnn": 240_832,
    "cnn17": 2_500_000,
}


def varied(network):
    """Biases and statistics with numbers of their own, as kernels have; upwards, so that no ReLU closes for
    good."""
    rng = np.random.default_rng(1)
    for variable in network.model.weights:
        if len(variable.shape) < 2 and "adapter" not in variable.path:
            spread = rng.uniform(0.0, 0.3, variable.shape)
            variable.assign(np.asarray(variable) + spread.astype(variable.dtype))
    return network


# The dearest to build. ResNet101 is ResNet50's builder with more of the same blocks, VGG19 is VGG16's.
DEAREST = ("resnet101", "inceptionv3", "vgg19")
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in DEAREST else name for name in sorted(BACKBONES)
]


@pytest.fixture(scope="module", params=NAMES)
def network(request, tmp_path_factory):
    """Small odd sizes show whether padding goes to the right side; the kernels are those of the file."""
    keras.utils.set_random_seed(4)
    name = request.param
    height, width = (75, 77) if name == "inceptionv3" else (51, 34)
    network = varied(build_network(NetworkSpec((name,), (5,), 2, 1, height, width, 1)))
    folder = tmp_path_factory.mktemp(name)
    trunk, head = folder / "trunk.onnx", folder / "head.onnx"
    trunk.write_bytes(export_trunk(network, name))
    head.write_bytes(export_head(network.head, ((name, network.branches[0].channels),)))
    load_weights(network, {name: trunk}, head)
    x = np.random.default_rng(0).random((3, height, width, 1)).astype(np.float32)
    outputs = {key: np.asarray(value) for key, value in network.model(x).items()}
    kept = network.trunk(name)
    return SimpleNamespace(name=name, built=network, trunk=kept, file=trunk, x=x, outputs=outputs)


def backbone_parameters(network):
    adapter = network.built.model.get_layer(f"{network.name}_adapter")
    return network.trunk.count_params() - adapter.count_params()


def test_it_has_the_published_number_of_parameters(network):
    assert backbone_parameters(network) == PARAMETERS[network.name]


def test_its_layers_carry_its_name_and_none_a_number_of_the_session(network):
    names = [operation.name for operation in network.trunk.operations]
    assert len(set(names)) == len(names)
    assert all(name == "image" or name.startswith(f"{network.name}_") for name in names)


def test_its_last_blocks_and_hints_are_layers_of_it(network):
    backbone, model = BACKBONES[network.name], network.built.model
    assert len(backbone.hints) in (0, 3)
    for hint in backbone.hints:
        assert len(model.get_layer(f"{network.name}_{hint}").output.shape) == 4
    weighted = [layer.name for layer in network.trunk.layers if layer.weights]
    moving = [n for n in weighted if n.startswith(tuple(f"{network.name}_{b}" for b in backbone.blocks))]
    for block in backbone.blocks:
        assert any(name.startswith(f"{network.name}_{block}") for name in weighted)
    assert 0 < len(moving) < len(weighted)
    # The last blocks are the end of the network, with nothing between them that stays.
    assert moving == weighted[-len(moving) :]


def names(model):
    return [layer.name for layer in model.layers]


def test_its_file_computes_the_same(network):
    session = onnxruntime.InferenceSession(network.file, providers=["CPUExecutionProvider"])
    stored = session.run(["activations"], {"image": network.x})[0]
    kept = network.outputs[f"activations_{network.name}"]
    place = network.built.branches[0]
    assert stored.shape == kept.shape == (3, *place.grid, place.channels)
    assert np.abs(kept).max() > 1e-6 and np.ptp(kept, axis=0).max() > 0  # alive, and it sees the image
    np.testing.assert_allclose(stored, kept, rtol=1e-4, atol=1e-4 * np.abs(kept).max())


def test_its_channel_weights_are_the_taped_gradient(network):
    features = tf.constant(network.outputs[f"activations_{network.name}"])
    with tf.GradientTape() as tape:
        tape.watch(features)
        logit = tf.reduce_sum(network.built.head([tf.reduce_mean(features, (1, 2))])[0])
    taped = tf.reduce_mean(tape.gradient(logit, features), (1, 2)).numpy()
    closed = network.outputs[f"channel_weights_{network.name}"]
    np.testing.assert_allclose(closed[:, 1], taped, rtol=1e-4, atol=1e-4 * np.abs(taped).max())
    np.testing.assert_array_equal(closed[:, 0], -closed[:, 1])
    assert np.abs(taped).max() > 0


def test_one_step_of_training_moves_its_kernels(network):
    model, labels = network.built.logits_model, np.array([[1.0], [0.0], [1.0]], np.float32)
    kernels = [v for v in model.trainable_variables if v.name.endswith("kernel")]
    before = [np.array(v) for v in kernels]
    with tf.GradientTape() as tape:
        logits = model(network.x, training=True)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(labels, logits)
    assert np.isfinite(loss)
    keras.optimizers.SGD(0.1).apply(tape.gradient(loss, [v.value for v in kernels]), kernels)
    moved = [not np.array_equal(b, np.asarray(v)) for b, v in zip(before, kernels, strict=True)]
    assert all(np.isfinite(v).all() for v in kernels)
    assert sum(moved) > 0.9 * len(kernels)


@pytest.mark.parametrize("pair", [("mobilenetv2", "shufflenetv2"), ("mobilenetv3large", "mobilenetv3small")])
def test_two_backbones_make_one_flat_network(pair):
    """The two MobileNetV3 share every layer's name, those that Keras numbers included."""
    hybrid = build_network(NetworkSpec(pair, (6,), 3, 2, 32, 32, 3))
    operations = [operation.name for operation in hybrid.model.operations]
    assert len(set(operations)) == len(operations)
    assert not [layer for layer in hybrid.model.layers if isinstance(layer, keras.Model)]
    assert [hybrid.model.output[f"channel_weights_{name}"].shape[:2] for name in pair] == [(None, 3)] * 2
    if pair[1] == "mobilenetv3small":  # numbered from 00, though the session is far beyond
        assert {f"{pair[1]}_{kind}_00" for kind in ("activation", "re_lu", "add", "multiply")} <= set(
            operations
        )


def test_the_17_layers_have_the_published_weights():
    """679 MB of four-byte numbers at 300x300 pixels, with the head of the recipe: pooling to half the grid,
    1024 units, one logit."""
    network = build_network(NetworkSpec(("cnn17",), (), 2, 1, 300, 300, 1))
    (rows, columns), channels = network.branches[0].grid, network.branches[0].channels
    flat = (rows // 2) * (columns // 2) * channels
    total = 2_500_000 + flat * 1024 + 1024 + 1024 + 1
    assert total == 172_371_361
    assert total * 4 == pytest.approx(679e6, rel=0.02)
    kinds = [type(layer).__name__ for layer in network.trunk("cnn17").layers]
    convolutions = kinds.count("Conv2D") - 1  # less the adapter
    assert convolutions + kinds.count("MaxPooling2D") + len(("pool", "flatten", "dense", "dense")) == 17


def test_too_small_an_image_is_refused():
    with pytest.raises(BadInput, match="at least 75x75 pixels, not 64x80"):
        build_network(NetworkSpec(("inceptionv3",), (), 2, 1, 64, 80, 1))


def spec(name, size=32):
    return NetworkSpec((name,), (), 2, 1, size, size, 3)


@pytest.fixture
def keras_file(tmp_path, monkeypatch):
    """Lets Keras download what this function is given: a model's weights."""

    def serve(model):
        path = tmp_path / "served.weights.h5"
        model.save_weights(path)
        monkeypatch.setattr(file_utils, "get_file", lambda *a, **k: str(path))
        return path

    return serve


def test_an_imagenet_start_without_the_internet_is_refused_in_a_sentence(monkeypatch, tmp_path, capsys):
    def unreachable(*_):
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(file_utils, "urlretrieve", unreachable)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(BadInput, match=r"--set start\.mobilenetv3small=none"):
        build_network(spec("mobilenetv3small"), {"mobilenetv3small": "imagenet"})
    assert capsys.readouterr().out == ""  # stdout may be a JSON document


@pytest.mark.slow
def test_imagenet_weights_give_the_network_of_keras_on_the_same_picture(keras_file):
    """Of EfficientNet, which Keras standardises inside by numbers of the file; here the adapter does it."""
    plain = keras.applications.EfficientNetB0(False, weights=None, input_shape=(32, 32, 3))
    standard = next(layer for layer in plain.layers if isinstance(layer, keras.layers.Normalization))
    for layer in plain.layers:  # not to lose the picture among random numbers
        layer.set_weights(
            [w * 1.1 for w in layer.get_weights()]
            if has_statistics_of_its_own(layer)
            else layer.get_weights()
        )
    standard.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(1)])
    keras_file(plain)
    theirs = keras.applications.EfficientNetB0(False, weights="imagenet", input_shape=(32, 32, 3))
    network = build_network(spec("efficientnetb0"), {"efficientnetb0": "imagenet"})
    x = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(theirs(255 * x))
    mine = np.asarray(network.trunk("efficientnetb0")(x))
    np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def has_statistics_of_its_own(layer):
    return bool(layer.weights) and not isinstance(layer, keras.layers.Normalization)


def random_numbers(model):
    rng = np.random.default_rng(7)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.5, 1.0, w.shape).astype(w.dtype) for w in layer.get_weights()])
    return model


def older_file(path, model, renamed=str):
    """The form of the published "notop" files, written by Keras' own writer."""
    with h5py.File(path, "w") as archive:
        legacy_h5_format.save_weights_to_hdf5_group(archive, model)
        for name in [n for n in archive if renamed(n) != n]:
            archive.move(name, renamed(name))
        archive.attrs["layer_names"] = [renamed(n).encode() for n in map(_text, archive.attrs["layer_names"])]
    return path


def _text(value):
    return value.decode() if isinstance(value, bytes) else value


def small_model():
    image = keras.Input((32, 32, 3))
    return keras.Model(image, BACKBONES["customcnn"].build(image, None))


@pytest.mark.parametrize("kind", ["newer", "older", "older, other names"])
def test_a_weight_file_fills_the_layers_it_names(tmp_path, kind):
    theirs = random_numbers(small_model())
    path = tmp_path / ("mine.weights.h5" if kind == "newer" else "mine_notop.h5")
    if kind == "newer":
        theirs.save_weights(path)
    else:
        older_file(path, theirs, (lambda n: n.replace("conv", "layer")) if "other" in kind else str)
    network = build_network(spec("customcnn"), {"customcnn": f"file:{path}"})
    for layer in theirs.layers:
        for mine, expected in zip(
            network.model.get_layer(f"customcnn_{layer.name}").get_weights() if layer.weights else [],
            layer.get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, expected)


def test_layers_that_keras_numbers_are_found_whatever_their_numbers(tmp_path):
    """In a file they count from where its session was: conv2d_9 may be the first and conv2d_10 the second."""

    def build(images, weights):
        for _ in range(12):
            images = keras.layers.Conv2D(3, 1)(images)
        return images

    theirs = keras.Model(image := keras.Input((4, 4, 3)), build(image, None))
    for index, layer in enumerate(theirs.layers[1:]):
        layer.kernel.assign(np.full((1, 1, 3, 3), index))
    theirs.save_weights(tmp_path / "t.weights.h5")
    backbone = Backbone("tiny", "Tiny", build, "conv2d_11", BACKBONES["compact"].range)
    image = keras.Input((4, 4, 3), name="image")
    mine = keras.Model(image, build_trunk(image, backbone, f"file:{tmp_path / 't.weights.h5'}"))
    for index in range(12):
        assert (np.asarray(mine.get_layer(f"tiny_conv2d_{index:02d}").kernel) == index).all()


def test_another_networks_file_is_refused_by_the_first_layer_that_does_not_fit(tmp_path):
    model = small_model()
    path = tmp_path / "other.weights.h5"
    model.save_weights(path)
    with pytest.raises(BadInput, match="no layer block1_conv2"):
        build_network(spec("vgg16"), {"vgg16": f"file:{path}"})
    with pytest.raises(BadInput, match=r"layer block1_conv1 has weights of the shapes"):
        build_network(spec("cnn17"), {"cnn17": f"file:{wider(tmp_path)}"})


def wider(folder):
    image = keras.Input((16, 16, 3))
    build = BACKBONES["cnn17"].build
    model = keras.Model(image, build(keras.layers.Conv2D(4, 1, name="first")(image), None))
    model.save_weights(folder / "wider.weights.h5")
    return folder / "wider.weights.h5"


def test_a_file_that_holds_no_weights_is_refused(tmp_path):
    path = tmp_path / "notes.h5"
    path.write_text("no")
    with pytest.raises(BadInput, match=r"notes\.h5 cannot be read"):
        build_network(spec("vgg16"), {"vgg16": f"file:{path}"})
    with h5py.File(path, "w") as archive:
        archive["image"] = [1, 2]
    with pytest.raises(BadInput, match=r"notes\.h5 holds no weights"):
        build_network(spec("vgg16"), {"vgg16": f"file:{path}"})


@pytest.mark.parametrize("name", ["shufflenetv2", "cnn17", "customcnn", "compact", "squeezenet"])
def test_imagenet_weights_that_nobody_published_are_refused(name):
    with pytest.raises(BadInput, match="start"):
        build_network(spec(name), {name: "imagenet"})
