"""RISE: its masks, and maps of networks whose answer is known."""

import numpy as np
import pytest

from xai.methods import Target
from xai.methods.rise import draw_masks, rise

CLASSES = ("other", "malignant")
MALIGNANT = Target("malignant")


def looking_at(rows: slice, columns: slice, worth: float = 1.0):
    """logit = worth x the mean of that part."""

    def predict(images: np.ndarray) -> np.ndarray:
        logits = worth * images[:, rows, columns].mean(axis=(1, 2, 3))
        return np.stack([-logits, logits], axis=1)

    return predict


def test_masks_keep_half_of_everything():
    masks = draw_masks(400, (30, 21), 7, 0.5, np.random.default_rng(0))
    assert masks.shape == (400, 30, 21) and masks.dtype == np.float32
    assert masks.min() >= 0 and masks.max() <= 1
    np.testing.assert_allclose(masks.mean(axis=0), 0.5, atol=0.12)
    # Enlarged from a coarse grid: neighbours are alike, places a cell apart are not.
    change = np.abs(np.diff(masks, axis=1)).mean()
    assert change < 0.5 * np.abs(masks[:, 8:] - masks[:, :-8]).mean()


def test_what_the_network_looks_at_is_hot_and_nothing_else():
    image = np.ones((1, 28, 28, 1), np.float32)
    found = rise(image, looking_at(slice(4, 8), slice(16, 20)), MALIGNANT, CLASSES, masks=600)
    assert found.shape == (28, 28) and found.dtype == np.float32
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 2 <= row < 10 and 14 <= column < 22
    # Far away it is chance: a tenth of the peak with so many masks.
    assert np.abs(found[16:, :12]).max() < 0.25 * found.max()


def test_by_hand_with_masks_of_whole_cells():
    """Masks that show or hide the image as a whole: the mean where it is seen is the whole logit, the mean
    over all masks is that times the share of masks that show it."""
    image = np.ones((1, 8, 8, 1), np.float32)
    rng = np.random.default_rng(3)
    drawn = draw_masks(16, (8, 8), 1, 0.25, rng)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    share = drawn[:, 0, 0].mean()
    found = rise(image, looking_at(slice(None), slice(None), 3.0), MALIGNANT, CLASSES, 16, 1, 0.25, seed=3)
    np.testing.assert_allclose(found, 3.0 * (1 - share), rtol=1e-5)


def test_the_other_class_has_the_opposite_map():
    image = np.random.default_rng(1).random((1, 16, 16, 1), dtype=np.float32)
    predict = looking_at(slice(0, 8), slice(0, 8))
    found = rise(image, predict, MALIGNANT, CLASSES, masks=40)
    np.testing.assert_allclose(rise(image, predict, Target("other"), CLASSES, masks=40), -found, atol=1e-6)


def test_a_seed_is_a_map():
    image = np.ones((1, 16, 16, 1), np.float32)
    predict = looking_at(slice(0, 8), slice(0, 8))
    first, again, other = (rise(image, predict, MALIGNANT, CLASSES, 40, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)


@pytest.mark.parametrize("logit", [0.0, -40.0, 1e4])
def test_a_network_that_looks_at_nothing_gives_zeros(logit):
    image = np.ones((1, 16, 16, 1), np.float32)
    found = rise(image, lambda images: np.full((len(images), 2), logit), MALIGNANT, CLASSES, masks=20)
    assert not found.any()
