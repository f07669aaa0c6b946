"""Areas elsewhere: same size, same shape, another place."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from xai.measures.regions import elsewhere


def test_an_area_keeps_size_and_shape_and_goes_elsewhere():
    area = np.zeros((60, 80), bool)
    area[10:14, 20:32] = True
    area[14:20, 20:23] = True  # an L
    inside = np.ones(area.shape, bool)
    found = elsewhere(area, inside, 20, seed=1)
    assert len(found) == 20 and all(place.sum() == area.sum() for place in found)
    assert all((place & area).sum() <= 0.25 * area.sum() for place in found)
    extents = {tuple(np.ptp(np.nonzero(place), axis=1) + 1) for place in found}
    assert {(10, 12), (12, 10)} & extents  # as it is and turned, where it does not go round the edge
    assert len({place.tobytes() for place in found}) == 20


def test_the_same_seed_gives_the_same_areas():
    area = np.zeros((20, 20), bool)
    area[3:6, 3:9] = True
    inside = np.ones_like(area)
    first, second, other = (elsewhere(area, inside, 5, seed) for seed in (4, 4, 5))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_an_area_that_fills_the_content_has_no_elsewhere():
    inside = np.zeros((10, 10), bool)
    inside[2:8] = True
    assert elsewhere(inside, inside, 3) == []
    assert elsewhere(np.zeros_like(inside), inside, 3) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.02, 0.9))
def test_every_area_lies_in_any_content(seed, share):
    """Content of any outline: an ultrasound's sector, a breast against black film."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:24, :30]
    inside = (rows - rng.uniform(8, 16)) ** 2 + (columns - rng.uniform(10, 20)) ** 2 < rng.uniform(40, 400)
    inside[12, 15] = inside[12, 16] = True
    places = np.flatnonzero(inside)
    area = np.zeros_like(inside)
    area.ravel()[rng.choice(places, max(1, min(len(places) - 1, round(share * len(places)))), False)] = True
    for place in elsewhere(area, inside, 3, seed):
        assert place.sum() == area.sum() and not (place & ~inside).any()
