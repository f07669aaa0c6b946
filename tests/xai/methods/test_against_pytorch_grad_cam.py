"""Every method of the CAM family against pytorch-grad-cam 1.5.7, whose values are stored.

tests/golden/make_pytorch_grad_cam.py made them, in an environment of its own; both sides build the same
networks from tests/golden/networks.py. Here two of them are computed by numpy alone, the backbone `compact`
by Keras.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.engines import Branch, Explained, margins
from tests.golden.networks import CLASSES, TARGETS, combination, fixed
from xai.methods import Target
from xai.methods.score_cam import score_cam
from xai.methods.stored import explain_case, layer_values

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "pytorch_grad_cam.npz"
ASKED = {"malignant": Target("malignant"), "malignant-benign": Target("malignant", "benign")}
# A class's logit less the mean of the others, for every class.
MARGINS = 1.5 * np.eye(3) - 0.5
# Equal in logits, not only up to a factor.
EXACT = ("grad-cam", "hirescam", "layercam", "xgrad-cam")
SMALL = [(name, target) for name in ("pooled", "flatten") for target in TARGETS]


@cache
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@cache
def small(name: str):
    return fixed(name)


def convolved(images: np.ndarray, stage) -> np.ndarray:
    """A 3x3 convolution of stride 1 with zeros around, and ReLU, by numpy."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.maximum(np.einsum("nhwcij,ijco->nhwo", windows, stage.kernel) + stage.bias, 0)


