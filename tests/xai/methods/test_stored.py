"""The family from stored feature maps, on numbers worked out by hand. Grad-CAM, HiResCAM and XGrad-CAM are in
tests/xai/test_cam.py; pytorch-grad-cam's values in the golden files."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.engines import Branch, Explained
from models.engines.grids import resample
from tests.xai.fakes import BlockEngine
from tests.xai.methods.networks import PooledHead, explained, flattened, pooled
from xai.cam import ADDING_UP
from xai.methods import METHODS, Target
from xai.methods.stored import ablation_weights, explain_case, layer_values

STORED = [key for key, method in METHODS.items() if method.family == "stored"]


def test_grad_cam_pp_by_hand():
    """w = sum over cells of relu(g) / (2 + sum(A) g). Flattened: channel 0 has 3 / (2 + 6 * 3) = 0.15 and
    nothing for the negative one; channel 1 has 7 / (2 + 5 * 7) + 2 / (2 + 5 * 2) = 7/37 + 1/6. Pooled: four
    cells of 0.75 / (2 + 4 * 0.75) = 0.15, and four of 0.375 / (2 + 8 * 0.375) = 0.075."""
    second = 7 / 37 + 1 / 6
    found = explain_case(flattened(), "malignant", "grad-cam++")
    np.testing.assert_allclose(found.joint.values, [[0.6, 0.3 + 5 * second]], rtol=1e-6)
    found = explain_case(pooled(), "malignant", "grad-cam++")
    np.testing.assert_allclose(found.joint.values, [[2.4, 0.6], [0.6, 1.2]], rtol=1e-6)


def test_layercam_by_hand():
    # Cell 0: 3 * 4 + 7 * 0; cell 1: -1 is cut, 2 * 5. Of a class with negative gradients nothing is left.
    found = explain_case(flattened(), "malignant", "layercam")
    np.testing.assert_allclose(found.joint.values, [[12, 10]])
    np.testing.assert_allclose(
        explain_case(pooled(), "malignant", "layercam").joint.values, [[3, 0.75], [0.75, 1.5]]
    )
    assert not explain_case(pooled(), "other", "layercam").joint.values.any()


def test_eigen_cam_by_hand():
    """Three cells (0, 0), (1, 2), (3, 6): less their mean they lie on the line (1, 2), at sqrt(5) times
    -4/3, -1/3 and 5/3. No class changes that."""
    activations = np.array([[[0, 0], [1, 2], [3, 6]]], np.float32)[None]
    case = explained([Branch("line", "line_relu", activations, np.zeros((1, 2, 2), np.float32))], margin=0.0)
    expected = np.sqrt(5) * np.array([[-4 / 3, -1 / 3, 5 / 3]])
    for label in ("malignant", "other"):
        np.testing.assert_allclose(explain_case(case, label, "eigen-cam").joint.values, expected, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, (3, 4, 5), elements=st.floats(0, 10, width=32)))
def test_eigen_cam_is_the_first_principal_component_with_its_sign(activations):
    values = layer_values("eigen-cam", activations, np.zeros(5))
    cells = activations.reshape(12, 5).astype(np.float64)
    singular = np.linalg.svd(cells - cells.mean(axis=0), compute_uv=False)
    assert np.linalg.norm(values) == pytest.approx(singular[0], abs=1e-5)
    mean = cells.mean(axis=1) - cells.mean()
    assert values.ravel() @ mean >= -1e-4


def test_ablation_cam_by_hand():
    """p = (1, 2). Without channel 0: h0 = relu(0 + 1) = 1 and h1 = relu(2 - 1.5) = 0.5 wakes up, logit
    3 + 2.5 + 0.25 = 5.75: the class loses 0.5. Without channel 1: h0 = 1, h1 = 0, logit 3.25: it loses 3.
    The gradient knows nothing of h1."""
    case = pooled()
    np.testing.assert_allclose(ablation_weights(case, "tiny", Target("malignant"), PooledHead()), [0.5, 3])
    found = explain_case(case, "malignant", "ablation-cam", head=PooledHead())
    np.testing.assert_allclose(found.joint.values, [[2, 6], [6, 12]])
    against = explain_case(case, "other", "ablation-cam", head=PooledHead())
    np.testing.assert_allclose(against.joint.values, -found.joint.values)
    with pytest.raises(ValueError, match="needs the run's head"):
        explain_case(case, "malignant", "ablation-cam")


def test_channels_are_ablated_in_parts_of_a_hybrid():
    """150 channels are more than one call takes; the other branch's features stay as they are."""
    rng = np.random.default_rng(0)
    branches = [
        Branch(name, f"{name}_relu", rng.random((1, 2, 2, k)).astype(np.float32), np.zeros((1, 2, k)))
        for name, k in (("first", 3), ("second", 150))
    ]
    slopes = [rng.normal(size=3), rng.normal(size=150)]

    class Linear:
        def features(self, activations):
            return [maps.mean(axis=(1, 2)) for maps in activations]

        def margins(self, features):
            logit = sum(f @ s for f, s in zip(features, slopes, strict=True))
            return np.stack([-logit, logit], axis=1)

    found = ablation_weights(explained(branches, 0.0), "second", Target("malignant"), Linear())
    means = branches[1].activations.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(found, means * slopes[1], rtol=1e-5, atol=1e-9)


