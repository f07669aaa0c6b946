"""Pointing within 15 pixels, other thresholds than the half, lesions found: by hand; Otsu against OpenCV."""

import time
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai.measures.localisation import (
    POINTING_TOLERANCE,
    Localisation,
    iou_at_share,
    iou_half_max,
    iou_otsu,
    lesion_hits,
    lesions_of,
    localise,
    pointing_hit,
    top_hit,
    tune_threshold,
)

# The map and mask of test_localisation.py: lit values 8, 6, 5, 4, 1; the lesion holds 8, 4, 1 and -2.
NATIVE = np.array([[8, 4, 0, 0], [1, -2, 0, 5], [0, 0, 0, 6], [0, -9, 0, 0]], np.float32)
MASK = np.zeros((4, 4), bool)
MASK[:2, :2] = True


def test_the_tolerance_is_fifteen_pixels_to_the_nearest_lesion_pixel():
    mask = np.zeros((60, 60), bool)
    mask[10:20, 10:20] = True
    native = np.zeros((60, 60), np.float32)
    for place, hit in (((19, 34), True), ((19, 35), False), ((28, 31), True), ((30, 30), False)):
        # (28, 31): 9 down and 12 right of (19, 19) are 15 pixels; (30, 30) is 15.6 away.
        native[:] = 0
        native[place] = 1
        found = localise(native, mask)
        assert not found.pointing and found.pointing_15 is hit
        assert pointing_hit(native, mask, POINTING_TOLERANCE) is hit
    native[:] = -1
    assert not localise(native, mask).pointing_15


def test_a_threshold_by_share_of_the_maximum_by_hand():
    # At or above 0.7 * 8 = 5.6: 8 and 6. One of them on the lesion of 4 pixels: 1 / 5.
    assert iou_at_share(NATIVE, MASK, 0.7) == pytest.approx(1 / 5)
    # From 0.05 * 8 = 0.4 all five positive values: 3 on the lesion, 2 beside, 1 of it dark.
    assert iou_at_share(NATIVE, MASK, 0.05) == pytest.approx(3 / 6)
    assert iou_at_share(NATIVE, MASK, 0.5) == iou_half_max(NATIVE, MASK)
    assert localise(NATIVE, MASK).iou_tuned is None
    assert localise(NATIVE, MASK, tuned=0.05).iou_tuned == pytest.approx(0.5)


def test_otsu_by_hand():
    # Of 8, 6, 5, 4, 1 the cut with the largest variance between: {1} from {4, 5, 6, 8} gives
    # 1 * 4 * (5.75 - 1)^2 = 90.25, {1, 4} from {5, 6, 8} 2 * 3 * (6.33 - 2.5)^2 = 88.2, {1, 4, 5} from
    # {6, 8} 3 * 2 * (7 - 3.33)^2 = 80.7. Lit are four, two of them on the lesion of four: 2 / 6.
    assert iou_otsu(NATIVE, MASK) == pytest.approx(2 / 6)
    assert localise(NATIVE, MASK).iou_otsu == iou_otsu(NATIVE, MASK)
    # One value only: all of it is lit.
    assert iou_otsu(MASK.astype(np.float32), MASK) == 1
    assert iou_otsu(-np.ones((4, 4), np.float32), MASK) == 0


def test_otsu_is_opencvs():
    """Whole levels of 0..255 with 255 taken, so that both use the same 256 steps."""
    import cv2

    for seed in range(12):
        rng = np.random.default_rng(seed)
        low, high = rng.normal(60, 25, 700), rng.normal(170, 30, 324)
        levels = np.clip(np.rint(np.concatenate([low, high])), 1, 255).astype(np.uint8).reshape(32, 32)
        levels[0, 0] = 255
        cut, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
        mask = levels > cut  # OpenCV's threshold is the darker class's highest level
        # A step of ours is 255 / 256 wide, so a level may fall on the other side of one edge.
        assert iou_otsu(levels.astype(np.float32), mask) > 0.98


