"""Intervals against published numbers, closed forms and a slow bootstrap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.evaluation.intervals import (
    Z95,
    effective_n,
    group_index,
    newcombe_auc,
    percentile_interval,
    resampled_weights,
    wilson,
)
from models.evaluation.metric_table import evaluate


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(hits, n, low, high):
    assert wilson(hits / n, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(1 - hits / n, n) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_effective_n():
    hits = np.array([1, 1, 0, 0, 1, 1, 0, 0], dtype=bool)
    assert effective_n(hits, np.arange(8)) == 8
    # Four pairs that agree: variance 4/3 * 4 * 1 / 64 = 1/12 of the share, against 1/32 for eight cases.
    assert effective_n(hits, np.repeat(np.arange(4), 2)) == pytest.approx(3)
    # Pairs that always differ are worth no less than single cases, and no more is claimed.
    assert effective_n(hits, np.array([0, 1, 0, 1, 2, 3, 2, 3])) == 8
    assert effective_n(np.ones(8, dtype=bool), np.repeat(np.arange(4), 2)) == 4
    assert effective_n(hits, np.zeros(8, dtype=int)) == 1


def test_perfect_auc():
    # One case on each side: 1 - A = z * sqrt(A (1 - A)), so A = 1 / (1 + z^2).
    assert newcombe_auc(1.0, 1, 1)[0] == pytest.approx(1 / (1 + Z95**2))
    area = newcombe_auc(1.0, 25, 66)[0]
    spread = 1 + (45.5 - 1) * ((1 - area) / (2 - area) + area / (1 + area))
    assert 1 - area == pytest.approx(Z95 * np.sqrt(area * (1 - area) * spread / (25 * 66)))
    assert 0.9 < area < 0.99


def test_percentiles_leave_out_what_is_undefined_and_hold_the_value():
    resampled = np.append(np.linspace(0, 1, 1001), [np.nan] * 100)
    assert percentile_interval(resampled, 0.5) == pytest.approx((0.025, 0.975))
    assert percentile_interval(resampled, 0.01) == pytest.approx((0.01, 0.975))
    assert percentile_interval(np.full(5, np.nan), 0.3) == (0.3, 0.3)


def test_a_case_of_no_group_is_its_own():
    assert group_index(None, 3).tolist() == [0, 1, 2]
    index = group_index(["a", "", "a", ""], 4)
    assert index[0] == index[2]
    assert len(set(index.tolist())) == 3


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=1, max_size=50), st.integers(0, 3))
def test_resamples_draw_whole_groups_and_keep_every_label(cases, seed):
    labels = np.array([label for label, _ in cases])
    groups = [f"g{group}" for _, group in cases]
    weights = np.concatenate(list(resampled_weights(labels, groups, 20, seed)))
    assert weights.shape == (20, len(cases))
    for group in set(groups):
        own = weights[:, [g == group for g in groups]]
        assert (own == own[:, :1]).all()
    for label in set(labels.tolist()):
        assert (weights[:, labels == label].sum(axis=1) > 0).all()
    single = np.concatenate(list(resampled_weights(labels, None, 20, seed)))
    for label in set(labels.tolist()):
        assert (single[:, labels == label].sum(axis=1) == (labels == label).sum()).all()


def test_blocks_add_to_the_resamples_asked_for_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr("models.evaluation.intervals._BLOCK", 300)
    labels = np.arange(100) % 2
    blocks = list(resampled_weights(labels, None, 8, 0))
    assert len(blocks) > 1
    assert sum(len(block) for block in blocks) == 8
    first, again, other = (next(resampled_weights(labels[:50], None, 8, seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_the_bootstrap_agrees_with_a_slow_one():
    """The counts are drawn as histograms; here every case is drawn, and the metrics are written out."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], [66, 25])
    scores = 1 / (1 + np.exp(-rng.normal(size=91) - 1.2 * labels))
    groups = np.where(np.arange(91) < 40, np.arange(91) // 2, np.arange(91)).astype(str)
    found = evaluate(
        labels, np.stack([1 - scores, scores], axis=1), classes=("other", "malignant"), groups=groups
    )
    weights = np.concatenate(list(resampled_weights(labels, groups, 4000, 3)))
    y, called = labels == 1, scores >= 0.5
    tp, fp, tn, fn = (weights @ kind for kind in (y & called, ~y & called, ~y & ~called, y & ~called))
    brier = weights @ (scores - y) ** 2 / (tp + fp + tn + fn)
    # Half a case on average for each cell, as Jeffreys' prior has it.
    tp, fp, tn, fn = (cell + rng.poisson(0.5, size=4000) for cell in (tp, fp, tn, fn))
    n = tp + fp + tn + fn
    chance = ((tp + fp) * (tp + fn) + (tn + fp) * (tn + fn)) / n**2
    slow = {
        "f1": 2 * tp / (2 * tp + fp + fn),
        "kappa": ((tp + tn) / n - chance) / (1 - chance),
        "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
        "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
        "brier": brier,
    }
    for name, values in slow.items():
        low, high = np.quantile(values, [0.025, 0.975])
        # 1,000 resamples and 4,000 others: their ends differ by a tenth of the interval's width at the most.
        assert found[name]["low"] == pytest.approx(low, abs=0.1 * (high - low)), name
        assert found[name]["high"] == pytest.approx(high, abs=0.1 * (high - low)), name