def three_classes(seed: int) -> tuple[Explained, list[np.ndarray]]:
    """Two pooled branches under a linear head of three logits, and the logits' own slopes [3, K] a cell."""
    rng = np.random.default_rng(seed)
    of_margins = (np.eye(3) - (1 - np.eye(3)) / 2).astype(np.float32)
    branches, slopes = [], []
    logits = rng.normal(size=3)
    for name, cells, channels in (("coarse", 2, 4), ("fine", 3, 5)):
        activations = rng.random((1, cells, cells, channels)).astype(np.float32)
        slope = rng.normal(size=(3, channels)).astype(np.float32) / cells**2
        logits = logits + slope @ activations[0].sum(axis=(0, 1))
        branches.append(Branch(name, f"{name}_relu", activations, (of_margins @ slope)[None]))
        slopes.append(slope)
    margins = of_margins @ logits
    case = Explained(
        "three", ("benign", "malignant", "normal"), logits[None], np.full((1, 3), 1 / 3),
        margins[None].astype(np.float32), tuple(branches), "by hand",
    )  # fmt: skip
    return case, slopes


def test_a_contrastive_map_is_the_difference_of_the_logits_maps():
    case, slopes = three_classes(0)
    found = explain_case(case, Target("malignant", "benign"))
    for branch, shown, slope in zip(case.branches, found.maps, slopes, strict=True):
        np.testing.assert_allclose(
            shown.values, branch.activations[0] @ (slope[1] - slope[0]), rtol=1e-5, atol=1e-6
        )
        assert (shown.label, shown.against, shown.title) == ("malignant", "benign", "malignant, not benign")
    assert found.margin == pytest.approx(case.logits[0, 1] - case.logits[0, 0], abs=1e-5)
    assert sum(m.contribution for m in found.maps) + found.rest == pytest.approx(found.margin)


def test_turning_a_contrast_round_turns_its_sign():
    case, _ = three_classes(1)
    one, other = (explain_case(case, Target(*pair)) for pair in (("benign", "normal"), ("normal", "benign")))
    np.testing.assert_allclose(one.joint.values, -other.joint.values, atol=1e-7)
    assert one.margin == pytest.approx(-other.margin)


class BlockHead:
    """BlockEngine's head: linear in the pooled channels."""

    def __init__(self, engine):
        self.engine = engine

    def features(self, activations):
        return [maps.mean(axis=(1, 2)) for maps in activations]

    def margins(self, features):
        weights = self.engine.weights.values()
        logit = sum(f @ np.array(w) for f, w in zip(features, weights, strict=True)) + self.engine.bias
        return np.stack([-logit, logit], axis=1)


def blocks(seed: int, weights=None) -> tuple[BlockEngine, np.ndarray]:
    return BlockEngine(weights), np.random.default_rng(seed).random((1, 32, 32, 1), dtype=np.float32)


