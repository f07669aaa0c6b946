"""Orders of triage by hand, and what holds of all of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from tests.xai.batch.cases import asked, batch_of, row
from xai.batch import ORDERS, order
from xai.batch.columns import columns_of
from xai.batch.triage import disagreement

BOTH = (asked("a", 0.5), asked("b", 0.2))


def test_suspicious_is_the_highest_probability_of_the_positive_class_and_the_unscored_last():
    rows = [row(0, tiny=0.2), row(1, why="no image"), row(2, tiny=0.9), row(3, tiny=0.2), row(4, tiny=0.3)]
    assert order(batch_of(rows), "suspicious", "tiny").tolist() == [2, 4, 0, 3, 1]


def test_uncertain_is_near_the_threshold_in_logits():
    """Of a threshold of 0.1, in logits: 0.02 lies 1.695 below, 0.4 lies 1.792 above, 0.12 next to it."""
    rows = [row(0, tiny=0.4), row(1, tiny=0.02), row(2, tiny=0.12)]
    away = [abs(math.log(p / (1 - p)) - math.log(1 / 9)) for p in (0.4, 0.02, 0.12)]
    assert away[2] < away[1] < away[0]
    assert order(batch_of(rows, [asked(threshold=0.1)]), "uncertain", "tiny").tolist() == [2, 1, 0]


def test_uncertain_of_several_classes_is_entropy():
    run = asked(classes=("normal", "benign", "malignant"))
    given = [(0.0, 1.0, 0.0), (0.2, 0.2, 0.6), (1 / 3, 1 / 3, 1 / 3), (0.0, 0.5, 0.5)]
    rows = [row(i, tiny=(p, {})) for i, p in enumerate(given)]
    # 0, 0.950, 1.099 and 0.693 nats.
    assert order(batch_of(rows, [run]), "uncertain", "tiny").tolist() == [2, 1, 3, 0]


def test_disagreement_puts_other_verdicts_first_then_the_distance():
    rows = [
        row(0, a=0.9, b=0.9),  # both call it: 2.197 and 3.584 logits from their thresholds, 1.386 apart
        row(1, a=0.4, b=0.3),  # -0.405 and 0.539: other verdicts, 0.944 apart
        row(2, a=0.01, b=0.01),  # -4.595 and -3.209: both other, 1.386 apart
        row(3, a=0.9, b=0.1),  # 2.197 and -0.811: other verdicts, 3.008 apart
        row(4, a=0.9, b=None),
        row(5),
    ]
    found = disagreement(columns_of(batch_of(rows, BOTH)))
    assert found.differ.tolist() == [False, True, False, True, False, False]
    np.testing.assert_allclose(found.spread[:4], [1.386294, 0.944462, 1.386294, 3.008155], atol=1e-6)
    assert np.isnan(found.spread[4:]).all() and found.answers.tolist() == [2, 2, 2, 2, 1, 0]
    assert order(batch_of(rows, BOTH), "disagreement", "a").tolist() == [3, 1, 0, 2, 4, 5]


def test_several_classes_disagree_by_the_most_probable_one():
    runs = (asked("a", classes=("normal", "benign", "malignant")), asked("b", 0.5))
    rows = [row(0, a=((0.5, 0.1, 0.4), {}), b=0.45), row(1, a=((0.3, 0.3, 0.4), {}), b=0.45)]
    assert disagreement(columns_of(batch_of(rows, runs))).differ.tolist() == [False, True]


def test_unfamiliar_is_the_distance_and_the_unknown_come_after():
    distances = [1.0, None, 7.5, 2.0]
    rows = [row(i, tiny=(0.5, {"familiar_distance": d})) for i, d in enumerate(distances)] + [row(4)]
    assert order(batch_of(rows), "unfamiliar", "tiny").tolist() == [2, 3, 0, 1, 4]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.none() | st.floats(0, 1)] * 2), max_size=12), st.sampled_from(list(ORDERS)))
def test_every_order_is_a_permutation_with_the_unscored_at_the_end(said, by):
    rows = [row(i, a=a, b=b) for i, (a, b) in enumerate(said)]
    found = order(batch_of(rows, BOTH), by, "b").tolist()
    assert sorted(found) == list(range(len(rows)))
    scored = [said[i][1] is not None for i in found]
    assert scored == sorted(scored, reverse=True)
    # Ties stay in the input's order.
    assert order(batch_of([rows[i] for i in found], BOTH), by, "b").tolist() == list(range(len(rows)))


def test_an_unknown_order_or_run_is_refused():
    with pytest.raises(BadInput, match="no order"):
        order(batch_of([]), "size", "tiny")
    with pytest.raises(BadInput, match="no run other"):
        order(batch_of([]), "suspicious", "other")
