"""Metrics against numbers by hand, scikit-learn as a second opinion, and what holds for any input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import BadInput
from models.evaluation.metric_table import evaluate
from models.evaluation.metrics import METRICS, confusion, positive_index, predicted_classes

BINARY = ("other", "malignant")
THREE = ("normal", "benign", "malignant")


def two(scores) -> np.ndarray:
    """[n, 2] for the positive class's scores."""
    scores = np.asarray(scores, dtype=float)
    return np.stack([1 - scores, scores], axis=1)


def values(metrics: dict) -> dict:
    return {name: metric["value"] for name, metric in metrics.items()}


# 4 malignant cases, 6 others: 3 of the 4 and 2 of the 6 at or above one half.
LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
SCORES = np.array([0.95, 0.85, 0.55, 0.35, 0.85, 0.65, 0.35, 0.25, 0.15, 0.05])


def test_two_classes_by_hand():
    metrics = evaluate(LABELS, two(SCORES), classes=BINARY)
    assert list(metrics) == list(METRICS)
    found = values(metrics)
    # Won pairs of 24: 0.95 beats 6; 0.85 beats 5 and ties one; 0.55 beats 4; 0.35 beats 3 and ties one.
    assert found["auc"] == pytest.approx((6 + 5.5 + 4 + 3.5) / 24)
    assert found["accuracy"] == pytest.approx(0.7)
    assert found["sensitivity"] == pytest.approx(3 / 4)
    assert found["specificity"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert found["ppv"] == pytest.approx(3 / 5)
    assert found["npv"] == pytest.approx(4 / 5)
    assert found["f1"] == pytest.approx(6 / 9)
    assert found["kappa"] == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert found["mcc"] == pytest.approx((3 * 4 - 2 * 1) / np.sqrt(5 * 4 * 6 * 5))
    squares = [0.05, 0.15, 0.45, 0.65, 0.85, 0.65, 0.35, 0.25, 0.15, 0.05]
    assert found["brier"] == pytest.approx(np.mean(np.square(squares)))
    # Bins, their gap times their cases: .05: .05, .15: .15, .25: .25, the two .35: |.7 - 1|, .55: .45,
    # .65: .65, the two .85: |1.7 - 1|, .95: .05.
    assert found["ece"] == pytest.approx((0.05 + 0.15 + 0.25 + 0.3 + 0.45 + 0.65 + 0.7 + 0.05) / 10)
    ns = {name: metric["n"] for name, metric in metrics.items()}
    assert (ns["sensitivity"], ns["specificity"], ns["ppv"], ns["npv"], ns["auc"]) == (4, 6, 5, 5, 10)


def test_the_threshold_is_reached_by_equality():
    assert predicted_classes(two([0.3, 0.2999999]), threshold=0.3).tolist() == [1, 0]
    assert predicted_classes(two([0.3, 0.8]), threshold=0.5, positive=0).tolist() == [0, 1]
    assert values(evaluate([1, 0], two([0.3, 0.2]), classes=BINARY, threshold=0.3))["accuracy"] == 1


def test_the_positive_class_may_stand_first():
    flipped = evaluate(1 - LABELS, two(SCORES)[:, ::-1], classes=BINARY[::-1], positive="malignant")
    assert values(flipped) == pytest.approx(values(evaluate(LABELS, two(SCORES), classes=BINARY)))
    with pytest.raises(BadInput, match="'cyst' is no class"):
        positive_index(BINARY, "cyst")


def test_three_classes_by_hand():
    labels = [0, 0, 1, 1, 2, 2]
    p = [[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7], [0.5, 0.2, 0.3]]
    found = values(evaluate(labels, p, classes=THREE))
    # Called 0, 1, 1, 1, 2, 0.
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["sensitivity"] == found["balanced_accuracy"] == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert found["specificity"] == pytest.approx((3 / 4 + 3 / 4 + 1) / 3)
    assert found["ppv"] == pytest.approx((1 / 2 + 2 / 3 + 1) / 3)
    assert found["npv"] == pytest.approx((3 / 4 + 1 + 4 / 5) / 3)
    assert found["f1"] == pytest.approx((2 / 4 + 4 / 5 + 2 / 3) / 3)
    assert found["kappa"] == pytest.approx((4 / 6 - 12 / 36) / (1 - 12 / 36))
    # Class 0: 0.8 beats 4, 0.4 beats 3 of .1 .2 .1 .5; class 1 beats all; class 2: 0.7 and 0.3 beat all four.
    assert found["auc"] == pytest.approx((7 / 8 + 1 + 1) / 3)
    assert found["brier"] == pytest.approx((0.06 + 0.62 + 0.06 + 0.24 + 0.14 + 0.78) / 6)
    # Called class's probability in bins: .8 and .8 (both right), .5 and .5 (both wrong), .6 right, .7 right.
    assert found["ece"] == pytest.approx((0.4 + 1.0 + 0.4 + 0.3) / 6)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scikit_learn_says_the_same(n_classes):
    from sklearn import metrics as sk

    rng = np.random.default_rng(n_classes)
    labels = rng.integers(n_classes, size=300)
    p = rng.dirichlet(np.ones(n_classes), size=300).round(2) + 0.5 * np.eye(n_classes)[labels]
    p /= p.sum(axis=1, keepdims=True)
    found = values(evaluate(labels, p, classes=[f"c{k}" for k in range(n_classes)], resamples=2))
    called = predicted_classes(p)
    average = {"average": "binary" if n_classes == 2 else "macro"}
    ranked = p[:, 1] if n_classes == 2 else p
    expected = {
        "auc": sk.roc_auc_score(labels, ranked, multi_class="ovr"),
        "accuracy": sk.accuracy_score(labels, called),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called),
        "sensitivity": sk.recall_score(labels, called, **average),
        "ppv": sk.precision_score(labels, called, **average),
        "f1": sk.f1_score(labels, called, **average),
        "kappa": sk.cohen_kappa_score(labels, called),
        "mcc": sk.matthews_corrcoef(labels, called),
        "brier": sk.brier_score_loss(labels, ranked),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    counts = confusion(labels, called, [f"c{k}" for k in range(n_classes)])["counts"]
    assert counts == sk.confusion_matrix(labels, called).tolist()


def test_confusion_has_a_row_a_true_class_and_every_class():
    assert confusion([0, 0, 2], [0, 1, 2], THREE) == {
        "classes": ["normal", "benign", "malignant"],
        "counts": [[1, 1, 0], [0, 0, 0], [0, 0, 1]],
    }


def test_constant_scores_rank_nothing():
    metrics = evaluate(LABELS, two(np.full(10, 0.4)), classes=BINARY)
    assert metrics["auc"]["value"] is None
    assert metrics["auc"]["why"] == "All cases have the same score, so they have no order."
    assert values(metrics)["kappa"] == 0
    for name, why in (("ppv", "No case is called malignant."), ("mcc", "All cases are called other.")):
        assert (metrics[name]["value"], metrics[name]["why"]) == (None, why)
    assert metrics["f1"]["value"] == 0
    assert metrics["ece"]["value"] == pytest.approx(0, abs=1e-12)


def test_one_class_alone_leaves_what_needs_both_undefined():
    metrics = evaluate([1, 1, 1], two([0.9, 0.8, 0.3]), classes=BINARY)
    for name in ("auc", "balanced_accuracy", "mcc"):
        assert metrics[name] == {
            "value": None,
            "low": None,
            "high": None,
            "n": 3,
            "why": "All cases are malignant.",
        }
    assert metrics["specificity"]["why"] == "No case is other."
    assert metrics["specificity"]["n"] == 0
    assert metrics["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert metrics["npv"]["value"] == 0


def test_no_malignant_case_nor_call():
    metrics = evaluate([0, 0], two([0.1, 0.2]), classes=BINARY)
    assert metrics["f1"]["why"] == "No case is malignant or called so."
    assert metrics["kappa"]["why"] == "All cases are other."


def test_one_case():
    metrics = evaluate([1], two([0.7]), classes=BINARY)
    assert metrics["auc"]["value"] is None
    # Wilson for 1 of 1: 1 / (1 + z^2).
    assert metrics["accuracy"] == pytest.approx({"value": 1, "low": 0.2065, "high": 1, "n": 1}, abs=1e-4)


def test_no_case():
    metrics = evaluate([], np.zeros((0, 2)), classes=BINARY)
    assert all(
        m["value"] is None and m["n"] == 0 and m["why"] == "There are no cases." for m in metrics.values()
    )


def test_three_classes_with_one_absent_average_over_the_present():
    p = [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1]]
    found = values(evaluate([0, 1, 1, 0], p, classes=THREE))
    assert found["auc"] == found["sensitivity"] == found["f1"] == 1
    metrics = evaluate([0, 1, 2, 0], p, classes=THREE)
    assert metrics["ppv"]["why"] == "No case is called malignant."
    assert metrics["f1"]["value"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_perfect_results_do_not_promise_certainty():
    metrics = evaluate([0] * 10 + [1] * 10, two([0.1] * 10 + [0.9] * 10), classes=BINARY)
    for name in ("auc", "accuracy", "balanced_accuracy", "sensitivity", "f1", "kappa", "mcc"):
        assert metrics[name]["value"] == metrics[name]["high"] == 1
        assert 0.4 < metrics[name]["low"] < 0.9, name
    reverse = evaluate([1] * 10 + [0] * 10, two([0.1] * 10 + [0.9] * 10), classes=BINARY)
    assert reverse["auc"]["low"] == reverse["auc"]["value"] == 0
    assert reverse["auc"]["high"] == pytest.approx(1 - metrics["auc"]["low"])


def test_fewer_independent_groups_widen_the_intervals():
    rng = np.random.default_rng(5)
    labels = np.repeat(rng.integers(2, size=60), 5)
    scores = np.repeat(rng.uniform(size=60) * 0.6 + 0.4 * labels[::5], 5)
    alone = evaluate(labels, two(scores), classes=BINARY)
    grouped = evaluate(labels, two(scores), classes=BINARY, groups=[f"p{i // 5}" for i in range(300)])
    once = evaluate(labels[::5], two(scores[::5]), classes=BINARY)
    for name in ("auc", "accuracy", "sensitivity", "kappa", "brier"):
        width = {
            k: m[name]["high"] - m[name]["low"]
            for k, m in (("alone", alone), ("grouped", grouped), ("once", once))
        }
        assert grouped[name]["value"] == pytest.approx(alone[name]["value"])
        # Five copies of a case are worth one.
        assert width["grouped"] == pytest.approx(width["once"], rel=0.06), name
        assert width["grouped"] > 1.8 * width["alone"]


@pytest.mark.parametrize(
    ("labels", "p", "words"),
    [
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], "case 2 are not all numbers"),
        ([0, 1], [[0.5, 0.5], [1.5, -0.5]], "case 2 do not lie in 0..1"),
        ([0, 1], [[0.5, 0.6], [0.5, 0.5]], "case 1 add to 1.1"),
        ([0, 1], [[0.5, 0.5]], "2 labels for 1 predictions"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "no label among the classes"),
        ([0, -1], [[0.5, 0.5], [0.5, 0.5]], "no label among the classes"),
        ([0, 1], [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]], "2 columns"),
        ([0, 1], [0.5, 0.5], "2 columns"),
    ],
)
def test_what_is_no_prediction_is_refused(labels, p, words):
    with pytest.raises(BadInput, match=words):
        evaluate(labels, np.array(p), classes=BINARY)


