"""Curves, counts and bands of one class against the rest: by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.evaluation.curves import thinned
from models.evaluation.intervals import resampled_weights
from models.evaluation.ranking import EDGES, Ranking
from models.evaluation.resampling import dense_codes, group_codes, quantile_cells, resampled_counts


def overlapping(n, seed=0, digits=8):
    rng = np.random.default_rng(seed)
    outcomes = rng.random(n) < 0.3
    return outcomes, (1 / (1 + np.exp(-rng.normal(1.5 * outcomes, 1)))).round(digits)


def test_counts_at_a_threshold_by_hand():
    ranking = Ranking([1, 1, 0, 0, 0], [0.9, 0.4, 0.4, 0.2, 0.6])
    counts = ranking.at(0.4)
    assert (counts.tp, counts.fp, counts.tn, counts.fn) == (2, 2, 1, 0)
    counts = ranking.at(np.array([0.41, 0.95, 0.0]))
    assert counts.tp.tolist() == [1, 0, 2]
    assert counts.fp.tolist() == [1, 0, 3]
    assert ranking.at(0.41).matrices().tolist() == [[2, 1], [1, 1]]
    assert ranking.at(0.41).matrices(positive=0).tolist() == [[1, 1], [1, 2]]


def test_curves_by_hand():
    roc = Ranking([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.2]).roc()
    assert roc.false_positive_rate.tolist() == [0, 0, 0.5, 1]
    assert roc.sensitivity.tolist() == [0, 0.5, 1, 1]
    assert roc.thresholds.tolist() == [np.inf, 0.9, 0.4, 0.2]
    pr = Ranking([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.2]).precision_recall()
    assert pr.recall.tolist() == [0.5, 1]
    assert pr.precision == pytest.approx([1, 2 / 3])
    # Half of the positives at precision 1, half at 2/3.
    assert Ranking([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.2]).average_precision()["value"] == pytest.approx(5 / 6)


@pytest.mark.parametrize("digits", [1, 8])
def test_scikit_learn_draws_the_same_curves(digits):
    from sklearn import metrics as sk

    outcomes, scores = overlapping(300, digits=digits)
    ranking = Ranking(outcomes, scores)
    x, y, t = sk.roc_curve(outcomes, scores, drop_intermediate=False)
    roc = ranking.roc(1000)
    theirs = {threshold: point for threshold, *point in zip(t.tolist(), x.tolist(), y.tolist(), strict=True)}
    ours = zip(roc.thresholds.tolist(), roc.false_positive_rate, roc.sensitivity, strict=True)
    assert all(theirs[threshold] == pytest.approx(point) for threshold, *point in ours)
    # Points on a straight line are left out, no others.
    area = np.trapezoid(roc.sensitivity, roc.false_positive_rate)
    assert area == pytest.approx(np.trapezoid(y, x))
    assert len(roc.thresholds) < len(t)
    precision, recall, t = sk.precision_recall_curve(outcomes, scores)
    pr = ranking.precision_recall(1000)
    until = int(np.flatnonzero(recall == 1)[-1])  # theirs goes on to the lowest score, and adds (0, 1)
    assert pr.recall == pytest.approx(recall[until:-1][::-1])
    assert pr.precision == pytest.approx(precision[until:-1][::-1])
    assert pr.thresholds == pytest.approx(t[until:][::-1])
    assert ranking.auc()["value"] == pytest.approx(sk.roc_auc_score(outcomes, scores))
    own = ranking.average_precision()
    assert own["value"] == pytest.approx(sk.average_precision_score(outcomes, scores))
    assert own["low"] < own["value"] < own["high"]
    assert Ranking([0, 1, 1], [0.1, 0.5, 0.9]).average_precision()["high"] == 1
    assert Ranking([0, 1, 1], [0.1, 0.5, 0.9]).average_precision()["low"] == pytest.approx(0.342, abs=1e-3)


def test_a_thinned_curve_stays_on_the_curve_and_keeps_its_ends():
    outcomes, scores = overlapping(20_000)
    ranking = Ranking(outcomes, scores)
    roc, whole = ranking.roc(400), ranking.roc(10**6)
    assert len(roc.thresholds) <= 402
    assert (roc.false_positive_rate[[0, -1]].tolist(), roc.sensitivity[[0, -1]].tolist()) == ([0, 1], [0, 1])
    real = set(zip(whole.false_positive_rate.tolist(), whole.sensitivity.tolist(), strict=True))
    assert set(zip(roc.false_positive_rate.tolist(), roc.sensitivity.tolist(), strict=True)) <= real
    again = np.interp(whole.false_positive_rate, roc.false_positive_rate, roc.sensitivity)
    assert np.abs(again - whole.sensitivity).max() < 0.01
    pr = ranking.precision_recall(400)
    assert len(pr.recall) <= 402
    assert pr.recall[-1] == 1
    assert thinned(np.arange(5), np.arange(5), 400).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("groups", [None, 40, 400], ids=["alone", "large groups", "small groups"])
def test_bands_are_those_of_cases_drawn_one_by_one(groups):
    rng = np.random.default_rng(3)
    outcomes, scores = overlapping(600, seed=3)
    names = None if groups is None else rng.integers(groups, size=600)
    bands = Ranking(outcomes, scores, names).bands(samples=1500)
    weights = np.concatenate(list(resampled_weights(outcomes.astype(int), names, 1500, 9)))
    for threshold in (0.3, 0.61, 0.9):
        counts = bands.at(threshold)
        tp, fp = (weights @ (kind & (scores >= threshold)) for kind in (outcomes, ~outcomes))
        for own, slow in ((counts.tp, tp), (counts.fp, fp), (counts.fn, weights @ outcomes - tp)):
            spread = slow.std()
            assert own.mean() == pytest.approx(slow.mean(), abs=0.15 * spread)
            assert own.std() == pytest.approx(spread, rel=0.1)


def test_bands_of_many_scores_are_counted_between_the_edges():
    outcomes, scores = overlapping(5000)
    ranking = Ranking(outcomes, scores)
    bands = ranking.bands(samples=400)
    assert len(bands.edges) <= EDGES + 12
    assert (np.diff(bands.edges) < 0).all()
    each = bands.at_each(np.array([0.5, 0.123456]))
    for column, threshold in enumerate((0.5, 0.123456)):
        exact = ranking.at(threshold)
        assert each.tp[:, column].mean() == pytest.approx(exact.tp, abs=3)
        assert each.fp[:, column].mean() == pytest.approx(exact.fp, abs=5)
        assert each.tp[:, column].tolist() == bands.at(threshold).tp.tolist()
        # Binomial, since the cases stand alone.
        share = exact.tp / ranking.positives
        assert each.tp[:, column].std() == pytest.approx(
            np.sqrt(ranking.positives * share * (1 - share)), rel=0.12
        )
    at = np.linspace(0, 1, 21)
    low, high = bands.roc(at)
    roc = ranking.roc()
    drawn = np.interp(at, roc.false_positive_rate, roc.sensitivity)
    assert (low <= drawn + 1e-9)[1:].all()
    assert (drawn <= high + 1e-9).all()
    assert (low[-1], high[-1]) == (1, 1)
    low, high = bands.precision_recall(np.array([0.2, 0.5, 0.9]))
    pr = ranking.precision_recall()
    drawn = np.interp([0.2, 0.5, 0.9], pr.recall, pr.precision)
    assert (low < drawn).all() and (drawn < high).all()
    assert bands.at(-1).tp.tolist() == bands.positives.tolist()
    assert not bands.at(2).tp.any()


def test_bands_are_kept_and_hang_on_the_seed():
    ranking = Ranking(*overlapping(50))
    assert ranking.bands() is ranking.bands()
    assert (ranking.bands(20, 0).tp != ranking.bands(20, 1).tp).any()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=60),
    st.integers(0, 3),
)
def test_resampled_counts_draw_whole_groups(cases, seed):
    cells, strata, groups = (np.array(column) for column in zip(*cases, strict=True))
    counts = resampled_counts(cells, 6, strata, groups, 12, seed).counts
    # Every resample is a sum of whole groups, as many as there are.
    patterns = np.array([np.bincount(cells[groups == g], minlength=6) for g in np.unique(groups)])
    sizes = patterns.sum(axis=1)
    assert (counts.sum(axis=1) >= len(sizes) * sizes.min()).all()
    assert (counts.sum(axis=1) <= len(sizes) * sizes.max()).all()
    assert not counts[:, patterns.sum(axis=0) == 0].any()
    if (sizes == 1).all():
        assert (counts.sum(axis=1) == len(cells)).all()


def test_common_sizes_and_rare_ones_are_drawn_alike(monkeypatch):
    rng = np.random.default_rng(0)
    groups = np.concatenate(
        [np.repeat(np.arange(300), 2), 300 + np.arange(200), np.repeat([500, 501, 502], 7)]
    )
    cells, strata = rng.integers(0, 4, size=len(groups)), np.zeros(len(groups), dtype=int)
    looked_up = resampled_counts(cells, 4, strata, groups, 3000, 0).counts
    monkeypatch.setattr("models.evaluation.resampling.MANY", 10**9)
    weighted = resampled_counts(cells, 4, strata, groups, 3000, 1).counts
    assert looked_up.mean(axis=0) == pytest.approx(weighted.mean(axis=0), rel=0.02)
    assert np.cov(looked_up.T) == pytest.approx(np.cov(weighted.T), abs=16)


def test_codes_of_groups():
    assert group_codes(["b", "", "a", "b", ""], 5).tolist() == [0, 1, 2, 0, 4]
    assert group_codes(None, 3).tolist() == [0, 1, 2]
    assert dense_codes(np.array([7, 3, 7, 90])).tolist() == [1, 0, 1, 2]
    assert dense_codes(np.array([], dtype=int)).tolist() == []
    assert (
        quantile_cells(np.array([0.3, 0.1, 0.3, 0.2])).tolist()[0]
        == quantile_cells(np.array([0.3, 0.1, 0.3, 0.2])).tolist()[2]
    )


@pytest.mark.parametrize(
    ("outcomes", "scores", "why"),
    [
        ([1, 1], [0.2, 0.4], "All cases are malignant."),
        ([0], [0.2], "No case is malignant."),
        ([0, 1, 1], [0.5, 0.5, 0.5], "All cases have the same score, so they have no order."),
        ([], [], "There are no cases."),
    ],
)
def test_what_has_no_order_says_why(outcomes, scores, why):
    ranking = Ranking(outcomes, scores, label="malignant")
    for metric in (ranking.auc(), ranking.average_precision()):
        assert (metric["value"], metric["low"], metric["why"]) == (None, None, why)
    if len(set(outcomes)) < 2:
        for draw in (ranking.roc, ranking.precision_recall, ranking.bands):
            with pytest.raises(BadInput, match="has both"):
                draw()


def test_one_case_of_each_class_has_a_wide_interval():
    auc = Ranking([1, 0], [0.7, 0.2]).auc()
    assert (auc["value"], auc["high"]) == (1, 1)
    assert auc["low"] == pytest.approx(0.2065, abs=1e-4)
    auc = Ranking([1, 0, 0, 0], [0.5, 0.2, 0.3, 0.6]).auc()
    assert auc["value"] == pytest.approx(2 / 3)
    assert auc["low"] < 0.2 and auc["high"] > 0.9


def test_scores_that_are_none_are_refused():
    with pytest.raises(BadInput, match="not finite"):
        Ranking([1, 0], [0.2, np.nan])
    with pytest.raises(BadInput, match="2 outcomes for 1 scores"):
        Ranking([1, 0], [0.2])
