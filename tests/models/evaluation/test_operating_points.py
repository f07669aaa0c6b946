"""Operating points: thresholds by hand, ties, ends, and what must hold of any."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.evaluation.operating_points import sensitivity_at_least, youden

LABELS = [0, 0, 0, 1, 0, 1, 1]
SCORES = [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.9]


def test_youden_by_hand():
    # Above 0.35: sensitivity 1, specificity 3/4, J 0.75; above 0.65: 2/3 + 1 - 1, J 0.67.
    point = youden(LABELS, SCORES)
    assert point.threshold == pytest.approx(0.35)
    assert (point.name, point.on) == ("youden", "validation")
    assert point.verdict(np.array([0.349, 0.35, 0.9])).tolist() == [False, True, True]
    assert point.to_dict() == {
        "name": "youden",
        "threshold": point.threshold,
        "rule": point.rule,
        "on": "validation",
    }


def test_equal_youden_indices_take_the_one_that_misses_fewest():
    # Halfway above 0.1: 1 + 1/2; above 0.3: 1/2 + 1.
    assert youden([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]).threshold == pytest.approx(0.15)


def test_tied_scores_stay_on_one_side():
    point = youden([0, 0, 1, 1, 1], [0.2, 0.5, 0.5, 0.5, 0.5])
    assert point.threshold == pytest.approx(0.35)


def test_scores_that_separate_nothing_call_all_positive():
    assert youden([0, 1], [0.4, 0.4]).threshold == 0
    assert youden([1, 0], [0.4, 0.6]).threshold == 0


@pytest.mark.parametrize(
    ("least", "threshold"), [(1.0, 0.35), (0.95, 0.35), (2 / 3, 0.65), (0.5, 0.65), (0.3, 0.8)]
)
def test_sensitivity_by_hand(least, threshold):
    point = sensitivity_at_least(LABELS, SCORES, least)
    assert point.threshold == pytest.approx(threshold)


def test_sensitivity_names_itself():
    point = sensitivity_at_least(LABELS, SCORES, 0.95, on="test")
    assert (point.name, point.on) == ("sensitivity_95", "test")
    assert "0.95" in point.rule


def test_a_threshold_between_neighbouring_floats_still_parts_them():
    low = 0.3
    high = np.nextafter(low, 1)
    point = youden([0, 1], [low, high])
    assert point.verdict(np.array([low, high])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [([1, 1], [0.1, 0.2], "both classes"), ([0, 1], [0.1, np.nan], "finite"), ([0, 1], [0.1], "one finite")],
)
def test_what_gives_no_operating_point_is_refused(labels, scores, words):
    for choose in (youden, sensitivity_at_least):
        with pytest.raises(BadInput, match=words):
            choose(labels, scores)
    for least in (0, 1.2):
        with pytest.raises(BadInput, match="cannot be asked for"):
            sensitivity_at_least([0, 1], [0.1, 0.2], least)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40).filter(
        lambda cases: len({label for label, _ in cases}) == 2
    ),
    st.floats(0.05, 1),
)
def test_no_other_threshold_does_better(cases, least):
    labels, scores = np.array([label for label, _ in cases]), np.array([score for _, score in cases])

    def rates(threshold: float) -> tuple[float, float]:
        called = scores >= threshold
        return called[labels].mean(), (~called[~labels]).mean()

    others = [rates(threshold) for threshold in [0.0, *scores]]
    chosen = youden(labels, scores)
    assert 0 <= chosen.threshold <= 1
    assert sum(rates(chosen.threshold)) >= max(map(sum, others)) - 1e-9
    sensitivity, specificity = rates(sensitivity_at_least(labels, scores, least).threshold)
    assert sensitivity >= least - 1e-9
    assert specificity >= max(own for reached, own in others if reached >= least) - 1e-9
