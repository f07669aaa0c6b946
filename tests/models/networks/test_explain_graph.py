"""The explain graph: names, adapters, and closed-form channel weights against a taped gradient."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from models.errors import BadInput

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from models.networks.backbone import InputRange  # noqa: E402
from models.networks.graph import NetworkSpec, build_network  # noqa: E402
from models.networks.head import PooledHead, margin_matrix  # noqa: E402

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def hybrid():
    keras.utils.set_random_seed(5)
    return build_network(NetworkSpec(("squeezenet", "compact"), (12, 6), 2, 1, 64, 64, 1))


@pytest.fixture(scope="module")
def three_classes():
    keras.utils.set_random_seed(6)
    return build_network(NetworkSpec(("compact",), (), 3, 2, 32, 32, 3))


def images(network, n=3):
    spec = network.spec
    return np.random.default_rng(0).random((n, spec.height, spec.width, spec.channels)).astype(np.float32)


def taped_weights(network, x, margins):
    """Gradient of each margin with respect to each target activation, averaged over space, by the tape."""
    out = network.model(x)
    features = [tf.constant(out[f"activations_{b.name}"]) for b in network.branches]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        logits = network.head([tf.reduce_mean(f, (1, 2)) for f in features])[0]
        values = [tf.reduce_sum(tf.linalg.matvec(logits, row)) for row in margins]
    per_class = [tape.gradient(value, features) for value in values]
    return [
        np.stack([tf.reduce_mean(gradients[b], (1, 2)) for gradients in per_class], axis=1)
        for b in range(len(features))
    ]


def test_channel_weights_of_a_hybrid_are_the_taped_gradient(hybrid):
    x = images(hybrid)
    out = hybrid.model(x)
    for branch, taped in zip(hybrid.branches, taped_weights(hybrid, x, [[-1.0], [1.0]]), strict=True):
        closed = np.asarray(out[f"channel_weights_{branch.name}"])
        np.testing.assert_allclose(closed, taped, rtol=1e-4, atol=1e-4 * np.abs(taped).max())


def test_channel_weights_of_three_classes_are_the_taped_gradient_of_each_margin(three_classes):
    x = images(three_classes)
    margins = [[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]
    (taped,) = taped_weights(three_classes, x, np.array(margins, np.float32))
    closed = np.asarray(three_classes.model(x)["channel_weights_compact"])
    assert closed.shape == (3, 3, 128)
    np.testing.assert_allclose(closed, taped, rtol=1e-4, atol=1e-4 * np.abs(taped).max())


def test_a_head_by_hand():
    """One feature, one hidden pair of units: h = relu(2p - 1, -p), logit = 3 h0 - 4 h1; at p = 1 only h0 is
    on.

    d logit / d p = 3 * 2 = 6, and over 4 cells the channel weight is 1.5; for the other class -1.5.
    """
    head = PooledHead((2,), 1, (4,), 2, 1)
    head.build([(None, 1)])
    first, last = head.dense_layers()
    first.set_weights([np.array([[2.0, -1.0]]), np.array([-1.0, 0.0])])
    last.set_weights([np.array([[3.0], [-4.0]]), np.array([0.5])])
    logits, weights = head([np.array([[1.0]], np.float32)])
    np.testing.assert_allclose(logits, [[3.5]], atol=1e-6)
    np.testing.assert_allclose(weights, [[[-1.5], [1.5]]], atol=1e-6)


def test_channel_weights_do_not_see_dropout():
    head = PooledHead((8,), 1, (1,), 2, 1, dropout=0.9)
    x = [np.ones((4, 5), np.float32)]
    np.testing.assert_allclose(head(x, training=True)[1], head(x, training=False)[1], atol=1e-6)


def test_margins_compare_a_class_with_the_mean_of_the_others():
    np.testing.assert_allclose(margin_matrix(3, 3, 0)[0], [1, -0.5, -0.5])
    np.testing.assert_allclose(margin_matrix(1, 2, 1), [[-1], [1]])


def test_layer_names_are_unique_and_carry_their_branch(hybrid):
    names = [layer.name for layer in hybrid.model.layers]
    assert len(set(names)) == len(names)
    known = ("squeezenet_", "compact_", "image", "head")
    assert all(name.startswith(known) for name in names)
    assert not [
        layer for layer in hybrid.model.layers if isinstance(layer, keras.layers.Lambda | keras.Model)
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_adapter_starts_as_replication_in_the_backbones_range(channels):
    network = build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32, channels))
    x = np.full((1, 32, 32, channels), 0.25, np.float32)
    expected = (0.25 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(network.model.get_layer("compact_adapter")(x)[0, 5, 5], expected, atol=1e-5)


def test_caffe_range_turns_the_channels_round():
    assert InputRange.mean_subtracted_bgr().reversed_channels
    assert not InputRange.standardised().reversed_channels


def test_the_published_hybrid_has_three_dense_layers_over_3072_features():
    """31.4 M parameters; both target layers on a 7x7 grid."""
    network = build_network(NetworkSpec(("densenet121", "resnet50"), (256, 64), 2, 1))
    assert [(b.layer, b.grid, b.channels) for b in network.branches] == [
        ("densenet121_relu", (7, 7), 1024),
        ("resnet50_conv5_block3_out", (7, 7), 2048),
    ]
    assert [dense.units for dense in network.head.dense_layers()] == [256, 64, 1]
    assert 31.3e6 < network.model.count_params() < 31.6e6


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        ({"compact": "imagenet"}, "no published weights"),
        ({"compact": "magic"}, "unknown"),
        ({"compact": "file:/nowhere.h5"}, r"nowhere\.h5 is not there"),
    ],
)
def test_an_impossible_start_is_refused_in_a_sentence(starts, words):
    with pytest.raises(BadInput, match=words):
        build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32, 1), starts)


def test_a_missing_weight_file_is_named():
    with pytest.raises(BadInput, match=r"gone\.h5 is not there"):
        build_network(NetworkSpec(("squeezenet",), (), 2, 1, 64, 64, 1), {"squeezenet": "file:gone.h5"})


def test_an_unknown_backbone_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match="densenet121"):
        build_network(NetworkSpec(("alexnet",), (), 2, 1))
