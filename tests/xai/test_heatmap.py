"""When a map is blank and when it is saturated, and how it lies on the native image."""

import numpy as np
import pytest

from models.inputs import Placement
from tests.xai.fakes import grid_map, heatmap_of
from xai.heatmap import Heatmap


def test_extremes_are_absolute_and_signed():
    heatmap = heatmap_of([[0.5, -2.0], [0.25, 0.0]], scale=4.0)
    assert (heatmap.maximum, heatmap.minimum, heatmap.scale) == (0.5, -2.0, 4.0)
    assert heatmap.grid == (2, 2)
    assert not heatmap.blank


def test_native_geometry_and_rectification():
    heatmap = heatmap_of([[1.0, -1.0]], native=(16, 32), fit="stretch")
    native = heatmap.native()
    assert native.shape == (16, 32) and native.dtype == np.float32
    # Cell centres at 8 and 24 of 32 columns: level outside of them, zero halfway.
    assert native[0, 0] == 1 and native[15, 31] == -1
    assert native[5, 15] == pytest.approx(-native[5, 16])
    np.testing.assert_array_equal(heatmap.rectified(), np.maximum(native, 0))


@pytest.mark.parametrize(
    "values",
    [
        [[0, 0], [0, 0]],
        [[1e-6, 0], [0, -1]],
        [[-3, -1], [-2, -1]],
        [[0.5, 0.5], [0.5, 0.5]],
        [[np.nan, 1], [0, 0]],
        [[np.inf, 1], [0, 0]],
        [[5]],
    ],
    ids=["zero", "below a millionth", "all against", "constant", "not a number", "infinite", "one cell"],
)
def test_a_map_that_points_nowhere_is_blank(values):
    heatmap = heatmap_of(values, scale=0.1)
    assert heatmap.blank
    assert not heatmap.saturated


def test_small_but_real_evidence_is_not_blank():
    assert not heatmap_of([[2e-5, 0], [0, 0]]).blank


def test_evidence_in_padding_alone_is_blank():
    """An 8 x 32 image in a 32 x 32 input covers rows 12..20: of 8 rows of cells only 3 and 4 hold image."""
    values = np.zeros((8, 8))
    values[0] = 3
    heatmap = heatmap_of(values, native=(8, 32))
    assert heatmap.maximum == 3
    assert heatmap.blank
    values[3, 2] = 0.1
    assert not heatmap_of(values, native=(8, 32)).blank


def test_saturated_is_over_half_of_the_image_at_the_top_of_the_scale():
    assert not heatmap_of([[1, 1], [0, 0]]).saturated
    assert heatmap_of([[1, 1.5], [1, 0]]).saturated
    assert not heatmap_of([[1, 1.5], [0.99, 0]]).saturated
    assert not heatmap_of([[1, 1.5], [1, 0]], scale=1.2).saturated


def test_saturation_counts_image_and_not_padding():
    values = np.zeros((8, 8))
    values[3:5, :5] = 2
    # 10 of the 64 cells, but 10 of the 16 that hold image.
    assert heatmap_of(values, native=(8, 32)).saturated
    assert not heatmap_of(values).saturated


def relative(values, native=(32, 32)):
    return Heatmap.relative_to_itself(grid_map(values), Placement.fitting(native, (32, 32), "pad"))


def test_a_relative_map_has_its_own_maximum_as_scale():
    heatmap = relative([[40.0, -900.0], [10.0, 0.0]])
    assert heatmap.relative and heatmap.scale == 40 and not heatmap.blank
    assert not heatmap_of([[1, 0]]).relative
    # Unit and size may be anything: a millionth of a logit says nothing here.
    assert not relative([[3e-9, 0], [0, 0]]).blank
    values = np.zeros((8, 8))
    values[0, 0], values[3, 2] = 9, 2
    assert relative(values, native=(8, 32)).scale == 2, "rows of padding do not count"


@pytest.mark.parametrize(
    "values",
    [[[0, 0], [0, 0]], [[-3, -1], [-2, -1]], [[7, 7], [7, 7]], [[np.nan, 1], [0, 0]]],
    ids=["zero", "all against", "constant", "not a number"],
)
def test_a_relative_map_without_positive_spread_is_blank(values):
    heatmap = relative(values)
    assert heatmap.blank and heatmap.scale > 0
