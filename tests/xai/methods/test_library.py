"""tf-keras-vis 0.8.7 on one network: as the second implementation of ours, and as a source of maps."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import warnings

import numpy as np
import pytest

from models.engines import Branch, Explained, margins
from models.errors import BadInput
from tests.xai.methods.test_gradient import THREE, TWO, Engine
from xai.methods import Target
from xai.methods.score_cam import score_cam
from xai.methods.stored import explain_case

pytestmark = pytest.mark.tf
TARGETS = [Target("malignant"), Target("benign"), Target("normal", "malignant")]
LAYER = "compact_stage5_relu"


@pytest.fixture(scope="module")
def engine():
    return Engine(THREE)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(8).random((1, 32, 32, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def explained(engine, image):
    out = {name: np.asarray(value) for name, value in engine.network.model(image).items()}
    branch = Branch("compact", LAYER, out["activations_compact"], out["channel_weights_compact"])
    even = np.full((1, 3), 1 / 3)
    return Explained("c", THREE, out["logits"], even, margins(out["logits"], 3), (branch,), "keras")


def theirs(engine, method, image, target, layer=None, masks=None):
    from xai.methods.gradient import library_map

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return library_map(engine, method, image, target, engine.run.classes, layer, masks)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
def test_grad_cam_and_layercam(engine, image, explained, target):
    """Theirs are rectified; a map and its negative show both sides of it."""
    for method in ("grad-cam", "layercam"):
        ours = explain_case(explained, target, method).joint.values
        found = theirs(engine, f"tf-keras-vis/{method}", image, target)
        np.testing.assert_allclose(found, np.maximum(ours, 0), atol=1e-4 * np.abs(ours).max())


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
def test_grad_cam_plus_plus(engine, image, explained, target):
    """Another closed form: alphas are brought to a sum of 1 a channel. Behind a mean pooling they are the
    same in every cell, so a channel's weight is its positive gradient, times exp(target)."""
    weights = np.tensordot(target.weights(THREE), explained.branches[0].weights[0], axes=1)
    by_hand = explained.branches[0].activations[0] @ np.maximum(weights, 0)
    found = theirs(engine, "grad-cam++", image, target)
    scale = np.exp(target.of(explained.margins, THREE)[0])
    np.testing.assert_allclose(found, by_hand * scale, rtol=1e-3, atol=1e-4 * found.max())


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
def test_saliency(engine, image, target):
    from xai.methods.gradient import saliency

    ours = saliency(engine, image, target, THREE)
    np.testing.assert_allclose(theirs(engine, "saliency", image, target), ours, atol=1e-5 * ours.max())


def test_smoothgrad_without_noise_is_their_saliency(engine, image):
    from xai.methods.gradient import smoothgrad

    ours = smoothgrad(engine, image, TARGETS[0], THREE, 2, noise=0.0)
    np.testing.assert_allclose(theirs(engine, "saliency", image, TARGETS[0]), ours, atol=1e-5 * ours.max())


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
@pytest.mark.parametrize("masks", [None, 2])
def test_score_cam(target, masks):
    """Their weights are what a function makes of the softmax over classes: from its logarithm the target
    comes back, and its exponential is ours before it is divided by the sum. The layer is as large as the
    image, since they enlarge with aligned corners."""
    import keras
    from tf_keras_vis.scorecam import Scorecam

    keras.utils.set_random_seed(6)
    inputs = keras.Input((10, 12, 1))
    maps = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="maps")(inputs)
    logits = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, [maps, 40 * logits])
    image = np.random.default_rng(1).random((1, 10, 12, 1), dtype=np.float32)
    activations, values = (np.asarray(value) for value in model(image))
    branch = Branch("tiny", "maps", activations, np.zeros((1, 3, 4), np.float32))
    explained = Explained("t", THREE, values, np.full((1, 3), 1 / 3), margins(values, 3), (branch,), "keras")

    def predict(images):
        return margins(np.asarray(model(images)[1]), 3)

    ((_, ours),) = score_cam(explained, image, predict, target, THREE, masks)
    found = Scorecam(keras.Model([inputs], model.outputs[1]), clone=False)(
        lambda shares: np.exp(target.of(margins(np.log(np.asarray(shares, np.float64)), 3), THREE)),
        image,
        penultimate_layer="maps",
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
        max_N=masks,
    )
    found = np.asarray(found)[0]
    np.testing.assert_allclose(ours / ours.max(), found / found.max(), atol=1e-3)


def test_their_own_score_cam_says_nothing_on_stdout(engine, image, explained, capsys):
    found = theirs(engine, "score-cam", image, TARGETS[0], masks=5)
    assert found.shape == explained.branches[0].activations.shape[1:3] and found.max() > 0
    assert not capsys.readouterr().out


def test_one_logit_has_no_softmax(image):
    with pytest.raises(BadInput, match="choose score-cam"):
        theirs(Engine(TWO), "score-cam", image, Target("malignant"))


def test_what_it_cannot_do_is_said(engine, image):
    with pytest.raises(ValueError, match="no method"):
        theirs(engine, "lime", image, TARGETS[0])
    with pytest.raises(BadInput, match="not finite"):
        loud = Engine(THREE)
        loud.network.head.dense_layers()[-1].bias.assign([0.0, 1000.0, 0.0])
        theirs(loud, "grad-cam++", image, TARGETS[0])


def test_a_hybrid_is_asked_for_a_layer(image):
    hybrid = Engine(TWO, backbones=("compact", "squeezenet"))
    with pytest.raises(BadInput, match="one layer: choose one of compact_stage5_relu, squeezenet_"):
        theirs(hybrid, "grad-cam", image, Target("malignant"))
    found = theirs(hybrid, "grad-cam", image, Target("malignant"), LAYER)
    assert found.shape == hybrid.network.branches[0].grid
