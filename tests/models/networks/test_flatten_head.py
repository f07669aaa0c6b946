"""The flattening head: by hand, against a taped gradient, in a network, and as an ONNX file."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from models.engines.onnx import compile_model
from models.errors import BadInput

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from models.networks.flatten_head import FlattenHead  # noqa: E402
from models.networks.graph import NetworkSpec, build_network, make_head  # noqa: E402
from models.networks.onnx_export import export_trunk, load_weights  # noqa: E402
from models.networks.onnx_head import export_head  # noqa: E402

pytestmark = pytest.mark.tf

GRIDS = [(4, 6), (5, 7)]
MARGINS = {2: [[-1.0], [1.0]], 3: [[1, -0.5, -0.5], [-0.5, 1, -0.5], [-0.5, -0.5, 1]]}


def built(grid, classes, units=(9, 6), channels=3, seed=0, dropout=0.0):
    """A head with weights that differ, biases included."""
    head = make_head(
        NetworkSpec(("compact",), units, classes, classes - 1, dropout=dropout, head="flatten"), ()
    )
    head.build((None, *grid, channels))
    rng = np.random.default_rng(seed)
    for variable in head.weights:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return head


def positives(grid, n=3, channels=3):
    """Activations without a tie, all above zero: the gradient is unique in every cell."""
    cells = n * grid[0] * grid[1] * channels
    values = np.random.default_rng(1).permutation(cells) + 1.0
    return (values / cells).reshape(n, *grid, channels).astype(np.float32)


def taped(head, activations, classes):
    """d margin_c / d activations [N, C, gh, gw, K], by the tape."""
    x = tf.constant(activations)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        logits = head(x)[0]
        values = [tf.reduce_sum(tf.linalg.matvec(logits, row)) for row in np.float32(MARGINS[classes])]
    return np.stack([tape.gradient(value, x).numpy() for value in values], axis=1)


def test_a_head_by_hand():
    """One channel of 2x3 cells: the last column is not pooled, the maximum of the others is 3.

    One hidden unit: h = relu(2 * 3 - 1) = 5, logit = -4 h + 0.5 = -19.5. d logit / d maximum = -4 * 2 = -8,
    all of it at the cell of the 3; over six cells a channel weight of -8 / 6.
    """
    head = FlattenHead((1,), 1, 2, 1)
    head.build((None, 2, 3, 1))
    first, last = head.dense_layers()
    first.set_weights([np.array([[2.0]]), np.array([-1.0])])
    last.set_weights([np.array([[-4.0]]), np.array([0.5])])
    cells = np.array([[1, 0, 9], [3, 2, 9]], np.float32).reshape(1, 2, 3, 1)
    logits, weights, gradient = (np.asarray(value) for value in head(cells))
    np.testing.assert_allclose(logits, [[-19.5]])
    np.testing.assert_allclose(gradient[0, 1, ..., 0], [[0, 0, 0], [-8, 0, 0]])
    np.testing.assert_allclose(gradient[0, 0, ..., 0], [[0, 0, 0], [8, 0, 0]])
    np.testing.assert_allclose(weights[0, :, 0], [8 / 6, -8 / 6], rtol=1e-6)


def test_cells_that_share_the_maximum_share_its_gradient():
    head = FlattenHead((), 1, 2, 1)
    head.build((None, 2, 2, 1))
    head.dense_layers()[0].set_weights([np.array([[6.0]]), np.array([0.0])])
    gradient = np.asarray(head(np.array([[5, 5], [1, 5]], np.float32).reshape(1, 2, 2, 1))[2])
    np.testing.assert_allclose(gradient[0, 1, ..., 0], [[2, 2], [0, 2]], rtol=1e-6)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("units", [(9, 6), ()])
def test_the_gradient_is_the_taped_one(grid, classes, units):
    head, x = built(grid, classes, units), positives(grid)
    _, weights, gradient = head(x)
    expected = taped(head, x, classes)
    assert gradient.shape == (3, classes, *grid, 3) and np.abs(expected).max() > 0
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(weights, expected.mean(axis=(2, 3)), rtol=1e-4, atol=1e-6)


def test_behind_a_relu_ties_at_zero_change_no_product():
    """Activation x gradient is the taped one although half of the cells are zero."""
    head = built((4, 6), 2)
    x = np.maximum(np.random.default_rng(3).normal(-0.3, 1, (3, 4, 6, 3)), 0).astype(np.float32)
    assert (x == 0).mean() > 0.4
    expected = taped(head, x, 2) * x[:, None]
    np.testing.assert_allclose(np.asarray(head(x)[2]) * x[:, None], expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_does_not_see_dropout():
    head, x = built((4, 4), 2, dropout=0.9), positives((4, 4))
    np.testing.assert_allclose(head(x, training=True)[2], head(x, training=False)[2], atol=1e-6)


def session_outputs(content, folder, runtime, inputs):
    path = folder / "head.onnx"
    path.write_bytes(content)
    return compile_model(path, runtime).call(inputs)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("classes", "units"), [(2, (9, 6)), (3, (9,)), (2, ()), (3, ())])
def test_a_head_computes_the_same_from_its_file(grid, classes, units, runtime, tmp_path):
    head, x = built(grid, classes, units), np.maximum(positives(grid) - 0.4, 0)
    for dense in head.dense_layers():  # the file's half precision, so that the rest can be held tightly
        dense.kernel.assign(np.asarray(dense.kernel).astype(np.float16).astype(np.float32))
    found = session_outputs(export_head(head, (("a", 3),)), tmp_path, runtime, {"activations_a": x})
    names = ("logits", "channel_weights_a", "gradient_a")
    assert set(found) == set(names)
    for name, mine in zip(names, head(x), strict=True):
        mine = np.asarray(mine)
        assert found[name].shape == mine.shape
        np.testing.assert_allclose(found[name], mine, rtol=1e-4, atol=1e-5 * np.abs(mine).max())


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(4)
    return build_network(NetworkSpec(("compact",), (5,), 2, 1, 80, 96, 1, dropout=0.5, head="flatten"))


def image(network, n=2):
    spec = network.spec
    return np.random.default_rng(0).random((n, spec.height, spec.width, spec.channels)).astype(np.float32)


def test_a_network_publishes_the_gradient_beside_the_activations(network):
    out = network.model(image(network))
    (branch,) = network.branches
    assert set(out) == {"logits", "activations_compact", "channel_weights_compact", "gradient_compact"}
    assert out["gradient_compact"].shape == (2, 2, *branch.grid, branch.channels)
    # Two classes, so the margins' gradients differ in sign alone.
    np.testing.assert_array_equal(out["gradient_compact"][:, 0], -out["gradient_compact"][:, 1])


def test_logits_alone_come_from_the_same_weights(network):
    x = image(network)
    logits = network.logits_model
    assert logits is network.logits_model and logits.output.shape == (None, 1)
    np.testing.assert_allclose(logits(x), network.model(x)["logits"], rtol=1e-5, atol=1e-6)
    assert {id(v) for v in logits.weights} == {id(v) for v in network.model.weights}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(logits(x, training=True))
    assert all(g is not None for g in tape.gradient(loss, logits.trainable_variables))


def test_logits_alone_compute_nothing_that_explains(network):
    """The traced graph holds no product over the classes' gradients, whatever a compiler prunes."""

    def operations(model):
        shape = (1, network.spec.height, network.spec.width, 1)
        traced = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.ones(shape))
        return [operation.type for operation in traced.graph.get_operations()]

    whole, alone = operations(network.model), operations(network.logits_model)
    assert "AvgPool" in whole and "AvgPool" not in alone and len(alone) < len(whole)


