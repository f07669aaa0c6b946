"""Each guard on a map that sets it off, and on one just short of it."""

import numpy as np
import pytest

from tests.xai.fakes import heatmap_of
from xai.guards import border_share, hugs_border, judge, padding_share


def kinds(heatmap):
    return [caution.kind for caution in judge(heatmap)]


def peak_at(row, column, value=1.0, size=7):
    values = np.zeros((size, size))
    values[row, column] = value
    return values


def test_a_map_with_one_place_in_the_middle_is_let_pass():
    assert kinds(heatmap_of(peak_at(3, 3), scale=2)) == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros((3, 3)), "is blank"),
        (-np.eye(3), "is blank"),
        (np.ones((3, 3)), "same value everywhere"),
        (np.full((3, 3), np.nan), "not numbers"),
    ],
)
def test_a_blank_map_gets_one_sentence_that_says_why(values, words):
    (caution,) = judge(heatmap_of(values, scale=0.1))
    assert caution.kind == "blank"
    assert words in caution.sentence and "malignant" in caution.sentence


def test_saturated():
    values = peak_at(3, 3)
    values[1:6, :] = 1
    assert "saturated" in kinds(heatmap_of(values, scale=0.5))


def test_padding_is_lit_above_a_quarter():
    """A 16 x 32 image in 32 x 32: rows 8..24, so rows 2..5 of 8 hold image and the others none."""
    values = np.zeros((8, 8))
    values[3, 3], values[0, 0] = 3, 1
    assert padding_share(heatmap_of(values, native=(16, 32))) == pytest.approx(0.25)
    assert kinds(heatmap_of(values, native=(16, 32), scale=9)) == []
    values[0, 0] = 1.01
    (caution,) = judge(heatmap_of(values, native=(16, 32), scale=9))
    assert caution.kind == "padding" and "25%" in caution.sentence


def test_a_cell_that_is_half_image_counts_half():
    """A 16 x 32 image covers half of each of two rows of cells on a 2 x 2 grid."""
    assert padding_share(heatmap_of([[1, 0], [0, 0]], native=(16, 32))) == pytest.approx(0.5)


def test_border_needs_the_peak_and_over_half_of_the_evidence():
    values = peak_at(0, 3, 2.0)
    values[3, 3] = 1.9
    heatmap = heatmap_of(values, scale=9)
    assert border_share(heatmap) == pytest.approx(2 / 3.9)
    assert kinds(heatmap) == ["border"]
    values[3, 4] = 0.2
    assert kinds(heatmap_of(values, scale=9)) == []
    peak_inside = peak_at(3, 3, 1.0)
    peak_inside[0] = 0.9
    assert border_share(heatmap_of(peak_inside)) > 0.5
    assert not hugs_border(heatmap_of(peak_inside))


def test_the_border_is_that_of_the_image_and_not_of_the_padded_input():
    """Rows 2..5 of 8 hold image: row 2 is its border, row 0 is none of it."""
    at_border = heatmap_of(peak_at(2, 4, size=8), native=(16, 32), scale=9)
    inside = heatmap_of(peak_at(3, 4, size=8), native=(16, 32), scale=9)
    assert hugs_border(at_border) and not hugs_border(inside)


def test_evidence_spread_evenly_hugs_nothing():
    """On 4 x 4 cells the ring is three quarters of the image; here it holds 12.02 of 16.06, a little less."""
    values = np.ones((4, 4))
    values[0, 0], values[1:3, 1:3] = 1.02, 1.01
    heatmap = heatmap_of(values, scale=9)
    assert border_share(heatmap) == pytest.approx(12.02 / 16.06)
    assert not hugs_border(heatmap)
    values[1:3, 1:3] = 0.5
    assert hugs_border(heatmap_of(values, scale=9))


def test_a_grid_without_an_inside_has_no_border_to_hug():
    assert not hugs_border(heatmap_of([[1, 0], [0, 0]]))
