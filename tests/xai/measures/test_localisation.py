"""Localisation measures, by hand on 4 x 4 arrays and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.inputs import Placement
from xai.measures.baselines import baselines, ceiling_map, centre_map
from xai.measures.localisation import (
    average_precision,
    dice,
    energy_inside,
    iou_half_max,
    localise,
    peak,
    pointing_hit,
)

# Peak 8, half of it 4: lit are the pixels 8, 4, 5 and 6. The lesion holds 8, 4, 1 and -2.
NATIVE = np.array([[8, 4, 0, 0], [1, -2, 0, 5], [0, 0, 0, 6], [0, -9, 0, 0]], np.float32)
MASK = np.zeros((4, 4), bool)
MASK[:2, :2] = True


def test_by_hand():
    found = localise(NATIVE, MASK)
    assert found.pointing
    # Two pixels in both, two more lit, two more in the lesion: 2 / 6 and 2 * 2 / (4 + 4).
    assert found.iou == pytest.approx(1 / 3)
    assert found.dice == pytest.approx(0.5)
    # (8 + 4 + 1) of (8 + 4 + 1 + 5 + 6).
    assert found.energy == pytest.approx(13 / 24)
    # Lesion pixels in order: 8 is 1st of 1, 4 is 2nd of 4 (6 and 5 come before), 1 is 3rd of 5, and -2 counts
    # as 0, where all 16 are in.
    assert found.average_precision == pytest.approx((1 / 1 + 2 / 4 + 3 / 5 + 4 / 16) / 4)


def test_each_function_says_what_the_whole_says():
    found = localise(NATIVE, MASK)
    assert pointing_hit(NATIVE, MASK) == found.pointing
    assert iou_half_max(NATIVE, MASK) == found.iou
    assert dice(NATIVE, MASK) == found.dice
    assert energy_inside(NATIVE, MASK) == found.energy
    assert average_precision(NATIVE, MASK) == found.average_precision


def test_tolerance_is_zero():
    native = np.zeros((4, 4), np.float32)
    native[2, 2] = 1
    assert not pointing_hit(native, MASK)
    native[1, 1] = 1.1
    assert pointing_hit(native, MASK)


def test_ties_go_to_the_pixel_nearest_their_centroid():
    native = np.zeros((4, 4), np.float32)
    native[0, [0, 1, 2]] = 3
    assert peak(native) == (0, 1)
    # Two equally near: the first by rows, then columns.
    native[0] = [3, 0, 3, 0]
    assert peak(native) == (0, 0)
    native[:] = 3
    assert peak(native) == (1, 1)
    # Far from all the others, a tied pixel on the lesion does not make a hit.
    native[:] = 0
    native[0, 0] = native[2, 3] = native[3, 2] = native[3, 3] = native[2, 2] = 3
    assert peak(native) == (2, 2) and not pointing_hit(native, MASK)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_a_map_without_evidence_has_found_nothing(value):
    found = localise(np.full((4, 4), value, np.float32), MASK)
    assert (found.pointing, found.iou, found.dice, found.energy, found.average_precision) == (
        False,
        0,
        0,
        0,
        0,
    )


def test_the_perfect_map():
    found = localise(MASK.astype(np.float32), MASK)
    assert (found.pointing, found.iou, found.dice, found.energy, found.average_precision) == (
        True,
        1,
        1,
        1,
        1,
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.sampled_from([2, 5, 1000]))
def test_average_precision_is_scikit_learns(seed, side, levels):
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    native = (rng.integers(-levels // 2, levels, (side, side + 1)) / levels).astype(np.float32)
    mask = rng.random(native.shape) < rng.random()
    mask[0, 0] = True
    native[0, 1] = 1.0
    expected = average_precision_score(mask.ravel(), np.maximum(native, 0).ravel())
    assert average_precision(native, mask) == pytest.approx(expected)


def test_a_large_native_image_is_quick():
    """Twelve megapixels; the limit is several times what it takes here, and far below an index sort."""
    import time

    rng = np.random.default_rng(0)
    native = rng.standard_normal((3000, 4000), dtype=np.float32)
    mask = np.zeros(native.shape, bool)
    mask[500:1500, 500:2000] = True
    began = time.process_time()
    localise(native, mask)
    assert time.process_time() - began < 2


def test_what_measures_nothing_is_refused():
    with pytest.raises(ValueError, match="without a lesion pixel"):
        localise(NATIVE, np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="one size"):
        localise(NATIVE, MASK[:3])
    with pytest.raises(ValueError, match="bool"):
        localise(NATIVE, MASK.astype(np.uint8))


def test_the_centre_map_peaks_in_the_middle_and_knows_no_model():
    blob = centre_map((30, 40))
    assert blob.shape == (30, 40) and peak(blob) == (14, 19)
    np.testing.assert_allclose(blob, blob[::-1, ::-1])


def test_a_lesion_that_fills_cells_is_shown_whole_by_the_ceiling():
    mask = np.zeros((32, 32), bool)
    mask[8:16, 16:24] = True
    placement = Placement.fitting((32, 32), (32, 32))
    ceiling = ceiling_map(mask, placement, (4, 4))
    # The cell's own centre lies between pixels 11 and 12: interpolation leaves 15/16 of 1 a side.
    assert ceiling.max() == pytest.approx((15 / 16) ** 2)
    assert ceiling[11, 19] == ceiling.max() and ceiling[0, 0] == 0
    found = baselines(mask, placement, (4, 4))
    assert found["ceiling"].pointing and found["ceiling"].iou > 0.5
    assert found["ceiling"].iou > found["centre"].iou


def test_the_ceiling_averages_over_cells_that_split_pixels():
    """Ten pixels over four cells of 2.5: a lesion of three rows fills cell 0 and a fifth of cell 1."""
    mask = np.zeros((10, 10), bool)
    mask[:3] = True
    ceiling = ceiling_map(mask, Placement.fitting((10, 10), (10, 10)), (4, 4))
    assert ceiling[0, 0] == pytest.approx(1.0)
    # Cell 1's centre is at 3.75, pixel 3's at 3.5: a tenth of the way back to cell 0.
    assert ceiling[3, 5] == pytest.approx(0.2 + 0.1 * 0.8, abs=1e-6)