def test_the_threshold_is_tuned_to_the_best_mean():
    inner, outer = np.zeros((20, 20), np.float32), np.zeros((20, 20), bool)
    inner[5:15, 5:15] = 0.42
    inner[8:12, 8:12] = 1.0
    outer[5:15, 5:15] = True
    # Up to 0.40 the outline is right, above only the core is lit: the middle of 0.05 .. 0.40 is 0.20.
    assert tune_threshold([(inner, outer)]) == pytest.approx(0.20)
    core = np.zeros((20, 20), bool)
    core[8:12, 8:12] = True
    # Two cases want the core, one the whole: from 0.45 to 0.95, the middle is 0.70.
    assert tune_threshold([(inner, core), (inner, outer), (inner, core)]) == pytest.approx(0.70)
    with pytest.raises(ValueError, match="without a case"):
        tune_threshold([])


def test_the_hottest_twentieth_by_hand():
    native = np.arange(400, dtype=np.float32).reshape(20, 20)
    mask = np.zeros((20, 20), bool)
    mask[0] = True
    # Twenty pixels are the hottest: the last row, 380 .. 399.
    mask[19, 0] = True
    assert top_hit(native, mask) and localise(native, mask).top5
    mask[19, 0], mask[18, 19] = False, True  # 379, the twenty-first
    assert not top_hit(native, mask)
    # A tie with the twentieth is in, a value of 0 never.
    native[18, 19] = 380
    assert top_hit(native, mask)
    assert not top_hit(np.minimum(native, 0), mask)


def test_lesions_are_counted_and_found_one_by_one():
    mask = np.zeros((40, 40), bool)
    mask[2:8, 2:8] = True
    mask[8, 8] = True  # touches by a corner: the same lesion
    mask[30:36, 30:36] = True
    mask[30:36, 2:8] = True
    native = np.zeros((40, 40), np.float32)
    native[3, 3], native[31, 31] = 2, 1
    np.testing.assert_array_equal(lesion_hits(native, mask), [True, False, True])
    found = localise(native, mask)
    assert (found.lesions, found.lesions_hit) == (3, 2)
    # Eighty pixels are the hottest; with a hundred above it, the second lesion's mark is lost.
    native[10:20, 10:20] = 1.5
    assert localise(native, mask).lesions_hit == 1


def test_stray_pixels_are_no_lesions():
    mask = np.zeros((100, 100), bool)
    mask[10:60, 10:60] = True  # 2500 pixels: a thousandth are 2.5
    mask[80, 80:82] = True
    mask[90, 10:13] = True
    labels, count = lesions_of(mask)
    assert count == 2 and labels[80, 80] == 0 and labels[90, 10] == 2 and labels.max() == 2
    alone = np.zeros((100, 100), bool)
    alone[3, 3] = True
    assert lesions_of(alone)[1] == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3), st.integers(2, 20))
def test_measures_lie_in_their_range_and_know_no_scale(seed, scale, side):
    rng = np.random.default_rng(seed)
    native = np.round(rng.normal(size=(side, side + 1)), 2).astype(np.float32)
    mask = rng.random(native.shape) < rng.uniform(0.05, 0.9)
    mask[0, 0] = True
    found, scaled = localise(native, mask, 0.3), localise(native * np.float32(2.0**4), mask, 0.3)
    assert found == scaled
    # Hits never grow fewer with more tolerance, and a peak on the lesion is among the hottest.
    assert found.pointing <= found.pointing_15 and found.pointing <= found.top5
    assert found.top5 <= (found.lesions_hit > 0) or found.lesions > 1
    assert 0 <= found.lesions_hit <= found.lesions
    for field in fields(Localisation):
        if field.name not in ("lesions", "lesions_hit"):
            assert 0 <= float(getattr(found, field.name)) <= 1
    # Dice and IoU of one pair of regions are one number; any scale leaves the order.
    assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))
    assert localise(native * np.float32(scale), mask).energy == pytest.approx(found.energy, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_more_of_a_lesion_is_lit_the_higher_the_iou(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((12, 12)) < 0.4
    mask[0, :2] = True
    order = rng.permutation(np.flatnonzero(mask))
    native, before = np.zeros(mask.shape, np.float32), 0.0
    for place in order:
        native.ravel()[place] = 1
        now = iou_half_max(native, mask)
        assert now > before
        before = now
    assert before == 1


def test_a_small_image_takes_milliseconds():
    rng = np.random.default_rng(0)
    native = rng.standard_normal((500, 500), dtype=np.float32)
    mask = np.zeros(native.shape, bool)
    mask[100:200, 150:300] = True
    took = []
    for _ in range(5):
        began = time.process_time()
        localise(native, mask, 0.4)
        took.append(time.process_time() - began)
    assert min(took) < 0.1
