"""The grid of tiles, worked out by hand and by invariants."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.runs import find_run
from models.slides.tiles import (
    Grid,
    TileSpec,
    _coarse_to_fine,
    grid_of,
    survey,
    tile_study,
    tiles_for,
    tissue_share,
)
from models.study import open_slide
from tests.models.slides.small_slides import PURPLE, slide


def sized(width: int, height: int, mpp: float) -> SimpleNamespace:
    return SimpleNamespace(width=width, height=height, mpp=mpp)


def test_a_grid_by_hand():
    # 50 pixels of 4 micrometres are 800 pixels of 0.25; 40,000 hold 50 of them, 40,001 need one more.
    assert grid_of(sized(40_000, 40_001, 0.25), TileSpec(50, 4.0)) == Grid(51, 50, 800.0, 800.0)
    # Half overlapping, 100 pixels, steps of 50: 300 pixels hold those at 0, 50, ..., 200.
    assert grid_of(sized(300, 100, 1.0), TileSpec(100, 1.0, overlap=0.5)) == Grid(1, 5, 100.0, 50.0)
    # A slide smaller than a tile is one tile.
    assert grid_of(sized(30, 20, 1.0), TileSpec(100, 1.0)).shape == (1, 1)


def test_tissue_of_a_tile_by_hand():
    # A mask of 4 x 4 for 400 x 400 pixels, its left column tissue; tiles of 150: 100 of 150 columns.
    mask = np.zeros((4, 4), bool)
    mask[:, 0] = True
    share = tissue_share(mask, Grid(3, 3, 150.0, 150.0), 400, 400)
    assert share[0].tolist() == pytest.approx([100 / 150, 0, 0])
    # The last row of tiles reaches beyond the slide: 100 of its 150 rows are there.
    assert share[2, 0] == pytest.approx(100 / 150 * 100 / 150)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.floats(20, 300), st.integers(0, 2**31),
)  # fmt: skip
def test_tiles_side_by_side_hold_all_the_tissue_once(h, w, side, seed):
    mask = np.random.default_rng(seed).random((h, w)) < 0.4
    height, width = h * 37, w * 37
    slide = sized(width, height, 1.0)
    grid = grid_of(slide, TileSpec(max(16, int(side)), 1.0))
    share = tissue_share(mask, grid, width, height)
    assert ((share >= 0) & (share <= 1)).all()
    assert share.astype(float).sum() * grid.side**2 == pytest.approx(mask.sum() * 37 * 37, rel=1e-4, abs=1)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_from_coarse_to_fine_visits_every_tile_once(rows, columns, seed):
    chosen = np.random.default_rng(seed).random((rows, columns)) < 0.7
    found = [tuple(map(int, place)) for part in _coarse_to_fine(chosen) for place in zip(*part, strict=True)]
    assert sorted(found) == [tuple(map(int, place)) for place in zip(*np.nonzero(chosen), strict=True)]


def test_the_coarse_tiles_come_first():
    parts = list(_coarse_to_fine(np.ones((8, 8), bool)))
    assert [len(rows) for rows, _ in parts] == [4, 12, 48]
    assert parts[0][0].tolist() == [1, 1, 5, 5]


def test_a_survey_finds_the_tissue_in_square_millimetres(tmp_path):
    with open_slide(slide(tmp_path / "a.tif")) as found:
        looked = survey(found, TileSpec(100, 0.5))
        # 400 x 800 pixels of half a micrometre are 0.2 x 0.4 mm; the median filter rounds the corners.
        assert looked.tissue_mm2 == pytest.approx(0.08, rel=0.02)
        assert looked.chosen.sum() == 4 * 8 and looked.chosen[3:7, 2:10].all()
        tile = looked.tile(4, 8)
        study = tile_study(found, looked.spec, tile)
    assert (tile.x, tile.y, tile.side) == (800, 400, 100)
    assert study.samples.shape == (100, 100, 3) and study.spacing_mm == (0.0005, 0.0005)
    assert study.modality == "histopathology" and np.abs(study.samples.astype(int) - PURPLE).max() <= 3


def test_an_empty_slide_and_one_without_a_scale_are_refused(tmp_path):
    glass = np.full((600, 600, 3), 245, np.uint8)
    with open_slide(slide(tmp_path / "a.tif", glass)) as found, pytest.raises(BadInput, match="No tissue"):
        survey(found, TileSpec(100, 0.5))
    with open_slide(slide(tmp_path / "b.tif", mpp=None)) as found, pytest.raises(BadInput, match="--mpp"):
        survey(found, TileSpec(100, 0.5))


def test_coarse_slides_and_given_scales_are_told(tmp_path):
    with open_slide(slide(tmp_path / "a.tif", mpp=None), mpp=2.0) as found:
        told = " ".join(survey(found, TileSpec(16, 1.0)).notices)
    assert "coarser" in told and "by hand" in told


@pytest.mark.parametrize(
    "wrong", [(8, 1.0), (5000, 1.0), (50, 0.0), (50, float("nan")), (50, 4.0, 0.95), (50, 4.0, 0.0, 1.5)]
)
def test_tiles_that_cannot_be_are_refused(wrong):
    with pytest.raises(BadInput):
        TileSpec(*wrong)
    with pytest.raises(BadInput, match="limit"):
        grid_of(sized(1_000_000, 1_000_000, 0.02), TileSpec(16, 0.02))


def test_each_shipped_run_of_histology_has_the_tile_it_was_trained_on():
    assert tiles_for(find_run("idc-squeezenet")) == TileSpec(50, 4.0)
    assert tiles_for(find_run("idc-customcnn")).field_um == 200
    assert tiles_for(find_run("phantom-histopathology")) == TileSpec(224, 1.0)
    with pytest.raises(BadInput, match="ultrasound"):
        tiles_for(find_run("busi-squeezenet"))
