"""Colours that follow a fixed scale, contours and outlines."""

import numpy as np
import pytest

from tests.xai.fakes import heatmap_of
from xai.overlay import (
    COLOUR_MAPS,
    blend,
    colour_table,
    contours,
    draw_outline,
    draw_overlay,
    mask_outline,
    to_rgb,
)

GREY = np.full((6, 5), 100, np.uint8)


def test_no_evidence_leaves_the_image_untouched():
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    for nothing in (np.zeros((40, 30)), np.full((40, 30), -5.0), np.full((40, 30), np.nan)):
        np.testing.assert_array_equal(blend(image, nothing.astype(np.float32), scale=1.0), image)


def test_blend_by_hand():
    """A fifth of the scale is level 51 of 255 and two fifths of the way to full opacity, 0.8."""
    native = np.zeros(GREY.shape, np.float32)
    native[2, 3], native[0, 0] = 0.2, 7.0
    drawn = blend(GREY, native, scale=1.0, opacity=0.8, colours="viridis")
    share = 0.8 * 0.4
    expected = 100 * (1 - share) + share * colour_table("viridis")[51].astype(float)
    np.testing.assert_allclose(drawn[2, 3], expected, atol=0.51)
    full = 100 * 0.2 + 0.8 * colour_table("viridis")[255].astype(float)
    np.testing.assert_allclose(drawn[0, 0], full, atol=0.51)
    assert drawn.dtype == np.uint8 and (drawn[5, 4] == 100).all()


def test_the_scale_is_fixed_so_noise_stays_faint():
    noise = np.random.default_rng(1).uniform(0, 1e-3, GREY.shape).astype(np.float32)
    drawn = blend(GREY, noise, scale=1.0)
    np.testing.assert_array_equal(drawn, to_rgb(GREY))


def test_the_image_and_the_map_are_left_as_they_were():
    image, native = GREY.copy(), np.ones(GREY.shape, np.float32)
    image.setflags(write=False)
    native.setflags(write=False)
    blend(image, native, 1.0)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_colour_tables_are_rgb(name):
    table = colour_table(name)
    assert table.shape == (256, 3) and table.dtype == np.uint8
    assert not table.flags.writeable


def test_tables_are_not_taken_for_bgr():
    assert colour_table("inferno")[128, 0] > colour_table("inferno")[128, 2]  # warm in the middle
    assert colour_table("jet")[0, 2] > colour_table("jet")[0, 0]  # begins blue


@pytest.mark.parametrize("name", [name for name in COLOUR_MAPS if name != "jet"])
def test_the_uniform_tables_rise_in_lightness(name):
    luminance = colour_table(name) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance[::8]) > 0).all()


def test_a_blank_heatmap_is_not_drawn():
    heatmap = heatmap_of(np.ones((4, 4)), native=(6, 5), scale=0.5)
    np.testing.assert_array_equal(draw_overlay(GREY, heatmap), to_rgb(GREY))


def test_a_drawn_heatmap_lights_its_place():
    values = np.zeros((4, 4))
    values[0, 0] = 1
    drawn = draw_overlay(np.zeros((32, 32), np.uint8), heatmap_of(values))
    assert drawn[3, 3].sum() > 200 and drawn[31, 31].sum() == 0


def test_contour_of_a_square_by_hand():
    native = np.zeros((10, 12), np.float32)
    native[2:6, 3:9] = 0.5
    (found,) = contours(native, scale=1.0, levels=(0.5, 0.9))
    assert found.level == 0.5
    assert {tuple(point) for point in found.points.tolist()} == {(3, 2), (8, 2), (8, 5), (3, 5)}


def test_contours_come_lowest_level_first_and_holes_have_their_own():
    native = np.zeros((20, 20), np.float32)
    native[2:18, 2:18] = 0.3
    native[6:14, 6:14] = 0.8
    native[9:11, 9:11] = 0
    assert [c.level for c in contours(native, 1.0, (0.75, 0.25))] == [0.25, 0.25, 0.75, 0.75]
    with pytest.raises(ValueError, match="fractions"):
        contours(native, 1.0, (0.0,))


def test_mask_outline_surrounds_every_region():
    mask = np.zeros((20, 20), bool)
    mask[1:4, 1:4] = mask[10:15, 10:15] = True
    boxes = sorted((tuple(line.min(axis=0)), tuple(line.max(axis=0))) for line in mask_outline(mask))
    assert boxes == [((1, 1), (3, 3)), ((10, 10), (14, 14))]


def test_outline_is_drawn_on_a_copy():
    rgb = np.zeros((20, 20, 3), np.uint8)
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    drawn = draw_outline(rgb, mask_outline(mask), (255, 0, 0))
    assert not rgb.any()
    # Smoothed, so not fully red.
    assert drawn[5, 10, 0] > 200 and not drawn[5, 10, 1:].any() and not drawn[10, 10].any()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="does not lie"):
        blend(GREY, np.zeros((5, 6), np.float32), 1.0)
    with pytest.raises(ValueError, match="positive"):
        blend(GREY, np.zeros(GREY.shape, np.float32), 0.0)
    with pytest.raises(ValueError, match="no colour map 'rainbow'"):
        blend(GREY, np.zeros(GREY.shape, np.float32), 1.0, colours="rainbow")
    with pytest.raises(ValueError, match="uint8"):
        to_rgb(np.zeros((2, 2)))
