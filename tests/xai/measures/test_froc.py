"""Free-response curves by hand: marks of a map, hits and false marks over images, intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xai.measures.froc import Froc, FrocCase, candidates, froc, froc_case, sensitivity_at


def blob(rows, columns, *marks):
    down, across = np.mgrid[:rows, :columns]
    heights = [h * np.exp(-((down - r) ** 2 + (across - c) ** 2) / 18) for r, c, h in marks]
    return np.max(heights, axis=0).astype(np.float32)


def test_marks_are_the_local_maxima_the_highest_first():
    native = blob(100, 120, (20, 30, 2.0), (70, 90, 3.0), (80, 20, 0.4))
    # 0.4 is below a quarter of 3.0.
    assert candidates(native) == [(70, 90, pytest.approx(3.0)), (20, 30, pytest.approx(2.0))]
    assert len(candidates(native, least=0.1)) == 3
    assert candidates(-native) == []


def test_of_marks_that_are_close_the_highest_stays():
    native = blob(100, 100, (50, 40, 2.0), (50, 52, 3.0))
    assert len(candidates(native, spacing=10)) == 2
    assert candidates(native, spacing=12) == [(50, 52, pytest.approx(3.0))]


def test_a_plateau_is_one_mark_and_a_level_stretch_on_a_slope_is_none():
    native = np.zeros((30, 30), np.float32)
    native[5:8, 5:8] = 2.0
    assert candidates(native) == [(6, 6, 2.0)]
    steps = np.repeat(np.arange(6, dtype=np.float32), 5)[None].repeat(30, axis=0)
    # A staircase rising to the right: only its top is a maximum.
    found = candidates(steps, spacing=3, least=0.1)
    assert [column for _, column, _ in found] == [27]


def cases():
    """Two images with lesions (two and one), one without; thresholds 5, 4, 3, 2, 1 from the strictest."""
    first = FrocCase(np.array([5.0, 4.0, 3.0]), np.array([0, 0, -1]), 2)
    second = FrocCase(np.array([4.0, 2.0]), np.array([-1, 0]), 1)
    normal = FrocCase(np.array([1.0]), np.array([-1]), 0)
    return [first, second, normal]


def test_the_curve_by_hand():
    found = froc(cases())
    # 5 finds a lesion; the 4 beside it is a second mark on the same lesion and counts for nothing; the other
    # 4 and the 3 are false, 2 finds, 1 is false.
    np.testing.assert_array_equal(found.thresholds, [np.inf, 5, 4, 3, 2, 1])
    np.testing.assert_allclose(found.fp_per_image, np.array([0, 0, 1, 2, 2, 3]) / 3)
    np.testing.assert_allclose(found.sensitivity, np.array([0, 1, 1, 1, 2, 2]) / 3)
    assert (found.lesions, found.images) == (3, 3)
    assert found.at(0) == pytest.approx(1 / 3)
    assert found.at(0.66) == pytest.approx(1 / 3) and found.at(2 / 3) == pytest.approx(2 / 3)


def test_marks_are_held_against_a_mask():
    native = blob(100, 100, (20, 20, 3.0), (80, 80, 2.0), (20, 80, 1.0))
    mask = np.zeros((100, 100), bool)
    mask[15:25, 15:25] = mask[75:85, 75:85] = mask[60:70, 10:20] = True
    found = froc_case(native, mask, "patient 1")
    assert found.lesions == 3 and found.group == "patient 1"
    assert found.scores == pytest.approx([3, 2, 1]) and found.lesion[2] == -1
    assert sorted(found.lesion[:2]) != [-1, -1] and len(set(found.lesion[:2])) == 2
    normal = froc_case(native, None)
    assert normal.lesions == 0 and (normal.lesion == -1).all()


def test_the_interval_holds_the_value_and_shrinks_with_cases():
    rng = np.random.default_rng(0)

    def drawn(n):
        lesion = [np.where(rng.random(2) < 0.6, [0, -1], -1) for _ in range(n)]
        return [FrocCase(rng.random(2), own, 1, f"p{i}") for i, own in enumerate(lesion)]

    few, many = sensitivity_at(drawn(15)), sensitivity_at(drawn(240))
    for rate in ("0.25", "0.5", "1", "2"):
        for figure in (few[rate], many[rate]):
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
        assert many[rate]["high"] - many[rate]["low"] < few[rate]["high"] - few[rate]["low"]
    assert few["0.5"]["n"] == 15


def test_a_group_is_drawn_whole():
    """Twelve images of one patient are one witness: the interval spans more than that of twelve patients."""
    rng = np.random.default_rng(1)
    lesion = np.repeat(rng.random(4) < 0.5, 6)
    groups = np.repeat([f"p{i}" for i in range(4)], 6)
    own = [FrocCase(np.array([1.0]), np.array([0 if hit else -1]), 1) for hit in lesion]
    grouped = [FrocCase(c.scores, c.lesion, 1, str(group)) for c, group in zip(own, groups, strict=True)]
    alone, together = sensitivity_at(own, [2.0])["2"], sensitivity_at(grouped, [2.0])["2"]
    assert together["high"] - together["low"] > 1.5 * (alone["high"] - alone["low"])


def test_without_a_lesion_there_is_no_curve():
    with pytest.raises(ValueError, match="with a lesion"):
        froc([FrocCase(np.array([1.0]), np.array([-1]), 0)])


def test_maps_without_marks_find_nothing():
    empty = FrocCase(np.zeros(0), np.zeros(0, np.intp), 2)
    found = froc([empty, empty])
    assert isinstance(found, Froc) and found.sensitivity.tolist() == [0.0]
    assert sensitivity_at([empty, empty])["1"]["value"] == 0


def test_all_or_none_of_a_few_is_not_beyond_doubt():
    """0 of 5 and 5 of 5: Wilson's intervals, by hand 0 to z^2 / (5 + z^2) and its mirror."""
    reach = 1.96**2 / (5 + 1.96**2)
    hit, miss = (FrocCase(np.array([1.0]), np.array([at]), 1) for at in (0, -1))
    none, all_of_them = sensitivity_at([miss] * 5)["1"], sensitivity_at([hit] * 5)["1"]
    assert (none["low"], none["high"]) == pytest.approx((0, reach), abs=1e-3)
    assert (all_of_them["low"], all_of_them["high"]) == pytest.approx((1 - reach, 1), abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_the_curve_only_rises(seed, images):
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(images):
        lesions, marks = int(rng.integers(1, 4)), int(rng.integers(0, 6))
        scores = rng.integers(0, 5, marks).astype(float)
        drawn.append(FrocCase(scores, rng.integers(-1, lesions, marks), lesions))
    found = froc(drawn)
    assert (np.diff(found.sensitivity) >= 0).all() and (np.diff(found.fp_per_image) >= 0).all()
    assert (np.diff(found.thresholds[1:]) < 0).all() and found.sensitivity.max() <= 1
    hits = sum(len({int(x) for x in one.lesion if x >= 0}) for one in drawn)
    assert found.sensitivity[-1] == pytest.approx(hits / found.lesions)