def test_a_pooled_network_gives_logits_alone_too():
    pooled = build_network(NetworkSpec(("compact",), (4,), 3, 2, 64, 64, 1))
    x = image(pooled)
    np.testing.assert_allclose(pooled.logits_model(x), pooled.model(x)["logits"], rtol=1e-5, atol=1e-6)


def test_a_rebuilt_network_has_the_files_numbers(network, tmp_path):
    files = {"trunk": export_trunk(network, "compact")}
    files["head"] = export_head(network.head, (("compact", network.branches[0].channels),))
    paths = {name: tmp_path / f"{name}.onnx" for name in files}
    for name, content in files.items():
        paths[name].write_bytes(content)
    twin = build_network(network.spec)
    load_weights(twin, {"compact": paths["trunk"]}, paths["head"])
    x = image(network)
    out = twin.model(x)
    maps = np.asarray(out["activations_compact"])
    stored = compile_model(paths["head"], "onnxruntime").call({"activations_compact": maps})
    for name, values in stored.items():
        np.testing.assert_allclose(out[name], values, rtol=1e-4, atol=1e-5 * np.abs(values).max())
    np.testing.assert_allclose(out["logits"], network.model(x)["logits"], rtol=1e-2, atol=1e-3)


def test_what_cannot_flatten_is_refused():
    with pytest.raises(BadInput, match="takes one backbone"):
        build_network(NetworkSpec(("compact", "squeezenet"), (), 2, 1, 64, 64, 1, head="flatten"))
    with pytest.raises(BadInput, match="1x5 cells, which is too little"):
        built((1, 5), 2)
    with pytest.raises(BadInput, match="pooled, flatten, logistic, svm, bayes"):
        make_head(NetworkSpec(("compact",), (), 2, 1, head="forest"), (1,))
