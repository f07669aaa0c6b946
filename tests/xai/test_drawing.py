"""A heatmap drawn as colours, as contours and as both: the download is what the screen shows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.xai.fakes import SIDE, heatmap_of
from xai.drawing import contour_colour, draw_as
from xai.overlay import LESION_COLOUR, colour_table, draw_overlay, to_rgb

GREY = np.full((SIDE, SIDE), 90, np.uint8)
HOT = heatmap_of(np.kron([[1.0, 0.0], [0.0, 0.0]], np.ones((4, 4))))


def changed(rgb: np.ndarray) -> np.ndarray:
    return (rgb != to_rgb(GREY)).any(axis=2)


def drawn_in(rgb: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Whether a pixel has nearly that colour: lines are drawn with soft edges."""
    return bool((np.abs(rgb.astype(int) - colour).max(axis=2) < 40).any())


def test_colours_are_the_overlay():
    assert np.array_equal(draw_as(GREY, HOT), draw_overlay(GREY, HOT))


def test_contours_leave_the_inside_and_the_outside_as_they_are():
    drawn = changed(draw_as(GREY, HOT, "contours"))
    assert drawn.any() and not drawn[4, 4] and not drawn[28, 28]
    line = contour_colour("inferno", 0.75)
    assert line == tuple(colour_table("inferno")[223])
    assert drawn_in(draw_as(GREY, HOT, "contours"), line)


def test_both_is_the_colours_with_the_lines():
    both, colours = draw_as(GREY, HOT, "both"), draw_overlay(GREY, HOT)
    differs = (both != colours).any(axis=2)
    assert differs.any() and not differs[4, 4]


def test_a_mask_is_outlined_and_a_blank_map_adds_nothing():
    blank = heatmap_of(np.zeros((4, 4)))
    for drawing in ("colour", "contours", "both"):
        assert not changed(draw_as(GREY, blank, drawing)).any()
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:20, 10:20] = True
    assert drawn_in(draw_as(GREY, blank, "contours", mask=mask), LESION_COLOUR)


def test_an_image_of_another_size_is_the_same_picture():
    large = draw_as(np.full((4 * SIDE, 4 * SIDE), 90, np.uint8), HOT, "contours")
    assert large.shape == (4 * SIDE, 4 * SIDE, 3) and not (large[16, 16] != 90).any()


def test_an_unknown_drawing_is_refused():
    with pytest.raises(ValueError, match="colour, contours, both"):
        draw_as(GREY, HOT, "crayon")
