"""Score-CAM by hand, on networks that can be read."""

import numpy as np
import pytest

from models.engines import Branch, Explained
from xai.cam import GridMap, joint_map
from xai.methods import Cancelled, Target
from xai.methods.score_cam import count_masks, score_cam

CLASSES = ("other", "malignant")
MALIGNANT = Target("malignant")


def answer(*channels: list, name: str = "tiny") -> Branch:
    """A branch of these channels, [gh, gw] each."""
    maps = np.stack([np.array(channel, np.float32) for channel in channels], axis=-1)[None]
    return Branch(name, f"{name}_relu", maps, np.zeros((1, 2, maps.shape[-1]), np.float32))


def explained(*branches: Branch) -> Explained:
    zeros = np.zeros((1, 1), np.float32)
    return Explained("tiny", CLASSES, zeros, np.full((1, 2), 0.5), np.zeros((1, 2)), branches, "by hand")


def predict(images: np.ndarray) -> np.ndarray:
    """logit = the top left pixel plus twice the bottom right one."""
    logits = images[:, 0, 0, 0] + 2 * images[:, -1, -1, 0]
    return np.stack([-logits, logits], axis=1)


IMAGE = np.ones((1, 2, 2, 1), np.float32)
TOP_LEFT, BOTTOM_RIGHT = [[4, 0], [0, 0]], [[0, 0], [0, 2]]


def test_a_channel_weighs_what_the_image_seen_through_it_is_worth():
    """Masks: the pixel alone, worth 1 and 2 logits. Softmax: 1 / (1 + e) and e / (1 + e). Activations in
    their highest, 4: 1 and 0.5. Four cells."""
    ((name, values),) = score_cam(
        explained(answer(TOP_LEFT, BOTTOM_RIGHT)), IMAGE, predict, MALIGNANT, CLASSES
    )
    low, high = 1 / (1 + np.e), np.e / (1 + np.e)
    assert name == "tiny" and values.dtype == np.float32
    np.testing.assert_allclose(values, [[low / 4, 0], [0, 0.5 * high / 4]], rtol=1e-6)


def test_the_other_class_turns_the_weights_around():
    ((_, values),) = score_cam(
        explained(answer(TOP_LEFT, BOTTOM_RIGHT)), IMAGE, predict, Target("other"), CLASSES
    )
    np.testing.assert_allclose(values[0, 0], np.e / (1 + np.e) / 4, rtol=1e-6)


def test_the_softmax_runs_over_all_branches_and_they_add_up():
    branches = answer(TOP_LEFT, name="a"), answer(BOTTOM_RIGHT, name="b")
    found = dict(score_cam(explained(*branches), IMAGE, predict, MALIGNANT, CLASSES))
    low, high = 1 / (1 + np.e), np.e / (1 + np.e)
    np.testing.assert_allclose(found["a"], [[low / 4, 0], [0, 0]], rtol=1e-6)
    # In its own highest activation, so neither trunk's scale makes it louder.
    np.testing.assert_allclose(found["b"], [[0, 0], [0, high / 4]], rtol=1e-6)


def test_branches_of_different_grids_are_equally_loud_place_by_place():
    """Both masks show half of the image, so each channel's weight is a half: the joint map's sum is that half
    of each branch's mean activation, however many cells it has."""
    coarse, fine = [[0, 1]], [[0, 0, 1, 1]]
    image = np.ones((1, 1, 4, 1), np.float32)
    found = score_cam(
        explained(answer(coarse, name="coarse"), answer(fine, name="fine")),
        image,
        lambda images: np.stack([-images.sum((1, 2, 3)), images.sum((1, 2, 3))], axis=1),
        MALIGNANT,
        CLASSES,
    )
    maps = [GridMap(values, name, name, "score-cam", "malignant", None) for name, values in found]
    np.testing.assert_allclose([m.values.sum() for m in maps], 0.25, rtol=1e-6)
    np.testing.assert_allclose(joint_map(maps).values.sum(), 0.5, rtol=1e-6)


def test_only_the_channels_that_differ_most_over_space_are_asked():
    flat, weak, strong = [[3, 3], [3, 3]], [[1, 0], [0, 0]], [[0, 0], [0, 9]]
    asked = []

    def counting(images):
        asked.append(len(images))
        return predict(images)

    given = explained(answer(flat, weak, strong))
    ((_, values),) = score_cam(given, IMAGE, counting, MALIGNANT, CLASSES, masks=1)
    assert asked == [1, 1] and count_masks(given, 1) == 1 and count_masks(given) == 2
    np.testing.assert_allclose(values, [[0, 0], [0, 0.25]], rtol=1e-6)


def test_a_dead_trunk_and_a_network_that_looks_at_nothing_give_no_map():
    dead = explained(answer(np.zeros((2, 2)), np.ones((2, 2))))
    ((_, values),) = score_cam(dead, IMAGE, predict, MALIGNANT, CLASSES)
    assert not values.any()
    blind = explained(answer(TOP_LEFT, BOTTOM_RIGHT))
    ((_, values),) = score_cam(
        blind, IMAGE, lambda images: np.full((len(images), 2), 7.0), MALIGNANT, CLASSES
    )
    assert not values.any()


def test_it_can_be_watched_and_stopped():
    def stop(done: int, total: int) -> None:
        assert (done, total) == (0, 2)
        raise Cancelled

    with pytest.raises(Cancelled):
        score_cam(explained(answer(TOP_LEFT, BOTTOM_RIGHT)), IMAGE, predict, MALIGNANT, CLASSES, watch=stop)
