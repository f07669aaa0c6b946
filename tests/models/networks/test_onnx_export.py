"""Exported files hold the network: same numbers, half-precision kernels, stable bytes, and a way back."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
import onnxruntime
import pytest

from models.errors import BadInput

keras = pytest.importorskip("keras")

from models.networks.graph import NetworkSpec, build_network  # noqa: E402
from models.networks.onnx_export import export_trunk  # noqa: E402
from models.networks.onnx_head import export_head  # noqa: E402

pytestmark = pytest.mark.tf


def varied(network):
    """Give every variable, statistics included, a value of its own."""
    rng = np.random.default_rng(1)
    for variable in network.model.weights:
        value = np.asarray(variable)
        spread = rng.uniform(0.6, 1.4, value.shape)
        variable.assign(
            spread if variable.name.endswith("variance") else value * spread + rng.normal(0, 0.02)
        )
    return network


def test_a_head_of_two_branches_computes_the_same_from_its_file():
    network = varied(build_network(NetworkSpec(("squeezenet", "compact"), (7, 5), 3, 2, 64, 64, 1)))
    content = export_head(network.head, tuple((b.name, b.channels) for b in network.branches))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(2)
    pooled = {f"pooled_{b.name}": rng.random((4, b.channels)).astype(np.float32) for b in network.branches}
    stored = session.run(["logits", "channel_weights_squeezenet", "channel_weights_compact"], pooled)
    for mine, theirs in zip(network.head(list(pooled.values())), stored, strict=True):
        mine = np.asarray(mine)
        np.testing.assert_allclose(theirs, mine, rtol=3e-3, atol=3e-3 * np.abs(mine).max())  # halved kernels


def test_the_same_weights_give_the_same_bytes():
    network = build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32, 1))
    assert export_trunk(network, "compact") == export_trunk(network, "compact")


def test_kernels_are_half_precision_and_named_after_their_variables():
    network = build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32, 1))
    model = onnx.load_from_string(export_trunk(network, "compact"))
    stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert stored["compact_stage3_conv/kernel"] == onnx.TensorProto.FLOAT16
    assert stored["compact_stage3_bn/moving_variance"] == onnx.TensorProto.FLOAT
    assert {p.key: p.value for p in model.metadata_props}["target_layer"] == "compact_stage5_relu"


def test_weights_beyond_half_precision_are_refused():
    network = build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32, 1))
    kernel = network.model.get_layer("compact_stage1_conv").kernel
    kernel.assign(np.asarray(kernel) + 1e6)
    with pytest.raises(BadInput, match="half precision"):
        export_trunk(network, "compact")


def test_a_layer_without_a_translation_is_named():
    network = build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32, 1))
    network.model.get_layer("compact_stage2_relu").activation = keras.activations.selu
    with pytest.raises(BadInput, match="selu of compact_stage2_relu"):
        export_trunk(network, "compact")
