"""The TensorFlow engine rebuilds from a run's ONNX files the network that the ONNX engine computes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from models.engines import open_engine
from models.runs import write_run
from tests.models.runs.tiny_run import tiny_files

pytestmark = pytest.mark.tf
SIZE = 64


@pytest.fixture(scope="module", params=[("compact", "squeezenet", 1), ("compact", None, 3)])
def run(request, tmp_path_factory):
    """A hybrid with one logit and a single network with three classes; random weights and statistics."""
    from models.networks.graph import NetworkSpec, build_network
    from models.networks.onnx_export import export_trunk
    from models.networks.onnx_head import export_head

    first, second, logits = request.param
    names = (first, second) if second else (first,)
    classes = ["other", "malignant"] if logits == 1 else ["normal", "benign", "malignant"]
    spec = NetworkSpec(names, (12, 8), len(classes), len(classes) - 1, SIZE, SIZE, 1)
    network = build_network(spec)
    rng = np.random.default_rng(3)
    for variable in network.model.weights:
        noise = rng.uniform(0.5, 1.5, variable.shape).astype(np.float32)
        started = variable.numpy()
        variable.assign(noise if variable.name.endswith("variance") else started * noise + 0.01 * noise)
    trunks = {name: export_trunk(network, name) for name in names}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in trunks.items()}
    card, _ = tiny_files()
    places = {branch.name: branch for branch in network.branches}
    branches = [
        {
            "name": name,
            "backbone": name,
            "trunk": digests[name],
            "target_layer": places[name].layer,
            "grid": places[name].grid,
            "channels": places[name].channels,
        }
        for name in names
    ]
    card |= {"classes": classes, "label_map": {}, "branches": branches, "logits": logits}
    card |= {"head": {"units": [12, 8]}, "input": {"height": SIZE, "width": SIZE, "channels": 1}}
    files = {f"trunks/{digests[name]}.onnx": content for name, content in trunks.items()}
    head = export_head(network.head, tuple((branch.name, branch.channels) for branch in network.branches))
    return write_run(tmp_path_factory.mktemp("keras") / "tiny", card, files | {"head.onnx": head})


@pytest.fixture(scope="module")
def rebuilt(run):
    return open_engine(run, "tensorflow")


def relative(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference as a share of the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


@pytest.mark.parametrize("kind", ["openvino", "onnxruntime"])
def test_the_engines_agree(run, rebuilt, kind):
    images = np.random.default_rng(0).uniform(0, 1, (2, SIZE, SIZE, 1)).astype(np.float32)
    stored = open_engine(run, kind)
    assert rebuilt.name.startswith("tensorflow ") and rebuilt.name.endswith(" f32")
    one, other = rebuilt.explain(images), stored.explain(images)
    assert relative(one.logits, other.logits) < 1e-4
    assert relative(one.margins, other.margins) < 1e-4
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-4)
    assert [branch.name for branch in one.branches] == [branch.name for branch in other.branches]
    for mine, theirs in zip(one.branches, other.branches, strict=True):
        assert mine.layer == theirs.layer
        assert relative(mine.activations, theirs.activations) < 1e-4
        assert relative(mine.weights, theirs.weights) < 1e-4
        maps = [np.einsum("nhwk,nck->nchw", branch.activations, branch.weights) for branch in (mine, theirs)]
        assert relative(*maps) < 1e-4
    np.testing.assert_array_equal(rebuilt.predict(images).logits, one.logits)


def test_the_closed_form_weights_are_the_taped_gradient(run, rebuilt):
    import tensorflow as tf

    image = np.random.default_rng(1).uniform(0, 1, (1, SIZE, SIZE, 1)).astype(np.float32)
    explained = rebuilt.explain(image)
    network = rebuilt.network
    for label in range(len(run.classes)):
        for branch in explained.branches:
            shifts = [tf.Variable(tf.zeros_like(b.activations)) for b in explained.branches]
            with tf.GradientTape() as tape:
                pooled = [
                    tf.reduce_mean(b.activations + shift, axis=(1, 2))
                    for b, shift in zip(explained.branches, shifts, strict=True)
                ]
                logits = network.head(pooled)[0][0]
                if run.card.logits == 1:
                    margin = logits[0] if label == 1 else -logits[0]
                else:
                    rest = [logits[other] for other in range(len(run.classes)) if other != label]
                    margin = logits[label] - tf.add_n(rest) / len(rest)
            taped = tape.gradient(margin, shifts[explained.branches.index(branch)]).numpy()[0]
            np.testing.assert_allclose(
                np.broadcast_to(branch.weights[0, label], taped.shape), taped, rtol=1e-4, atol=1e-8
            )
