"""Occlusion by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai.methods import Target
from xai.methods.occlusion import occlusion, place_windows
from xai.methods.perturbation import filler

CLASSES = ("other", "malignant")
MALIGNANT = Target("malignant")


def total(images: np.ndarray) -> np.ndarray:
    """logit = the sum of all pixels."""
    logits = images.sum(axis=(1, 2, 3), dtype=np.float64)
    return np.stack([-logits, logits], axis=1)


def test_a_window_takes_away_what_it_covers():
    """4x4 pixels in windows of 2, side by side; black: the drop is the sum of the window."""
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    found = occlusion(image, total, MALIGNANT, CLASSES, 2, 2, "black")
    np.testing.assert_allclose(found, [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [8 + 9 + 12 + 13, 10 + 11 + 14 + 15]])
    assert found.dtype == np.float32
    np.testing.assert_allclose(occlusion(image, total, Target("other"), CLASSES, 2, 2, "black"), -found)
    # The mean, 7.5, in its place: 30 come back.
    np.testing.assert_allclose(occlusion(image, total, MALIGNANT, CLASSES, 2, 2), found - 30)


def test_padding_is_neither_covered_nor_computed():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    inside = np.zeros((4, 4), bool)
    inside[:, 1:3] = True
    asked = []

    def counting(images):
        asked.append(len(images))
        return total(images)

    found = occlusion(image, counting, MALIGNANT, CLASSES, 1, 1, "black", inside=inside)
    np.testing.assert_allclose(found, image[0, ..., 0] * inside)
    assert sum(asked) == 1 + 8
    # The mean of what is image: columns 1 and 2, 7.5.
    found = occlusion(image, total, MALIGNANT, CLASSES, 4, 4, "mean", inside=inside)
    np.testing.assert_allclose(found, [[0.0]], atol=1e-6)


def test_a_network_that_looks_at_nothing_gives_zeros():
    image = np.random.default_rng(0).random((1, 28, 28, 3), dtype=np.float32)
    noise = np.random.default_rng(1)

    def blind(images):  # as steady as single precision is
        return 50 + noise.normal(0, 1e-6, (len(images), 2))

    assert not occlusion(image, blind, MALIGNANT, CLASSES).any()


def test_the_defaults_on_a_usual_input():
    rows, columns = place_windows((224, 224))
    assert len(rows) == len(columns) == 14
    assert rows[0] == slice(0, 24) and rows[1] == slice(8, 40) and rows[-1] == slice(200, 224)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 60), st.integers(1, 60))
def test_windows_lie_inside_in_order_and_mirrored(height, width, window, stride):
    for side, slices in zip((height, width), place_windows((height, width), window, stride), strict=True):
        assert all(0 <= part.start < part.stop <= side for part in slices)
        mirrored = [slice(side - part.stop, side - part.start) for part in reversed(slices)]
        assert mirrored == slices


def test_a_flipped_image_has_the_flipped_map():
    image = np.random.default_rng(2).random((1, 30, 20, 1), dtype=np.float32)
    found = occlusion(image, total, MALIGNANT, CLASSES, 6, 4)
    flipped = occlusion(image[:, :, ::-1], total, MALIGNANT, CLASSES, 6, 4)
    np.testing.assert_allclose(flipped, found[:, ::-1], atol=1e-5)


def test_nothing_is_no_window():
    with pytest.raises(ValueError, match="covers nothing"):
        place_windows((8, 8), 0, 2)


def test_what_fills():
    image = np.zeros((1, 40, 40, 2), np.float32)
    image[0, :20, :, 0] = 1
    assert not filler(image, "black").any()
    np.testing.assert_allclose(filler(image, "mean")[3, 5], [0.5, 0.0])
    blurred = filler(image, "blur")
    assert blurred.shape == (40, 40, 2) and not blurred[..., 1].any()
    assert blurred[0, 0, 0] > 0.99 and 0.4 < blurred[19, 7, 0] < 0.6 and blurred[39, 0, 0] < 0.01
    with pytest.raises(ValueError, match="no baseline"):
        filler(image, "white")
