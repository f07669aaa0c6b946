"""DeLong's variance: published values, numbers by hand, every pair counted, and groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.evaluation.delong import areas, compare_aucs, delong_variance, placements
from models.evaluation.intervals import Z95, newcombe_auc
from models.evaluation.ranking import auc_interval

# Turck et al. 2010 (Intensive Care Medicine 36:107), the data of R's pROC: 41 patients with a poor outcome
# of a bleeding, then 72 with a good one. Their WFNS grade, and the rank of their protein S100B.
POOR = np.arange(113) < 41
WFNS = np.array(
    list(
        "32455552521254425552525245441442255225555"
        "111151221221112121134141551124112212122111121211324214115422111312244111"
    ),
    dtype=float,
)
S100B = np.fromstring(
    (
        "9 6 12 8 26 31 29 3 20 5 3 24 22 28 31 16 31 31 31 3 31 18 1 5 14 31 "
        "16 31 4 16 9 6 7 14 31 10 31 19 31 31 26 "
        "9 10 6 2 27 13 6 6 2 4 2 5 7 3 13 3 7 9 13 2 12 10 21 5 30 27 "
        "12 3 25 27 7 4 5 4 2 9 6 10 11 2 2 5 2 5 4 12 5 4 20 7 17 3 "
        "6 19 3 2 15 23 6 11 4 10 6 3 2 13 11 27 13 11 30 28 "
    ),
    sep=" ",
)


def test_areas_and_their_test_are_those_of_proc():
    found = areas([POOR, POOR], [WFNS, S100B])
    half = Z95 * np.sqrt(np.diag(found.covariance))
    assert found.values == pytest.approx([0.8237, 0.7314], abs=5e-5)
    # ci.auc(): 0.7485-0.8988 and 0.6301-0.8326.
    assert found.values - half == pytest.approx([0.7485, 0.6301], abs=5e-5)
    assert found.values + half == pytest.approx([0.8988, 0.8326], abs=5e-5)
    # roc.test(): Z = 2.209, p = 0.02718, 95 % interval 0.0104 to 0.1742.
    result = compare_aucs(POOR, WFNS, S100B)
    error = np.sqrt([1, -1] @ found.covariance @ [1, -1])
    assert result.difference / error == pytest.approx(2.209, abs=5e-4)
    assert result.p == pytest.approx(0.02718, abs=5e-6)
    assert (result.low, result.high) == pytest.approx((0.0104, 0.1742), abs=5e-5)
    turned = compare_aucs(POOR, S100B, WFNS)
    assert (turned.difference, turned.low, turned.p) == pytest.approx(
        (-result.difference, -result.high, result.p)
    )


def test_a_variance_by_hand():
    # Positives 3, 1; negatives 2, 0. Placements 1, 1/2 and 1/2, 1: variances 1/8 each, over 2 and 2.
    outcomes, scores = np.array([1, 1, 0, 0]), np.array([3.0, 1.0, 2.0, 0.0])
    area, won, lost = placements(outcomes == 1, scores)
    assert (area, won.tolist(), lost.tolist()) == (0.75, [1, 0.5], [0.5, 1])
    assert delong_variance(outcomes, scores) == pytest.approx(1 / 8)


@st.composite
def ranked(draw):
    n = draw(st.integers(6, 30))
    outcomes = np.array(
        [True, True, False, False, *draw(st.lists(st.booleans(), min_size=n - 4, max_size=n - 4))]
    )
    scores = [
        np.array(draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), dtype=float) for _ in range(2)
    ]
    groups = np.array(draw(st.lists(st.integers(0, 8), min_size=n, max_size=n)))
    return outcomes, scores, groups


def _slow(outcomes, scores, groups):
    """Obuchowski 1997, equations (2) to (5) and the covariance, sum by sum over every pair of cases."""
    names = sorted(set(groups.tolist()))
    m, n = outcomes.sum(), (~outcomes).sum()
    parts = []
    for score in scores:
        wins = (score[outcomes][:, None] > score[~outcomes]) + 0.5 * (
            score[outcomes][:, None] == score[~outcomes]
        )
        area = wins.mean()
        up, down = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
        for group, placed in zip(groups[outcomes].tolist(), wins.mean(axis=1), strict=True):
            up[group] += placed - area
        for group, placed in zip(groups[~outcomes].tolist(), wins.mean(axis=0), strict=True):
            down[group] += placed - area
        parts.append((area, up, down))
    i10, i01 = len(set(groups[outcomes].tolist())), len(set(groups[~outcomes].tolist()))
    covariance = np.empty((2, 2))
    for r, (_, up, down) in enumerate(parts):
        for s, (_, other_up, other_down) in enumerate(parts):
            s10 = i10 / ((i10 - 1) * m) * sum(up[g] * other_up[g] for g in names)
            s01 = i01 / ((i01 - 1) * n) * sum(down[g] * other_down[g] for g in names)
            cross = sum(up[g] * other_down[g] + down[g] * other_up[g] for g in names)
            s11 = len(names) / (len(names) - 1) * cross
            covariance[r, s] = s10 / m + s01 / n + s11 / (m * n)
    return [area for area, _, _ in parts], covariance


@settings(max_examples=30, deadline=None)
@given(ranked())
def test_every_pair_counted_says_the_same(drawn):
    outcomes, scores, groups = drawn
    for own in (groups, np.arange(len(outcomes))):
        if min(len(set(own[outcomes].tolist())), len(set(own[~outcomes].tolist()))) < 2:
            continue
        values, covariance = _slow(outcomes, scores, own)
        found = areas([outcomes, outcomes], scores, own)
        assert found.values == pytest.approx(values)
        assert found.covariance == pytest.approx(covariance, abs=1e-12)


def test_copies_of_the_cases_in_their_groups_are_worth_no_more():
    rng = np.random.default_rng(0)
    outcomes, scores = np.repeat([True, False], 20), rng.normal(size=40)
    twice = delong_variance(np.tile(outcomes, 2), np.tile(scores, 2), np.tile(np.arange(40), 2))
    assert twice == pytest.approx(delong_variance(outcomes, scores))
    assert delong_variance(np.tile(outcomes, 2), np.tile(scores, 2)) < 0.6 * twice


def test_what_has_no_test_says_why():
    outcomes, scores = np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.5, 0.2])
    same = compare_aucs(outcomes, scores, scores**2)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    one = compare_aucs(outcomes[1:], scores[1:], -scores[1:])
    assert (one.low, one.p) == (None, None)
    assert "single case" in one.why
    perfect = compare_aucs([1, 1, 0, 0], np.array([4, 3, 2, 1]), np.array([1, 2, 3, 4]))
    assert (perfect.difference, perfect.p) == (1, None)


@pytest.mark.parametrize(
    ("outcomes", "scores", "words"),
    [
        ([1, 1], [0.1, 0.2], "both classes"),
        ([1, 0], [0.1, np.nan], "not finite"),
        ([1, 0, 1], [0.1, 0.2], "3 outcomes for 2 scores"),
    ],
)
def test_what_cannot_be_ranked_is_refused(outcomes, scores, words):
    with pytest.raises(BadInput, match=words):
        compare_aucs(outcomes, scores, scores)


def test_the_interval_of_an_area():
    # logit(0.75) = ln 3; half = z * sqrt(1/8) / (3/16).
    low, high = auc_interval(0.75, 1 / 8, 2, 2)
    half = Z95 * np.sqrt(1 / 8) / (3 / 16)
    assert np.log(low / (1 - low)) == pytest.approx(np.log(3) - half)
    assert np.log(high / (1 - high)) == pytest.approx(np.log(3) + half)
    assert auc_interval(1.0, 0.0, 25, 66) == (newcombe_auc(1.0, 25, 66)[0], 1)
    assert auc_interval(0.0, 0.0, 25, 66) == pytest.approx((0, 1 - newcombe_auc(1.0, 66, 25)[0]))
    # Without a variance: the ends at which Hanley and McNeil's standard error reaches the value.
    low, high = newcombe_auc(0.8, 1, 30)
    for end in (low, high):
        spread = 1 + (15.5 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
        assert abs(0.8 - end) == pytest.approx(Z95 * np.sqrt(end * (1 - end) / 30 * spread))
