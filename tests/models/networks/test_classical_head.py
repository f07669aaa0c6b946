"""Classical heads: gradients against the tape and by hand, ONNX files, and the way back."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from models.engines.onnx import compile_model

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from models.networks.classical_head import CLASSICAL_HEADS, BayesHead, SvmHead  # noqa: E402
from models.networks.graph import NetworkSpec, build_network, make_head  # noqa: E402
from models.networks.onnx_export import load_weights  # noqa: E402
from models.networks.onnx_head import export_head  # noqa: E402

pytestmark = pytest.mark.tf

WIDTHS = {"one branch": ((11,), (6,)), "two branches": ((7, 4), (6, 20))}
KINDS = sorted(CLASSICAL_HEADS)
MARGINS = {2: [[-1.0], [1.0]], 3: [[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]}


def varied(head, seed=0):
    """Numbers that differ; deviations and precisions above zero."""
    rng = np.random.default_rng(seed)
    for variable in head.weights:
        positive = variable.name in ("deviation", "precisions")
        variable.assign(rng.uniform(0.5, 2, variable.shape) if positive else rng.normal(0, 1, variable.shape))
    return head


def built(kind, classes, shape):
    widths, cells = WIDTHS[shape]
    head = make_head(NetworkSpec(("compact",), (13,), classes, classes - 1, head=kind), cells)
    head.build([(None, width) for width in widths])
    return varied(head)


def features(shape, n=5):
    rng = np.random.default_rng(7)
    return [rng.random((n, width)).astype(np.float32) * 2 for width in WIDTHS[shape][0]]


@pytest.mark.parametrize("shape", WIDTHS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_channel_weights_are_the_taped_gradient_over_the_cells(kind, classes, shape):
    head, x = built(kind, classes, shape), [tf.constant(part) for part in features(shape)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        logits, *weights = head(x)
        values = [tf.reduce_sum(tf.linalg.matvec(logits, row)) for row in np.float32(MARGINS[classes])]
    for part, found, cells in zip(x, weights, WIDTHS[shape][1], strict=True):
        expected = np.stack([tape.gradient(value, part).numpy() for value in values], axis=1) / cells
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_support_vector_machine_by_hand():
    """One feature, mean 1, deviation 2, one vector at 0 with coefficient 3, bias -1, gamma 1.

    x = 3 stands at z = 1: kernel exp(-1), logit 3 / e - 1, d logit / d x = 3 (-2 z) exp(-1) / 2 = -3 / e,
    over four cells -3 / (4 e).
    """
    head = SvmHead(1, (4,), 2, 1, supports=1)
    head.build([(None, 1)])
    head.load({"mean": [1], "deviation": [2], "vectors": [[0]], "coefficients": [[3]], "bias": [-1]})
    logits, weights = head([np.array([[3.0]], np.float32)])
    np.testing.assert_allclose(logits, [[3 / np.e - 1]], rtol=1e-5)
    np.testing.assert_allclose(weights, [[[3 / np.e / 4], [-3 / np.e / 4]]], rtol=1e-5)


def test_naive_bayes_by_hand():
    """One feature, already standard: centres 0 and 2, variances 1 and 1/4, bias 0.5.

    z = 1: half squares 0.5 and 2, logit 0.5 - (2 - 0.5) = -1; slope -(1 - 2) * 4 + (1 - 0) = 5.
    """
    head = BayesHead(1, (1,), 2, 1)
    head.build([(None, 1)])
    numbers = {"mean": [0], "deviation": [1], "centres": [[0], [2]], "precisions": [[1], [4]], "bias": [0.5]}
    head.load(numbers)
    logits, weights = head([np.array([[1.0]], np.float32)])
    np.testing.assert_allclose(logits, [[-1]], atol=1e-6)
    np.testing.assert_allclose(weights, [[[-5], [5]]], atol=1e-6)
    with pytest.raises(ValueError, match="centres"):
        head.load({name: value for name, value in numbers.items() if name != "centres"})


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("shape", WIDTHS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_head_computes_the_same_from_its_file(kind, classes, shape, runtime, tmp_path):
    head, x = built(kind, classes, shape), features(shape)
    names = [f"b{i}" for i in range(len(x))]
    path = tmp_path / "head.onnx"
    path.write_bytes(export_head(head, tuple(zip(names, WIDTHS[shape][0], strict=True))))
    found = compile_model(path, runtime).call(
        {f"pooled_{name}": part for name, part in zip(names, x, strict=True)}
    )
    for name, mine in zip(["logits", *(f"channel_weights_{name}" for name in names)], head(x), strict=True):
        mine = np.asarray(mine)
        assert found[name].shape == mine.shape
        np.testing.assert_allclose(found[name], mine, rtol=1e-4, atol=1e-5 * np.abs(mine).max())


@pytest.mark.parametrize("kind", KINDS)
def test_a_rebuilt_network_has_exactly_the_files_numbers(kind, tmp_path):
    spec = NetworkSpec(("compact",), (13,) if kind == "svm" else (), 3, 2, 64, 64, 1, head=kind)
    network, twin = build_network(spec), build_network(spec)
    varied(network.head)
    path = tmp_path / "head.onnx"
    path.write_bytes(export_head(network.head, (("compact", network.branches[0].channels),)))
    load_weights(twin, {}, path)
    assert [v.name for v in twin.head.weights] == [v.name for v in network.head.weights]
    for mine, theirs in zip(twin.head.weights, network.head.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert not twin.head.trainable_variables
