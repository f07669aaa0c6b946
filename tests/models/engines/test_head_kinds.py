"""Runs of every kind of head: the engines agree, answers carry what their kind has, files are checked."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from models.engines import open_engine
from models.errors import BadInput
from models.runs import write_run
from tests.models.runs.tiny_run import tiny_files

pytestmark = pytest.mark.tf
SIZE = 64
KINDS = ("flatten", "logistic", "svm", "bayes")


def write_kind(folder, kind, classes=2, said=None):
    """A run of a narrow network with that head, which its card says or `said`; random weights."""
    from models.networks.graph import NetworkSpec, build_network
    from models.networks.onnx_export import export_trunk
    from models.networks.onnx_head import export_head

    units = {"flatten": (7,), "svm": (9,)}.get(kind, ())
    network = build_network(NetworkSpec(("compact",), units, classes, classes - 1, SIZE, SIZE, 1, head=kind))
    rng = np.random.default_rng(3)
    for variable in network.head.weights:
        positive = variable.name in ("deviation", "precisions")
        value = rng.uniform(0.5, 2, variable.shape) if positive else rng.normal(0, 0.3, variable.shape)
        variable.assign(value)
    (branch,) = network.branches
    trunk = export_trunk(network, "compact")
    digest = hashlib.sha256(trunk).hexdigest()
    card, _ = tiny_files(three=classes == 3)
    # The branch is called otherwise than its backbone.
    entry = {"name": "view", "backbone": "compact", "trunk": digest, "target_layer": branch.layer}
    card["branches"] = [entry | {"grid": branch.grid, "channels": branch.channels}]
    card |= {"head": {"kind": said or kind, "units": [7] if kind == "flatten" else []}}
    card |= {"input": {"height": SIZE, "width": SIZE, "channels": 1}}
    content = export_head(network.head, (("view", branch.channels),))
    return write_run(folder, card, {f"trunks/{digest}.onnx": trunk, "head.onnx": content})


@pytest.fixture(scope="module", params=[("flatten", 2), ("flatten", 3), *((k, 2) for k in KINDS[1:])])
def run(request, tmp_path_factory):
    kind, classes = request.param
    return write_kind(tmp_path_factory.mktemp(f"{kind}{classes}") / "tiny", kind, classes)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 1, (3, SIZE, SIZE, 1)).astype(np.float32)


def relative(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference as a share of the largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def test_the_engines_agree_and_carry_the_kind(run, images):
    first, *others = (
        open_engine(run, kind).explain(images) for kind in ("onnxruntime", "openvino", "tensorflow")
    )
    assert first.head == run.card.head.kind and first.branch("view").activations.shape[0] == 3
    for other in others:
        assert other.head == first.head
        assert relative(first.logits, other.logits) < 1e-4
        mine, theirs = first.branches[0], other.branches[0]
        assert relative(mine.weights, theirs.weights) < 1e-4
        assert (mine.gradient is None) == (theirs.gradient is None) == (first.head != "flatten")
        if mine.gradient is not None:
            products = [branch.gradient * branch.activations[:, None] for branch in (mine, theirs)]
            assert products[0].shape == (3, len(run.classes), *run.branches[0].grid, run.branches[0].channels)
            assert relative(*products) < 1e-4


def test_a_case_is_cut_out_whole(run, images):
    explained = open_engine(run, "onnxruntime").explain(images)
    alone, branch = explained.case(1), explained.branches[0]
    np.testing.assert_array_equal(alone.branches[0].weights, branch.weights[1:2])
    assert alone.head == explained.head
    if branch.gradient is not None:
        np.testing.assert_array_equal(alone.branches[0].gradient, branch.gradient[1:2])
        np.testing.assert_allclose(branch.gradient.mean(axis=(2, 3)), branch.weights, rtol=1e-4, atol=1e-7)


def test_a_head_of_another_kind_than_the_card_says_is_refused(tmp_path):
    run = write_kind(tmp_path / "tiny", "logistic", said="flatten")
    with pytest.raises(BadInput, match=r"do not fit its run.json .activations_view"):
        open_engine(run, "onnxruntime")
