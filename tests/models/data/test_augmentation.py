"""Stain jitter: what one changed concentration does, by hand."""

import numpy as np
import pytest

from models.data.augmentation import _STAINS, Augmentation, _restained


def pictured(concentrations):
    return np.exp(-np.asarray(concentrations, float) @ _STAINS).astype(np.float32).reshape(1, 1, 3)


def test_a_stain_s_concentration_is_scaled_and_shifted():
    # Twice the haematoxylin, eosin a tenth more, no third stain.
    change = np.array([[1.0, 0.0, 0.0], [0.0, 0.1, 0.0]])
    changed = _restained(pictured([0.3, 0.2, 0.0]), change)
    np.testing.assert_allclose(changed, pictured([0.6, 0.3, 0.0]), rtol=1e-5)


def test_no_change_is_no_change():
    image = np.random.default_rng(1).uniform(0.01, 1, (8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(_restained(image, np.zeros((2, 3))), image, atol=1e-6)


def test_stain_jitter_changes_colour_within_bounds_and_leaves_grey_alone():
    image = np.broadcast_to(pictured([0.4, 0.3, 0.0]), (16, 16, 3)).copy()
    made = [Augmentation(stain=0.1)(image, None, np.random.default_rng(i))[0] for i in range(20)]
    low = pictured([0.4 * 1.1 + 0.1, 0.3 * 1.1 + 0.1, 0.1])
    high = pictured([0.4 * 0.9 - 0.1, 0.3 * 0.9 - 0.1, -0.1])
    inner = np.stack(made)[:, 4:12, 4:12]
    assert (inner >= low - 1e-4).all() and (inner <= high + 1e-4).all()
    assert inner.std(axis=0).min() > 1e-3
    grey = np.full((16, 16, 1), 0.5, np.float32)
    np.testing.assert_allclose(
        Augmentation(stain=0.5)(grey, None, np.random.default_rng(1))[0][4:12, 4:12], 0.5, atol=1e-6
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_grey_image_draws_what_it_drew_before_there_was_stain_jitter(seed):
    image = np.random.default_rng(9).random((12, 12, 1), dtype=np.float32)
    fields = {"flip": True, "noise": 0.05, "contrast": 0.2}
    with_stain = Augmentation(**fields, stain=0.5)(image, None, np.random.default_rng(seed))[0]
    without = Augmentation(**fields)(image, None, np.random.default_rng(seed))[0]
    np.testing.assert_array_equal(with_stain, without)
