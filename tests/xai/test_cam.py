"""Grad-CAM and joint maps, on numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.engines import Branch
from models.engines.grids import resample, sum_preserving_weights
from models.errors import BadInput
from tests.xai.fakes import grid_map
from tests.xai.methods.networks import explained, flattened, pooled
from xai.cam import joint_map, why_no_contributions
from xai.methods import check_method, method_title
from xai.methods.stored import explain_case, grad_cam


def test_grad_cam_by_hand():
    # 0.75 * 4 = 3; 0.375 * 2 = 0.75 twice; 0.375 * 4 = 1.5. Sum 6 = 3 * 1 + 1.5 * 2.
    found = grad_cam(pooled(), "malignant")
    np.testing.assert_allclose(found.values, [[3.0, 0.75], [0.75, 1.5]], rtol=0, atol=1e-6)
    assert found.values.dtype == np.float32
    assert found.contribution == pytest.approx(6.0, abs=1e-6)
    assert (found.name, found.layer, found.method, found.grid) == ("tiny", "tiny_relu", "grad-cam", (2, 2))


def test_the_network_by_hand_is_the_gradient_of_its_logit():
    """Guards the arithmetic of pooled: moving one cell by 0.01 moves the logit by its weight."""

    def logit(activations):
        p = activations.mean(axis=(0, 1))
        hidden = np.maximum(np.array([[1, 0.5], [-1, 1]]) @ p + [0, -1.5], 0)
        return hidden @ [3, 5] + 0.25

    branch = pooled().branches[0]
    before = branch.activations[0].astype(np.float64)
    assert logit(before) == pytest.approx(6.25)
    for channel in range(2):
        after = before.copy()
        after[1, 0, channel] += 0.01
        assert (logit(after) - logit(before)) / 0.01 == pytest.approx(branch.weights[0, 1, channel])


def test_the_other_class_has_the_negative_map():
    found = grad_cam(pooled(), "other")
    np.testing.assert_allclose(found.values, [[-3.0, -0.75], [-0.75, -1.5]], atol=1e-6)


def test_contributions_and_rest_make_the_margin():
    explanation = explain_case(pooled(), "malignant")
    assert explanation.margin == pytest.approx(6.25)
    assert explanation.rest == pytest.approx(0.25, abs=1e-6)
    assert sum(m.contribution for m in explanation.maps) + explanation.rest == explanation.margin
    np.testing.assert_array_equal(explanation.joint.values, explanation.maps[0].values)


def test_joint_map_by_hand():
    """A 1x1 cell of 4 logits gives each of four cells 1; added to the finer branch."""
    joint = joint_map([grid_map([[4]], "coarse"), grid_map([[1, 2], [-3, 0]], "fine")])
    np.testing.assert_allclose(joint.values, [[2, 3], [-2, 1]], atol=1e-6)
    assert joint.contribution == pytest.approx(4.0)
    assert (joint.name, joint.layer) == ("joint", "coarse_relu + fine_relu")


def test_resampling_by_hand():
    # Centres of the four in units of the two: -0.25 (edge), 0.25, 0.75, 1.25 (edge);
    # the columns then halved to sum to 1.
    by_hand = [[0.5, 0], [0.375, 0.125], [0.125, 0.375], [0, 0.5]]
    np.testing.assert_allclose(sum_preserving_weights(2, 4), by_hand)
    np.testing.assert_allclose(resample(np.array([[8.0, 0.0]]), 1, 4), [[4, 3, 1, 0]])


def test_equal_sizes_are_left_alone():
    np.testing.assert_array_equal(sum_preserving_weights(7, 7), np.eye(7))


def test_an_even_map_stays_even_between_multiples():
    np.testing.assert_allclose(resample(np.ones((7, 7)), 14, 14), 0.25)


grids = st.integers(1, 9)


@given(st.data(), grids, grids, st.integers(0, 9), st.integers(0, 9))
def test_resampling_preserves_the_sum(data, h, w, more_rows, more_columns):
    values = data.draw(arrays(np.float32, (h, w), elements=st.floats(-100, 100, width=32)))
    finer = resample(values, h + more_rows, w + more_columns)
    assert finer.shape == (h + more_rows, w + more_columns)
    assert finer.sum() == pytest.approx(values.sum(dtype=np.float64), abs=1e-6)


@given(st.data(), grids, grids)
def test_the_joint_map_sums_to_the_contributions(data, coarse, fine):
    elements = st.floats(-10, 10, width=32)
    maps = [
        grid_map(data.draw(arrays(np.float32, (side, side), elements=elements)), f"branch{i}")
        for i, side in enumerate((coarse, fine))
    ]
    joint = joint_map(maps)
    assert joint.grid == (max(coarse, fine),) * 2
    assert joint.values.sum(dtype=np.float64) == pytest.approx(sum(m.contribution for m in maps), abs=1e-3)
    assert joint.contribution == pytest.approx(sum(m.contribution for m in maps))


def test_the_finer_grid_is_never_given_up():
    with pytest.raises(ValueError, match="finer"):
        sum_preserving_weights(8, 4)


@pytest.mark.parametrize("method", ["grad-cam", "hirescam", "xgrad-cam"])
def test_on_a_pooled_head_these_methods_are_one_map(method):
    first, other = (explain_case(pooled(), "malignant", m) for m in ("grad-cam", method))
    np.testing.assert_array_equal(first.joint.values, other.joint.values)
    assert other.joint.method == method


@pytest.mark.parametrize(
    ("head", "same"),
    [("pooled", True), ("logistic", True), ("svm", True), ("bayes", True), ("flatten", False)],
)
def test_titles_say_where_the_methods_are_one_map(head, same):
    assert method_title("grad-cam", head) == "Grad-CAM"
    for method, name in (("hirescam", "HiResCAM"), ("xgrad-cam", "XGrad-CAM")):
        title = method_title(method, head)
        assert title.startswith(name) and ("same map as Grad-CAM" in title) == same


@pytest.mark.parametrize(
    ("method", "values"),
    [
        ("grad-cam", [[1 * 4 + 4.5 * 0, 1 * 2 + 4.5 * 5]]),
        ("hirescam", [[12, 8]]),
        ("xgrad-cam", [[10 / 6 * 4, 10 / 6 * 2 + 2 * 5]]),
    ],
)
def test_on_a_flattening_head_the_methods_differ_by_hand(method, values):
    explanation = explain_case(flattened(), "malignant", method)
    np.testing.assert_allclose(explanation.joint.values, values, rtol=1e-6)
    # Whatever is drawn, activation x gradient is what the branch adds to the margin.
    assert explanation.maps[0].contribution == pytest.approx(20)
    assert explanation.joint.contribution == pytest.approx(20)
    assert explanation.rest == pytest.approx(0.5)


def test_a_silent_channel_has_no_weight_of_its_own():
    quiet = flattened()
    (branch,) = quiet.branches
    silent = replace(branch, activations=branch.activations * np.array([1, 0], np.float32))
    explanation = explain_case(replace(quiet, branches=(silent,)), "malignant", "xgrad-cam")
    np.testing.assert_allclose(explanation.joint.values, [[10 / 6 * 4, 10 / 6 * 2]], rtol=1e-6)


@given(
    arrays(np.float32, (1, 3, 4, 2), elements=st.floats(0, 10, width=32)),
    arrays(np.float32, (1, 2, 3, 4, 2), elements=st.floats(-10, 10, width=32)),
)
def test_hirescam_and_xgrad_cam_sum_to_the_contribution(activations, gradient):
    branch = Branch("flat", "flat_relu", activations, gradient.mean(axis=(2, 3)), gradient)
    case = replace(explained([branch], margin=1.0), head="flatten")
    expected = float(np.sum(activations[0].astype(np.float64) * gradient[0, 1]))
    for method in ("hirescam", "xgrad-cam"):
        found = grad_cam(case, "malignant", method=method)
        assert found.contribution == pytest.approx(expected, abs=1e-6)
        assert found.values.sum(dtype=np.float64) == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize(("head", "name"), [("svm", "support vector machine"), ("bayes", "naive Bayes")])
def test_a_curved_classifier_has_maps_and_no_contributions(head, name):
    case = replace(pooled(), head=head)
    explanation = explain_case(case, "malignant")
    np.testing.assert_array_equal(explanation.joint.values, explain_case(pooled(), "malignant").joint.values)
    assert explanation.rest is explanation.joint.contribution is explanation.maps[0].contribution is None
    assert name in why_no_contributions(head)


@pytest.mark.parametrize("head", ["pooled", "flatten", "logistic"])
def test_a_piecewise_linear_head_has_contributions(head):
    assert why_no_contributions(head) is None
    assert explain_case(replace(pooled(), head=head), "malignant").rest == pytest.approx(0.25, abs=1e-6)


def test_another_method_is_refused_with_what_there_is():
    with pytest.raises(BadInput, match=r"'lime'.*grad-cam, grad-cam\+\+, hirescam"):
        explain_case(pooled(), "malignant", "lime")
    assert check_method(" Grad-CAM ") == "grad-cam"


def test_an_unknown_class_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match=r"'benign'.*other, malignant"):
        explain_case(pooled(), "benign")


def test_a_layer_goes_by_branch_or_layer_name():
    one = pooled().branches[0]
    two = Branch("second", "second_out", one.activations * 2, one.weights)
    both = explained([one, two], margin=18.25)
    assert grad_cam(both, "malignant", "second").contribution == pytest.approx(12)
    assert grad_cam(both, "malignant", "tiny_relu").contribution == pytest.approx(6)
    with pytest.raises(BadInput, match=r"tiny \(tiny_relu\), second \(second_out\)"):
        grad_cam(both, "malignant", "conv1")
    with pytest.raises(BadInput, match="Several layers"):
        grad_cam(both, "malignant")


def test_a_batch_is_explained_a_case_at_a_time():
    branch = pooled().branches[0]
    batch = Branch("b", "l", np.repeat(branch.activations, 2, axis=0), np.repeat(branch.weights, 2, axis=0))
    with pytest.raises(ValueError, match="a case at a time"):
        grad_cam(explained([batch], margin=6.25), "malignant")


def test_maps_of_two_classes_are_not_added():
    with pytest.raises(ValueError, match="different classes"):
        joint_map([grid_map([[1]]), grid_map([[1]], label="other")])
    with pytest.raises(ValueError, match="at least one"):
        joint_map([])