@st.composite
def scored(draw):
    n = draw(st.integers(1, 40))
    n_classes = draw(st.sampled_from([2, 3]))
    labels = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    parts = draw(
        st.lists(st.lists(st.integers(0, 8), min_size=n_classes, max_size=n_classes), min_size=n, max_size=n)
    )
    p = np.array(parts, dtype=float) + 0.25
    groups = draw(st.none() | st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=n, max_size=n))
    return np.array(labels), p / p.sum(axis=1, keepdims=True), groups, [f"c{k}" for k in range(n_classes)]


@settings(max_examples=60, deadline=None)
@given(scored())
def test_a_value_lies_in_its_interval_and_in_its_range_or_says_why_not(drawn):
    labels, p, groups, classes = drawn
    for name, metric in evaluate(labels, p, classes=classes, groups=groups, resamples=50).items():
        if metric["value"] is None:
            assert metric["why"].endswith(".")
            continue
        least, most = {"kappa": (-1, 1), "mcc": (-1, 1), "brier": (0, 2)}.get(name, (0, 1))
        assert least - 1e-9 <= metric["low"] <= metric["value"] <= metric["high"] <= most + 1e-9, (
            name,
            metric,
        )
        assert all(type(metric[key]) is float for key in ("value", "low", "high"))
        assert type(metric["n"]) is int


@settings(max_examples=30, deadline=None)
@given(scored(), st.floats(0.2, 5))
def test_auc_sees_only_the_order_of_the_scores(drawn, power):
    labels, p, groups, _ = drawn
    labels, scores = np.minimum(labels, 1), p[:, 0].round(6)
    settings = {"classes": BINARY, "groups": groups, "resamples": 20}
    straight = evaluate(labels, two(scores), **settings)["auc"]
    bent = evaluate(labels, two(scores**power), **settings)["auc"]
    assert bent == straight
    mirrored = evaluate(1 - labels, two(1 - scores), **settings)["auc"]
    if straight["value"] is not None:
        assert mirrored["value"] == pytest.approx(straight["value"])


def test_the_same_seed_gives_the_same_intervals_and_the_order_of_cases_the_same_values():
    again = evaluate(LABELS, two(SCORES), classes=BINARY)
    assert again == evaluate(LABELS, two(SCORES), classes=BINARY)
    order = np.random.default_rng(0).permutation(10)
    assert values(evaluate(LABELS[order], two(SCORES[order]), classes=BINARY)) == pytest.approx(values(again))
