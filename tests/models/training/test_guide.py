"""The explanation-guided term by hand, and what it does to a network in a few steps."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

pytest.importorskip("keras")
pytestmark = pytest.mark.tf

import keras  # noqa: E402

from models.data.arrays import Arrays  # noqa: E402
from models.training.guide import STEEPNESS, guide_loss, joint_heat  # noqa: E402
from models.training.loader import Cases, Lesions  # noqa: E402


def loss(heat, lesion) -> float:
    return float(keras.ops.convert_to_numpy(guide_loss(np.float32([heat]), np.float32([lesion]), 0.1))[0])


def test_the_term_by_hand():
    """Heat 4 on one of four cells, 0 elsewhere; the lesion is that cell.

    Mass: softmax puts e^4 / (e^4 + 3) = 0.9479 on it. Region: sigmoid(10 (1 - 0.5)) = 0.99331 there and
    sigmoid(-5) = 0.00669 thrice; Dice 2 * 0.99331 / (0.99331 + 3 * 0.00669 + 1) = 0.98669.
    """
    assert STEEPNESS == 10.0
    by_hand = 1 - 0.98669 - 0.1 * np.log(0.9479)
    assert loss([[4, 0], [0, 0]], [[1, 0], [0, 0]]) == pytest.approx(by_hand, abs=1e-4)


def test_heat_beside_the_lesion_costs_more_than_heat_on_it():
    lesion = [[1, 0], [0, 0]]
    on, beside, cold = [[4, 0], [0, 0]], [[0, 0], [0, 4]], [[-4, 0], [0, 0]]
    assert loss(on, lesion) < 0.05 < loss(beside, lesion)
    assert loss(cold, lesion) > loss(on, lesion) + 0.5


def test_a_point_inside_a_large_lesion_costs_more_than_heat_that_covers_it():
    lesion = np.zeros((6, 6))
    lesion[1:5, 1:5] = 1
    point = np.zeros((6, 6))
    point[2, 2] = 5
    assert loss(lesion * 5, lesion) < loss(point, lesion)


def test_a_map_without_positive_heat_gives_a_finite_loss():
    assert np.isfinite(loss([[-1, -2], [-3, -1]], [[1, 0], [0, 0]]))
    assert np.isfinite(loss([[0, 0], [0, 0]], [[0, 0], [0, 1]]))


def test_the_joint_heat_is_the_chosen_class_s_map_with_the_coarser_branch_spread():
    """A branch of one cell that says 8 spreads as 2 in each of four cells, on top of the finer branch."""
    outputs = {
        "activations_fine": np.float32([[[[1.0], [2.0]], [[3.0], [4.0]]]]),
        "channel_weights_fine": np.float32([[[-10.0], [10.0]]]),
        "activations_coarse": np.float32([[[[4.0]]]]),
        "channel_weights_coarse": np.float32([[[-2.0], [2.0]]]),
    }
    heat = joint_heat(outputs, ("fine", "coarse"), np.array([1]))
    np.testing.assert_allclose(heat, [[[12.0, 22.0], [32.0, 42.0]]], atol=1e-4)
    other = joint_heat(outputs, ("fine", "coarse"), np.array([0]))
    np.testing.assert_allclose(other, [[[-12.0, -22.0], [-32.0, -42.0]]], atol=1e-4)


def arrays(n=6, side=32):
    images = np.zeros((n, side, side, 1), np.uint8)
    masks = np.zeros((n, side, side), np.uint8)
    masks[:, 8:16, 8:16] = 255
    masks[-1] = 0
    return Arrays(images, masks, np.array([True] * (n - 2) + [False, True]))


def test_one_logit_learns_from_the_positive_class_s_masks_alone():
    labels = np.array([0, 1, 0, 1, 1, 1])
    taught = Lesions.of(arrays(), labels, (4, 4), logits=1, positive=1).taught
    assert taught.tolist() == [0, 1, 0, 1, 0, 0]  # the last two have no mask and an empty one
    assert Lesions.of(arrays(), labels, (4, 4), logits=3, positive=1).taught.tolist() == [1, 1, 1, 1, 0, 0]


def test_a_batch_carries_the_share_of_each_cell_that_is_lesion():
    labels = np.array([0, 1, 0, 1, 1, 1])
    lesions = Lesions.of(arrays(), labels, (4, 4), 1, 1)
    _, target, _ = Cases(arrays(), labels, np.ones(6), 4, lesions=lesions)[0]
    expected = np.zeros((4, 4))
    expected[1, 1] = 1
    np.testing.assert_allclose(target["lesion"][0], expected)
    assert target["masked"].tolist() == [0, 1, 0, 1]


def test_even_batches_draw_every_class_alike_and_anew_each_epoch():
    labels = np.array([0] * 9 + [1])
    pack = arrays(10)
    cases = Cases(pack, labels, np.ones(10), 5, seed=3, even=True)
    drawn = labels[cases.order]
    assert len(drawn) == 10
    assert drawn.sum() == 5
    first = cases.order.copy()
    cases.begin_epoch(1)
    assert first.tolist() != cases.order.tolist()


def test_guided_training_moves_the_heat_onto_the_lesion():
    """The same network with and without the term, on pictures with a shortcut beside the lesion."""
    from models.networks.graph import NetworkSpec, build_network
    from models.training.trainee import Guided

    rng = np.random.default_rng(0)
    images = rng.uniform(0.3, 0.5, (16, 32, 32, 1)).astype(np.float32)
    labels = np.arange(16) % 2
    images[labels == 1, 4:12, 4:12] += 0.4  # the lesion
    images[labels == 1, 20:28, 20:28] += 0.4  # a shortcut that tells the same
    lesion = np.zeros((16, 2, 2), np.float32)
    lesion[:, 0, 0] = 1
    target = {"label": labels.astype(np.int32), "lesion": lesion, "masked": labels.astype(np.float32)}
    shares = {}
    for weight in (0.0, 5.0):
        keras.utils.set_random_seed(1)
        network = build_network(NetworkSpec(("compact",), (), 2, 1, 32, 32))
        trainee = Guided(network.model, ("compact",), weight, 0.1, 1)
        trainee.compile(optimizer=keras.optimizers.Adam(3e-3), jit_compile=False)
        trainee.fit(images, target, epochs=12, batch_size=16, verbose=0)
        heat = np.asarray(joint_heat(network.model(images), ("compact",), labels))[labels == 1]
        shares[weight] = float((heat.reshape(8, -1).argmax(axis=1) == 0).mean())
    assert shares[5.0] >= 0.9
    assert shares[5.0] >= shares[0.0]
