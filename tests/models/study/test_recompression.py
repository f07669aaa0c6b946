"""Pixels through JPEG in memory."""

import numpy as np
import pytest

from models.study.recompression import jpeg_round_trip


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_come_back_nearly_as_they_were(channels):
    rows, columns = np.mgrid[:40, :56]
    plane = (100 + 60 * np.sin(rows / 9) + 30 * np.cos(columns / 7)).astype(np.uint8)
    pixels = np.repeat(plane[..., None], channels, axis=2)
    back = jpeg_round_trip(pixels, 75)
    assert back.shape == pixels.shape and back.dtype == np.uint8
    worst, coarse = (np.abs(jpeg_round_trip(pixels, q).astype(int) - pixels).max() for q in (90, 5))
    assert 0 < worst < 8 < coarse


def test_flat_pixels_stay():
    flat = np.full((16, 16, 1), 130, np.uint8)
    np.testing.assert_array_equal(jpeg_round_trip(flat), flat)
