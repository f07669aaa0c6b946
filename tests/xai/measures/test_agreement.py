"""Agreement of two heatmaps: by hand, and against SciPy."""

import numpy as np
import pytest

from models.inputs import Placement
from tests.xai.fakes import grid_map, heatmap_of
from xai.heatmap import Heatmap
from xai.measures.agreement import (
    Agreement,
    agreement,
    agreements,
    mean_ranks,
    on_common_grid,
    top_area,
)


def ramp(gh=8, gw=8, flip=False):
    values = np.arange(gh * gw, dtype=np.float32).reshape(gh, gw) + 1
    return values[::-1, ::-1] if flip else values


def test_a_map_agrees_with_itself_and_with_its_square():
    """Only the order counts: scale and steepness do not."""
    first, second = heatmap_of(ramp()), heatmap_of(100 * ramp(), scale=7.0)
    found = agreement(first, second)
    assert found.rank == pytest.approx(1.0)
    assert found.overlap == 1.0
    assert not found.apart and not found.why


def test_opposite_maps_are_apart():
    found = agreement(heatmap_of(ramp()), heatmap_of(ramp(flip=True)))
    assert found.rank == pytest.approx(-1.0)
    assert found.overlap == 0.0
    assert found.apart


def test_the_rank_is_spearmans():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    first, second = (heatmap_of(rng.normal(size=(7, 7))) for _ in range(2))
    expected = spearmanr(on_common_grid(first).ravel(), on_common_grid(second).ravel()).statistic
    assert agreement(first, second).rank == pytest.approx(expected, abs=1e-12)
    assert agreement(second, first) == agreement(first, second)


def test_ranks_with_ties_are_scipys():
    from scipy.stats import rankdata

    values = np.random.default_rng(1).integers(0, 9, (12, 5)).astype(np.float32)
    np.testing.assert_array_equal(mean_ranks(values), rankdata(values))
    np.testing.assert_array_equal(mean_ranks(np.array([3.0, 1, 3, 3])), [3, 1, 3, 3])


def test_the_top_area_by_hand():
    values = np.arange(20.0).reshape(4, 5) - 10
    # A tenth of 20 places: the two highest, 8 and 9.
    assert np.flatnonzero(top_area(values)).tolist() == [18, 19]
    # Ties with the last one are in, places without evidence never.
    assert top_area(np.array([[5.0, 5, 5, 0], [0, 0, 0, 0]]), 0.25).sum() == 3
    assert top_area(np.array([[5.0, 0, 0, -1]]), 0.75).sum() == 1


def test_the_overlap_by_hand():
    first, second = np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32)
    first[0, :30], second[0, 20:32] = 1, 1
    one, two = (Heatmap(grid_map(v), Placement.fitting((32, 32), (32, 32)), 1.0) for v in (first, second))
    # 30 and 12 of 1,024 places hold all evidence, less than a tenth: 10 in common of 32.
    # The image is smaller than the common grid may be, so nothing is resampled.
    assert np.array_equal(on_common_grid(one), first)
    assert agreement(one, two).overlap == pytest.approx(10 / 32)


def test_different_grids_and_fits_meet_on_the_native_image():
    """One peak in the same native place, seen through a padded and a stretched input."""
    native, spot = (40, 80), (30, 20)
    rows, columns = np.mgrid[:40, :80]
    hill = np.exp(-((rows - spot[0]) ** 2 + (columns - spot[1]) ** 2) / 200).astype(np.float32)
    maps = []
    for fit, cells in (("pad", 16), ("stretch", 8)):
        placement = Placement.fitting(native, (64, 64), fit)
        inside = placement.to_input(hill)
        size = 64 // cells
        grid = inside.reshape(cells, size, cells, size).mean(axis=(1, 3))
        maps.append(Heatmap(grid_map(grid), placement, 1.0))
    found = agreement(*maps)
    assert on_common_grid(maps[0]).shape == on_common_grid(maps[1]).shape == native
    assert found.rank > 0.95 and found.overlap > 0.6


def test_padding_is_left_out():
    """Two maps that differ only in padding agree wholly."""
    values = ramp()
    louder = values.copy()
    louder[0], louder[-1] = 1e3, -1e3  # rows that hold padding alone: the image is a wide one
    wide = (8, 32)
    first, second = heatmap_of(values, native=wide), heatmap_of(louder, native=wide)
    assert first.content_share[0].max() == 0
    assert agreement(first, second).rank == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "why"),
    [(np.full((4, 4), -1.0), "blank"), (np.full((4, 4), 2.0), "same value"), (np.zeros((4, 4)), "blank")],
)
def test_a_map_without_places_is_not_compared(values, why):
    for pair in ((heatmap_of(values), heatmap_of(ramp())), (heatmap_of(ramp()), heatmap_of(values))):
        found = agreement(*pair)
        assert (found.rank, found.overlap, found.apart) == (None, None, False)
        assert why in found.why


def test_a_map_that_holds_no_number_is_not_compared():
    values = ramp().copy()
    values[0, 0] = np.nan
    assert agreement(heatmap_of(values), heatmap_of(ramp())).rank is None


def test_all_pairs_at_once():
    maps = [heatmap_of(ramp()), heatmap_of(ramp(flip=True)), heatmap_of(np.zeros((4, 4)))]
    table = agreements(maps)
    assert table[0][1] is table[1][0]
    assert table[1][1].rank == pytest.approx(1.0)
    assert table[2][2].rank is None
    assert [row[2].why for row in table] == [table[2][2].why] * 3


def test_images_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="different sizes"):
        agreement(heatmap_of(ramp()), heatmap_of(ramp(), native=(32, 40)))


def test_apart_needs_both():
    assert Agreement(0.1, 0.02).apart
    assert not Agreement(0.9, 0.02).apart
    assert not Agreement(0.1, 0.4).apart
    assert not Agreement(0.1, None).apart