@pytest.mark.parametrize("method", STORED)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_branches_add_up_to_the_joint_map(method, seed):
    engine, image = blocks(seed)
    found = explain_case(engine.explain(image), "malignant", method, head=BlockHead(engine))
    total = sum(resample(m.values, 8, 8) for m in found.maps)
    np.testing.assert_allclose(found.joint.values, total, rtol=1e-5, atol=1e-6)
    assert [m.unit for m in (*found.maps, found.joint)] == [METHODS[method].unit] * 3
    if method in ADDING_UP:
        assert sum(m.contribution for m in found.maps) + found.rest == pytest.approx(found.margin)
    else:
        assert found.rest is found.joint.contribution is found.maps[0].contribution is None


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("method", STORED)
def test_flipping_the_image_flips_every_map(method, axis):
    engine, image = blocks(3)
    plain, flipped = (
        explain_case(engine.explain(i), "malignant", method, head=BlockHead(engine))
        for i in (image, np.flip(image, axis))
    )
    np.testing.assert_allclose(
        np.flip(flipped.joint.values, axis - 1), plain.joint.values, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("method", STORED)
def test_a_constant_network_has_a_map_of_zeros(method):
    """No weight for what it sees; Eigen-CAM looks at no weights, so for it the features are constant."""
    engine, image = blocks(4, {"coarse": (0.0, 0.0), "fine": (0.0, 0.0)})
    image = np.full_like(image, 0.25) if method == "eigen-cam" else image
    found = explain_case(engine.explain(image), "malignant", method, head=BlockHead(engine))
    np.testing.assert_allclose(found.joint.values, 0.0, atol=1e-12)


def test_one_branch_alone_has_no_rest():
    engine, image = blocks(5)
    whole = explain_case(engine.explain(image), "malignant")
    alone = explain_case(engine.explain(image), "malignant", layer="fine_relu")
    np.testing.assert_array_equal(alone.joint.values, whole.maps[1].values)
    assert alone.rest is None and [m.name for m in alone.maps] == ["fine"]
    assert alone.margin == whole.margin


def test_other_families_are_not_made_here():
    with pytest.raises(ValueError, match="rise is not made from stored"):
        explain_case(pooled(), "malignant", "rise")


def test_a_svm_has_maps_by_every_method():
    case = replace(pooled(), head="svm")
    for method in STORED:
        found = explain_case(case, "malignant", method, head=PooledHead())
        assert np.isfinite(found.joint.values).all() and found.joint.contribution is None


@pytest.mark.parametrize("method", ["eigen-cam", "ablation-cam", "grad-cam++", "layercam"])
def test_a_trunk_with_larger_numbers_is_no_louder_in_the_joint_map(method):
    """Activations times 1,000 with weights divided by 1,000 are the same network."""
    rng = np.random.default_rng(3)
    quiet, loud = [], []
    for name, cells, gain in (("first", 4, 1.0), ("second", 2, 1e3)):
        maps = rng.random((1, cells, cells, 3))
        slopes = rng.standard_normal((1, 2, 3)) / cells**2
        quiet.append(Branch(name, f"{name}_relu", maps, slopes))
        loud.append(Branch(name, f"{name}_relu", maps * gain, slopes / gain))
    kept = [
        explain_case(explained(each, 0.0), "malignant", method, head=_Sum(each)) for each in (quiet, loud)
    ]
    np.testing.assert_allclose(kept[1].joint.values, kept[0].joint.values, rtol=1e-5)


class _Sum:
    """A linear head: the margin is the sum of gradient x activation over both branches."""

    def __init__(self, branches):
        self.branches = branches

    def features(self, activations):
        return [values.mean(axis=(1, 2)) for values in activations]

    def margins(self, rows):
        sums = zip(rows, self.branches, strict=True)
        positive = sum(row @ b.weights[0, 1] * b.activations[0, ..., 0].size for row, b in sums)
        return np.stack([-positive, positive], axis=1)