class SmallHead:
    """From feature maps to margins by numpy, and the margins' gradient back; as models.engines.head.Head."""

    def __init__(self, network) -> None:
        self.network = network

    def features(self, activations):
        return list(activations)

    def forward(self, maps: np.ndarray):
        x = maps.mean(axis=(1, 2))
        if self.network.flatten:
            n, h, w, k = maps.shape
            x = maps.reshape(n, h // 2, 2, w // 2, 2, k).max(axis=(2, 4)).reshape(n, -1)
        hidden = []
        for kernel, bias in self.network.dense[:-1]:
            hidden.append(np.maximum(x @ kernel + bias, 0))
            x = hidden[-1]
        kernel, bias = self.network.dense[-1]
        return x @ kernel + bias, hidden

    def logits(self, maps: np.ndarray) -> np.ndarray:
        return self.forward(maps)[0]

    def margins(self, features) -> np.ndarray:
        return margins(self.logits(features[0]), len(CLASSES))

    def gradient(self, maps: np.ndarray) -> np.ndarray:
        """[classes, gh, gw, K] of maps [1, gh, gw, K]."""
        hidden = self.forward(maps)[1]
        back = MARGINS @ self.network.dense[-1][0].T
        for (kernel, _), values in zip(self.network.dense[-2::-1], hidden[::-1], strict=True):
            back = (back * (values[0] > 0)) @ kernel.T
        _, h, w, k = maps.shape
        if not self.network.flatten:
            return np.broadcast_to(back[:, None, None] / (h * w), (3, h, w, k))
        cells = maps[0].reshape(h // 2, 2, w // 2, 2, k)
        highest = cells == cells.max(axis=(1, 3), keepdims=True)
        assert (highest.sum(axis=(1, 3)) == 1).all()  # no ties to be shared out
        spread = back.reshape(3, h // 2, 1, w // 2, 1, k) * highest
        return spread.reshape(3, h, w, k)


def activations_of(network, images: np.ndarray) -> np.ndarray:
    for stage in network.stages:
        images = convolved(images, stage)
    return images


def explained_of(name: str) -> Explained:
    network = small(name)
    head, maps = SmallHead(network), activations_of(network, network.image)
    gradient = head.gradient(maps)[None]
    over_space = gradient if network.flatten else None
    branch = Branch("tiny", "tiny_relu", maps, gradient.mean(axis=(2, 3)), over_space)
    return explained_with(branch, head.logits(maps), "flatten" if network.flatten else "pooled")


def explained_with(branch: Branch, logits: np.ndarray, head: str = "pooled") -> Explained:
    even = np.full((1, 3), 1 / 3)
    return Explained("tiny", CLASSES, logits, even, margins(logits, 3), (branch,), "numpy", head)


def assert_same_shape_of_map(ours: np.ndarray, theirs: np.ndarray, tolerance: float = 1e-4) -> None:
    """Equal up to a positive factor."""
    assert np.abs(theirs).max() > 0
    np.testing.assert_allclose(ours / np.abs(ours).max(), theirs / np.abs(theirs).max(), atol=tolerance)


@pytest.mark.parametrize("name", ["pooled", "flatten"])
def test_the_networks_are_the_same(name):
    np.testing.assert_allclose(explained_of(name).logits, golden()[f"{name}/logits"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize(("name", "target"), SMALL)
def test_the_grad_cam_family(name, target, method):
    ours = explain_case(explained_of(name), ASKED[target], method).joint.values
    theirs = golden()[f"{name}/{target}/{method}"]
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(("name", "target"), SMALL)
def test_grad_cam_plus_plus(name, target):
    """Up to the 1e-6 in their denominator, which weighs where the squared gradient is as small."""
    ours = explain_case(explained_of(name), ASKED[target], "grad-cam++").joint.values
    assert_same_shape_of_map(ours, golden()[f"{name}/{target}/grad-cam++"], 0.02)


@pytest.mark.parametrize(("name", "target"), SMALL)
def test_eigen_cam(name, target):
    """A singular vector has no sign, and theirs is the one that happened to come out."""
    ours = explain_case(explained_of(name), ASKED[target], "eigen-cam").joint.values
    theirs = golden()[f"{name}/{target}/eigen-cam"]
    assert_same_shape_of_map(ours, theirs * np.sign((ours * theirs).sum()))


@pytest.mark.parametrize(("name", "target"), SMALL)
def test_ablation_cam(name, target):
    """They divide by the score of the whole image; ours stays in logits."""
    explained = explained_of(name)
    ours = explain_case(explained, ASKED[target], "ablation-cam", head=SmallHead(small(name))).joint.values
    score = float(explained.logits[0] @ combination(target, 3))
    theirs = golden()[f"{name}/{target}/ablation-cam"] * score
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(ours).max())


@pytest.mark.parametrize(("name", "target"), SMALL)
def test_score_cam(name, target):
    network = small(name)
    head = SmallHead(network)

    def predict(images):
        return head.margins([activations_of(network, images)])

    (found,) = score_cam(explained_of(name), network.image, predict, ASKED[target], CLASSES)
    assert found[0] == "tiny"
    assert_same_shape_of_map(found[1], golden()[f"{name}/{target}/score-cam"])


class Rebuilt:
    """What the gradient methods ask of a TensorFlow engine."""

    def __init__(self) -> None:
        from types import SimpleNamespace

        from models.networks.graph import NetworkSpec, build_network

        wanted = fixed("compact")
        units = tuple(kernel.shape[1] for kernel, _ in wanted.dense[:-1])
        self.network = build_network(NetworkSpec(("compact",), units, 3, 1, 64, 64))
        self.run = SimpleNamespace(id="compact", classes=CLASSES)
        layer = self.network.model.get_layer
        assert np.allclose(np.asarray(layer("compact_adapter").kernel).ravel(), wanted.adapter[0])
        for index, stage in enumerate(wanted.stages, 1):
            layer(f"compact_stage{index}_conv").set_weights([stage.kernel])
            layer(f"compact_stage{index}_bn").set_weights(stage.norm)
        for dense, numbers in zip(self.network.head.dense_layers(), wanted.dense, strict=True):
            dense.set_weights(numbers)


@pytest.fixture(scope="module")
def compact():
    return Rebuilt(), fixed("compact").image


@pytest.mark.tf
@pytest.mark.parametrize("target", TARGETS)
def test_the_compact_backbone_at_its_last_layer(compact, target):
    engine, image = compact
    out = {name: np.asarray(value) for name, value in engine.network.model(image).items()}
    np.testing.assert_allclose(out["logits"], golden()["compact/logits"], rtol=1e-4, atol=1e-4)
    branch = Branch("compact", "relu", out["activations_compact"], out["channel_weights_compact"])
    explained = explained_with(branch, out["logits"])
    for method in EXACT:
        theirs = golden()[f"compact/{target}/{method}"]
        ours = explain_case(explained, ASKED[target], method).joint.values
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max(), err_msg=method)


@pytest.mark.tf
@pytest.mark.parametrize("target", TARGETS)
def test_the_compact_backbone_at_an_earlier_layer(compact, target):
    """Where the gradient differs from cell to cell and so do the methods."""
    from xai.methods.gradient import layer_tensors

    engine, image = compact
    tensors = layer_tensors(engine, image, "compact_stage3_relu", ASKED[target])
    for method in EXACT:
        theirs = golden()[f"compact/{target}/{method}/earlier"]
        ours = layer_values(method, *tensors)
        np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max(), err_msg=method)
    theirs = golden()[f"compact/{target}/eigen-cam/earlier"]
    ours = layer_values("eigen-cam", *tensors)
    assert_same_shape_of_map(ours, theirs * np.sign((ours * theirs).sum()), 1e-3)
    maps = [golden()[f"compact/{target}/{method}/earlier"] for method in EXACT]
    assert not np.allclose(maps[0], maps[1], atol=0.05 * np.abs(maps[0]).max())


@pytest.mark.tf
@pytest.mark.parametrize("target", TARGETS)
def test_gradients_of_the_image(compact, target):
    from xai.methods.gradient import saliency
    from xai.methods.gradient.guided import guided_gradient
    from xai.methods.gradient.tape import gradients_of

    engine, image = compact
    plain, guided = (golden()[f"compact/{target}/{name}"] for name in ("gradient", "guided-backprop"))
    for _ in range(2):  # the guided graph leaves the other as it was
        ours = gradients_of(engine, image, ASKED[target], CLASSES)[0]
        np.testing.assert_allclose(ours, plain, atol=1e-4 * np.abs(plain).max())
        ours = guided_gradient(engine, image, ASKED[target], CLASSES)
        np.testing.assert_allclose(ours, guided, atol=1e-4 * np.abs(guided).max())
    ours = saliency(engine, image, ASKED[target], CLASSES)
    np.testing.assert_allclose(ours, np.abs(plain).max(axis=2), atol=1e-4 * np.abs(plain).max())
