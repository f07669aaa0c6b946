"""Gradients of a target through Keras networks: what adds up, what is known by hand, what stays untouched."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from models.errors import BadInput
from xai.methods import Cancelled, Target

pytestmark = pytest.mark.tf
THREE, TWO = ("benign", "malignant", "normal"), ("other", "malignant")
TARGETS = [Target("malignant"), Target("normal"), Target("malignant", "benign")]


class Engine:
    """What the gradient methods ask of a TensorFlow engine, of a network with random numbers."""

    def __init__(self, classes, **spec) -> None:
        from types import SimpleNamespace

        import keras

        from models.networks.graph import NetworkSpec, build_network

        keras.utils.set_random_seed(4)
        fields = {"backbones": ("compact",), "units": (6,), "classes": len(classes), "positive": 1}
        fields |= {"height": 32, "width": 32}
        self.network = build_network(NetworkSpec(**(fields | spec)))
        self.run = SimpleNamespace(id="tiny", classes=classes)

    def target_of(self, image, target) -> float:
        from models.engines import margins

        logits = np.asarray(self.network.model(image)["logits"])
        return float(target.of(margins(logits, len(self.run.classes)), self.run.classes)[0])


@pytest.fixture(scope="module")
def three():
    return Engine(THREE)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(8).random((1, 32, 32, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def svm():
    """A hybrid under a support vector machine with an RBF kernel, which is curved in the features.

    All coefficients are positive, so a longer distance always lowers the logit.
    """
    engine = Engine(TWO, backbones=("compact", "squeezenet"), head="svm", units=(5,), height=64, width=64)
    out = engine.network.model(np.full((1, 64, 64, 1), 0.5, np.float32))
    names = (f"activations_{branch.name}" for branch in engine.network.branches)
    features = np.concatenate([np.asarray(out[name]).mean(axis=(1, 2)) for name in names], axis=1)[0]
    rng = np.random.default_rng(2)
    numbers = {
        "mean": features,
        "deviation": np.abs(features) + 0.1,
        "vectors": rng.normal(0, 1, (5, len(features))),
        "coefficients": rng.uniform(1, 3, (5, 1)),
        "bias": np.array([-1.0]),
    }
    engine.network.head.load(numbers)
    return engine


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
def test_integrated_gradients_add_up(three, image, target):
    from xai.methods.gradient import IG_STEPS, integrated_gradients, path_integral

    found = path_integral(three, image, target, THREE)
    black = three.target_of(np.zeros_like(image), target)
    np.testing.assert_allclose(found.difference, three.target_of(image, target) - black, rtol=1e-4, atol=1e-5)
    assert found.complete and found.steps in IG_STEPS and found.values.dtype == np.float32
    assert abs(found.values.sum() - found.difference) <= 1e-2 * max(abs(found.difference), 0.1)
    # A finer integral made of a coarser one and what is new is the finer one.
    again = integrated_gradients(three, image, target, THREE, steps=found.steps)
    np.testing.assert_allclose(again, found.values, atol=1e-5 * np.abs(again).max())


def test_finer_integrals_use_what_the_coarser_ones_computed(three, image, monkeypatch):
    from xai.methods.gradient import path, path_integral

    monkeypatch.setattr(path, "TOLERANCE", 0.0)
    monkeypatch.setattr(path, "IG_STEPS", (2, 6, 18))
    told = []
    found = path_integral(
        three, image, TARGETS[0], THREE, watch=lambda done, total: told.append((done, total))
    )
    assert found.steps == 18 and not found.complete
    assert told == [(0, 2), (2, 2), (2, 6), (6, 6), (6, 18), (14, 18), (18, 18)]
    plain = path_integral(three, image, TARGETS[0], THREE, steps=18).values
    np.testing.assert_allclose(found.values, plain, atol=1e-5 * np.abs(plain).max())


def test_the_gradient_is_what_a_small_step_changes(three, image):
    from xai.methods.gradient.tape import gradients_of

    target = TARGETS[2]
    gradient = gradients_of(three, image, target, THREE)[0]
    direction = np.sign(gradient)[None].astype(np.float32)
    step = 1e-3
    change = three.target_of(image + step * direction, target) - three.target_of(
        image - step * direction, target
    )
    np.testing.assert_allclose(change / (2 * step), np.abs(gradient).sum(), rtol=0.05)


def test_saliency_and_smoothgrad(three, image):
    from xai.methods.gradient import saliency, smoothgrad
    from xai.methods.gradient.tape import gradients_of

    target = TARGETS[0]
    plain = saliency(three, image, target, THREE)
    np.testing.assert_allclose(plain, np.abs(gradients_of(three, image, target, THREE)[0, ..., 0]), rtol=1e-5)
    # Without noise every sample is the image itself.
    np.testing.assert_allclose(smoothgrad(three, image, target, THREE, 3, 0.0), plain, rtol=1e-4, atol=1e-7)
    first, again, other = (smoothgrad(three, image, target, THREE, 3, seed=s) for s in (0, 0, 1))
    assert np.array_equal(first, again) and not np.allclose(first, other) and first.min() >= 0


def test_a_slow_one_can_be_stopped(three, image):
    from xai.methods.gradient import integrated_gradients, smoothgrad

    def stop(done: int, total: int) -> None:
        raise Cancelled

    for method in (smoothgrad, integrated_gradients):
        with pytest.raises(Cancelled):
            method(three, image, TARGETS[0], THREE, watch=stop)


@pytest.mark.parametrize("head", ["pooled", "flatten"])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.title)
def test_tensors_at_the_last_layer_are_what_the_network_gives(image, head, target):
    from xai.methods.gradient import layer_tensors

    side = 64 if head == "flatten" else 32
    engine = Engine(THREE, head=head, height=side, width=side)
    image = np.random.default_rng(8).random((1, side, side, 1), dtype=np.float32)
    out = {name: np.asarray(value) for name, value in engine.network.model(image).items()}
    activations, gradient = layer_tensors(engine, image, "compact_stage5_relu", target)
    np.testing.assert_allclose(activations, out["activations_compact"][0], rtol=1e-5, atol=1e-6)
    weights = np.tensordot(target.weights(THREE), out["channel_weights_compact"][0], axes=1)
    np.testing.assert_allclose(gradient.mean(axis=(0, 1)), weights, atol=1e-5 * np.abs(weights).max())


def test_a_layer_without_a_map_is_refused(three, image):
    from xai.methods.gradient import layer_tensors

    with pytest.raises(BadInput, match=r"no layer 'nowhere'"):
        layer_tensors(three, image, "nowhere", TARGETS[0])
    with pytest.raises(BadInput, match=r"compact_pool gives no feature map"):
        layer_tensors(three, image, "compact_pool", TARGETS[0])


def test_guided_gradients_leave_the_network_as_it_was(three, image):
    from xai.methods.gradient import guided_backprop, guided_grad_cam
    from xai.methods.gradient.tape import gradients_of

    target = TARGETS[0]
    before = gradients_of(three, image, target, THREE), three.target_of(image, target)
    guided = guided_backprop(three, image, target, THREE)
    after = gradients_of(three, image, target, THREE), three.target_of(image, target)
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1] and guided.min() >= 0 and guided.max() > 0
    assert not np.allclose(guided, np.abs(before[0][0, ..., 0]), rtol=0.1)
    # Grad-CAM positive in the left half alone: nothing is left of the right one.
    cam = np.array([[2.0, -1.0]])
    found = guided_grad_cam(three, image, target, THREE, cam)
    assert not found[:, 24:].any()
    np.testing.assert_allclose(found[:, :8], 2 * guided[:, :8], rtol=1e-5)


def test_a_support_vector_machine_over_two_trunks(svm):
    """Every method where logits can be differentiated; the ReLU inside the kernel is not guided."""
    from xai.methods.gradient import guided_backprop, layer_tensors, saliency
    from xai.methods.gradient.tape import gradients_of

    image = np.random.default_rng(3).random((1, 64, 64, 1), dtype=np.float32)
    target = Target("malignant")
    gradient = gradients_of(svm, image, target, TWO)
    assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(gradients_of(svm, image, Target("other"), TWO), -gradient, rtol=1e-5)
    assert saliency(svm, image, target, TWO).shape == (64, 64)
    out = {name: np.asarray(value) for name, value in svm.network.model(image).items()}
    for branch in svm.network.branches:
        found = layer_tensors(svm, image, branch.layer, target)[1].mean(axis=(0, 1))
        weights = out[f"channel_weights_{branch.name}"][0, 1]
        np.testing.assert_allclose(found, weights, atol=1e-4 * np.abs(weights).max())
    # Held back there, nothing would be left: see the fixture.
    found = guided_backprop(svm, image, target, TWO)
    assert np.isfinite(found).all() and found.max() > 0
