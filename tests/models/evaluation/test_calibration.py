"""Calibration against scikit-learn's logistic regression, closed forms, and its promise to keep the order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.evaluation.calibration import (
    Calibration,
    bin_index,
    fit_calibration,
    fit_platt,
    fit_temperature,
    reliability,
    sigmoid,
)
from models.evaluation.metric_table import evaluate


def noisy(n: int, scale: float, shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    labels = (rng.random(n) < sigmoid(z)).astype(int)
    return scale * z + shift, labels


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (40, -300), (0.01, 5)])
def test_platt_is_the_logistic_regression_of_his_targets(scale, shift):
    from sklearn.linear_model import LogisticRegression

    logits, labels = noisy(400, scale, shift)
    fitted = fit_platt(logits, labels)
    positives = labels.sum()
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (400 - positives + 2))
    # A soft target t is a positive of weight t and a negative of 1 - t; standard units for its optimiser.
    z = (logits - shift) / scale
    regression = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    regression.fit(
        np.concatenate([z, z])[:, None],
        np.repeat([1, 0], 400),
        sample_weight=np.concatenate([targets, 1 - targets]),
    )
    slope = regression.coef_[0, 0] / scale
    assert fitted.slope == pytest.approx(slope, rel=1e-4)
    assert fitted.intercept == pytest.approx(regression.intercept_[0] - slope * shift, rel=1e-3, abs=1e-3)


def test_platt_with_two_scores_by_hand():
    # Score 0: 1 of 4 positive; score 1: 3 of 4. Targets 5/6 and 1/6: means 1/3 and 2/3, met exactly.
    fitted = fit_platt([0, 0, 0, 0, 1, 1, 1, 1], [1, 0, 0, 0, 1, 1, 1, 0])
    assert fitted.method == "platt"
    assert fitted.intercept == pytest.approx(np.log(0.5))
    assert fitted.slope == pytest.approx(2 * np.log(2))
    assert fitted.apply(np.array([[0.0], [1.0]])) == pytest.approx(np.array([[2 / 3, 1 / 3], [1 / 3, 2 / 3]]))


def test_separated_cases_give_no_endless_certainty():
    fitted = fit_platt([-3.0, -2, -1, 1, 2, 3], [0, 0, 0, 1, 1, 1])
    p = fitted.apply(np.array([[-2.0], [2.0]]))[:, 1]
    assert 0.02 < p[0] < 0.3
    assert 0.7 < p[1] < 0.98


def test_scores_that_mislead_keep_their_order_and_say_little():
    logits, labels = noisy(300, 5, 1)
    fitted = fit_platt(-logits, labels)
    assert fitted.slope > 0
    p = fitted.apply(-logits[:, None])[:, 1]
    assert np.ptp(p) < 0.03
    assert p.mean() == pytest.approx(labels.mean(), abs=0.01)


def test_constant_scores_give_the_share_of_positives():
    fitted = fit_platt(np.full(100, 7.0), np.repeat([0, 1], [75, 25]))
    assert fitted.slope > 0
    assert fitted.apply(np.array([[7.0]]))[0, 1] == pytest.approx(0.25, abs=0.01)


def test_temperature_by_hand():
    # Margin 1 towards class 0 (8 cases: 6 of class 0) and mirrored. Targets 9/10 and 1/10 (8 + 1 over 8 + 2):
    # the favoured class is due (6 * 0.9 + 2 * 0.1) / 8 = 0.7 on average, so the slope is logit(0.7) over 1.
    logits = np.array([[0.5, -0.5]] * 8 + [[-0.5, 0.5]] * 8) + 3
    labels = [0] * 6 + [1] * 2 + [1] * 6 + [0] * 2
    fitted = fit_temperature(logits, labels)
    assert fitted.method == "temperature"
    assert fitted.slope == pytest.approx(np.log(0.7 / 0.3))
    assert fitted.apply(logits)[0] == pytest.approx([0.7, 0.3])


def test_temperature_finds_the_scale_that_made_the_labels():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(6000, 4)) * 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) < rng.random((6000, 1))).sum(axis=1)
    assert fit_temperature(z * 3 + 10, labels).slope == pytest.approx(1 / 3, rel=0.05)
    assert fit_temperature(-z, labels).slope > 0


def test_the_number_of_logits_chooses_the_method():
    logits, labels = noisy(50, 1, 0)
    assert (
        fit_calibration(logits, labels)
        == fit_calibration(logits[:, None], labels)
        == fit_platt(logits, labels)
    )
    assert fit_calibration(np.stack([-logits, logits], axis=1), labels).method == "temperature"


@pytest.mark.parametrize(
    ("fit", "logits", "labels", "words"),
    [
        (fit_platt, [1.0, 2.0], [1, 1], "both classes"),
        (fit_platt, [1.0, 2.0], [0, 2], "both classes"),
        (fit_platt, [], [], "got none"),
        (fit_platt, [1.0, np.nan], [0, 1], "not finite"),
        (fit_temperature, [[1.0, 2.0], [1.0, 0.0]], [1, 1], "at least two classes"),
        (fit_temperature, [[1.0, np.inf], [1.0, 0.0]], [1, 0], "not finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused(fit, logits, labels, words):
    with pytest.raises(BadInput, match=words):
        fit(np.array(logits), np.array(labels))


def test_no_calibration_is_the_sigmoid_or_the_softmax():
    assert Calibration().apply(np.array([[0.0], [np.log(3)]])) == pytest.approx(
        np.array([[0.5, 0.5], [0.25, 0.75]])
    )
    assert Calibration().apply(np.log([[1.0, 2.0, 5.0]])) == pytest.approx(np.array([[0.125, 0.25, 0.625]]))
    assert Calibration().apply(np.array([[np.log(3)]]), positive=0) == pytest.approx(np.array([[0.75, 0.25]]))
    extreme = Calibration().apply(np.array([[1000.0], [-1000.0]]))
    assert extreme.tolist() == [[0, 1], [1, 0]]


def test_it_goes_through_the_run_card_unchanged():
    fitted = Calibration("platt", 0.7, -1.2)
    assert fitted.to_dict() == {"method": "platt", "slope": 0.7, "intercept": -1.2}
    assert Calibration.from_dict(fitted.to_dict()) == fitted


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-50, 50, allow_subnormal=False), st.booleans()), min_size=2, max_size=60
    ).filter(lambda cases: len({label for _, label in cases}) == 2)
)
def test_platt_keeps_the_order_whatever_it_is_given(cases):
    logits, labels = np.array([z for z, _ in cases]), np.array([int(label) for _, label in cases])
    fitted = fit_platt(logits, labels)
    assert fitted.slope > 0
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    order = np.argsort(logits, kind="stable")
    p = fitted.apply(logits[:, None])
    assert (np.diff(p[order, 1]) >= 0).all()
    assert p.sum(axis=1) == pytest.approx(np.ones(len(p)))


def test_reliability_by_hand_and_its_error_is_the_metric():
    p, y = np.array([0.0, 0.05, 0.1, 0.55, 0.95, 1.0]), np.array([0, 1, 0, 1, 1, 1])
    bins = reliability(p, y)
    assert bins.counts.tolist() == [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]
    assert bins.predicted[[0, 1, 5, 9]] == pytest.approx([0.025, 0.1, 0.55, 0.975])
    assert bins.observed[[0, 1, 5, 9]] == pytest.approx([0.5, 0, 1, 1])
    assert np.isnan(bins.observed[2])
    assert bins.ece == pytest.approx((2 * 0.475 + 0.1 + 0.45 + 2 * 0.025) / 6)
    assert evaluate(y, np.stack([1 - p, p], axis=1), classes=("a", "b"))["ece"]["value"] == pytest.approx(
        bins.ece
    )
    assert np.isnan(reliability(np.zeros(0), np.zeros(0)).ece)
    assert bin_index(np.array([0, 0.0999, 0.1, 0.999, 1]), 10).tolist() == [0, 0, 1, 9, 9]
