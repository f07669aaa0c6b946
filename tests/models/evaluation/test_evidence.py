"""All that follows from one view of a run, by hand and by scikit-learn."""

import time

import numpy as np
import pytest

from models.errors import BadInput
from models.evaluation import METRICS, OperatingPoint
from models.evaluation.evidence import Evidence, gather, parts_with_labels
from models.evaluation.metric_table import evaluate
from models.evaluation.operating_points import best_f1, least_cost, sensitivity_at_least, youden
from tests.models.evaluation.stored import predictions_of, stored_run

THREE = ("benign", "malignant", "normal")


def three_classes(n=200, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    p = rng.dirichlet(np.ones(3), size=n) + 0.6 * np.eye(3)[labels]
    return labels, p / p.sum(axis=1, keepdims=True)


def test_the_table_of_metrics_and_the_evidence_say_the_same():
    labels, p = three_classes()
    cases = predictions_of(labels, p, classes=THREE, patients=[f"p{i // 2}" for i in range(200)])
    table = evaluate(labels, p, classes=THREE, groups=cases.groups)
    assert Evidence(cases).metrics() == table
    assert list(table) == list(METRICS)
    two = predictions_of(labels == 1, p[:, 1])
    point = OperatingPoint("chosen", 0.4, "")
    shown = Evidence(two, own_points=(point,))
    assert shown.metrics() == evaluate(two.labels, two.probabilities, classes=two.classes, threshold=0.4)
    assert shown.metrics(0.7)["sensitivity"] == shown.at(0.7).metrics["sensitivity"]


def test_verdicts_at_a_threshold_by_hand():
    shown = Evidence(predictions_of([1, 1, 1, 0, 0, 0], [0.9, 0.7, 0.3, 0.6, 0.2, 0.1]))
    found = shown.at(0.65)
    assert found.counts.tolist() == [[3, 0], [1, 2]]
    assert found.called.tolist() == [1, 1, 0, 0, 0, 0]
    assert found.metrics["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert found.metrics["ppv"]["value"] == 1
    other = shown.at(0.65, "other")
    # Called "other" from a probability of 0.65 on: malignant scores up to 0.35.
    assert other.counts.tolist() == [[2, 1], [1, 2]]
    assert other.metrics["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert shown.at(0.7).counts.tolist() == found.counts.tolist()  # equality is reached
    assert shown.at(5.0).metrics["ppv"]["why"] == "No case is called malignant."
    with pytest.raises(BadInput, match="threshold has to be a number"):
        shown.at(float("nan"))
    with pytest.raises(BadInput, match="'cyst' is no class"):
        shown.ranking("cyst")


def test_scikit_learn_writes_the_same_report():
    from sklearn.metrics import classification_report

    labels, p = three_classes()
    shown = Evidence(predictions_of(labels, p, classes=THREE))
    for verdicts in (
        shown.at(),
        shown.at(0.4, "benign"),
        Evidence(predictions_of(labels == 1, p[:, 1])).at(0.4),
    ):
        theirs = classification_report(
            verdicts.truth, verdicts.called, target_names=verdicts.classes, output_dict=True
        )
        for row in verdicts.report:
            own = theirs[row.name if row.name in verdicts.classes else f"{row.name} avg"]
            found = [row.precision["value"], row.recall["value"], row.f1["value"], row.n]
            assert found == pytest.approx(
                [own[key] for key in ("precision", "recall", "f1-score", "support")]
            )
            for metric in (row.precision, row.recall, row.specificity, row.f1):
                assert metric["low"] <= metric["value"] <= metric["high"]


def test_the_most_probable_class_and_one_class_against_the_rest():
    labels, p = three_classes()
    shown = Evidence(predictions_of(labels, p, classes=THREE), positive="malignant")
    found = shown.at(0.3)
    assert (found.threshold, found.label) == (None, None)
    assert found.called.tolist() == p.argmax(axis=1).tolist()
    alone = shown.at(0.3, "normal")
    assert alone.classes == ("other than normal", "normal")
    assert alone.counts[1, 1] == ((labels == 2) & (p[:, 2] >= 0.3)).sum()
    assert alone.report[0].name == "other than normal"


def test_the_macro_area_and_curve():
    from sklearn.metrics import roc_auc_score

    labels, p = three_classes(seed=4)
    shown = Evidence(predictions_of(labels, p, classes=THREE))
    auc = shown.auc()
    assert auc["value"] == pytest.approx(roc_auc_score(labels, p, multi_class="ovr", average="macro"))
    assert auc["value"] == pytest.approx(np.mean([shown.auc(name)["value"] for name in THREE]))
    # A mean of areas varies less than the most uncertain of them.
    widths = [shown.auc(name)["high"] - shown.auc(name)["low"] for name in THREE]
    assert min(widths) / 2 < auc["high"] - auc["low"] < max(widths)
    roc = shown.macro_roc()
    assert (roc.sensitivity[0], roc.false_positive_rate[-1], roc.sensitivity[-1]) == (0, 1, 1)
    assert (np.diff(roc.sensitivity) >= -1e-12).all()
    assert np.trapezoid(roc.sensitivity, roc.false_positive_rate) == pytest.approx(auc["value"])
    low, high = shown.macro_band(np.linspace(0, 1, 11))
    drawn = np.array([roc.sensitivity[roc.false_positive_rate <= x].max() for x in np.linspace(0, 1, 11)])
    assert (low <= drawn + 0.01).all() and (drawn <= high + 0.01).all()
    assert (high - low)[2] < 0.3


def test_operating_points_are_chosen_on_validation_where_there_is_one(tmp_path):
    rng = np.random.default_rng(1)
    labels = rng.integers(2, size=120)
    scores = np.clip(0.3 * labels + 0.7 * rng.random(120), 0, 1)
    splits = np.repeat(["validation", "test"], 60)
    run = stored_run(tmp_path / "run", predictions_of(labels, scores, splits=splits), threshold=0.37)
    points = gather(run).points()
    assert list(points) == ["run", "youden", "best_f1", "sensitivity_95", "chosen"]
    assert points["run"].threshold == 0.37
    own, p = labels[:60], scores[:60]
    assert points["youden"] == youden(own, p)
    assert points["best_f1"] == best_f1(own, p)
    assert points["sensitivity_95"] == sensitivity_at_least(own, p)
    assert {points[name].on for name in ("youden", "best_f1")} == {"validation"}
    alone = stored_run(tmp_path / "alone", predictions_of(labels[60:], scores[60:]))
    points = gather(alone).points()
    assert points["youden"] == youden(labels[60:], scores[60:], "test")
    assert list(gather(alone, keep=labels[60:] == 1).points()) == ["run", "chosen"]


def test_best_f1_and_least_cost_by_trying_every_threshold():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(2)
    labels = rng.integers(2, size=80)
    scores = np.clip(0.4 * labels + 0.6 * rng.random(80), 0, 1).round(2)
    tried = [*np.unique(scores), 1.01]
    best = best_f1(labels, scores)
    assert f1_score(labels, scores >= best.threshold) == max(f1_score(labels, scores >= t) for t in tried)
    for miss, recall, prevalence in ((10, 1, None), (1, 10, None), (500, 1, 0.006), (1, 1, 0.5)):
        point = least_cost(labels, scores, miss, recall, prevalence)
        share = labels.mean() if prevalence is None else prevalence

        def cost(t, miss=miss, recall=recall, share=share):
            called = scores >= t
            missed, alarms = (~called)[labels == 1].mean(), called[labels == 0].mean()
            return miss * share * missed + recall * (1 - share) * alarms

        assert cost(point.threshold) == pytest.approx(min(cost(t) for t in tried))
    # Recalls that cost far more than misses: nobody is called.
    highest = np.append(labels, 0), np.append(scores, 0.99)
    assert least_cost(*highest, 1, 1000, 0.001).threshold > 0.99
    assert least_cost(labels, scores, 1, 0).threshold <= scores[labels == 1].min()
    for wrong in ((-1, 1), (0, 0), (float("nan"), 1)):
        with pytest.raises(BadInput, match="Costs are numbers"):
            least_cost(labels, scores, *wrong)
    with pytest.raises(BadInput, match="prevalence of 1"):
        least_cost(labels, scores, 1, 1, 1.0)


def test_parts_filters_and_rows(tmp_path):
    labels = ["malignant", "other", "", "malignant", "other", "other"]
    splits = ["test", "train", "test", "test", "test", "validation"]
    scores = [0.9, 0.2, 0.5, 0.4, 0.6, 0.1]
    run = stored_run(tmp_path / "run", predictions_of(labels, scores, splits=splits))
    shown = gather(run)
    assert shown.rows.tolist() == [0, 3, 4]
    assert shown.part == "test"
    assert gather(run, "all").rows.tolist() == [0, 1, 3, 4, 5]
    keep = np.array([True, True, True, False, True, True])
    assert gather(run, keep=keep).rows.tolist() == [0, 4]
    assert parts_with_labels(shown.predictions) == {"test": 3}
    assert parts_with_labels(predictions_of(labels, scores, splits=splits)) == {
        "test": 3,
        "validation": 1,
        "train": 1,
    }
    unsplit = predictions_of(labels, scores, splits="")
    assert parts_with_labels(unsplit) == {"all": 5}
    assert len(gather(unsplit, "test")) == 5


def test_what_cannot_be_shown_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no stored predictions"):
        gather(stored_run(tmp_path / "bare", None))
    unlabelled = predictions_of(["", ""], [0.1, 0.2])
    with pytest.raises(BadInput, match="no labelled case in the part 'test'"):
        gather(unlabelled)
    cases = predictions_of([1, 0], [0.1, 0.2])
    with pytest.raises(BadInput, match=r"in the part 'train': choose a part that has some \(test\)"):
        gather(cases, "train")
    with pytest.raises(BadInput, match="No labelled case passes"):
        gather(cases, keep=np.array([False, False]))
    with pytest.raises(BadInput, match="3 values for 2 predictions"):
        gather(cases, keep=np.array([True, False, True]))
    with pytest.raises(BadInput, match="'cyst' is no class"):
        gather(cases, positive="cyst")
    with pytest.raises(BadInput, match="There is no unit"):
        gather(cases, unit="ward")


def test_one_class_alone_and_one_case():
    shown = Evidence(predictions_of([1, 1, 1], [0.9, 0.8, 0.3]))
    found = shown.metrics()
    assert found["auc"]["why"] == found["mcc"]["why"] == "All cases are malignant."
    assert found["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert found["ece"]["value"] == pytest.approx((0.1 + 0.2 + 0.7) / 3)
    for draw in (shown.bands, shown.macro_roc):
        with pytest.raises(BadInput):
            draw()
    assert shown.points() == {}
    one = Evidence(predictions_of([0], [0.3]))
    assert one.metrics()["accuracy"]["value"] == 1
    assert one.metrics()["auc"]["value"] is None
    assert (
        Evidence(predictions_of([0, 2], [[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]], classes=THREE)).auc()["value"]
        == 1
    )


def test_reliability_has_wilsons_intervals():
    shown = Evidence(predictions_of([1, 1, 0, 0], [0.95, 0.91, 0.99, 0.1]))
    found = shown.reliability(bins=2)
    low, high = found.intervals()
    assert found.counts.tolist() == [1, 3]
    assert (low[1] < 2 / 3 < high[1]) and low[1] == pytest.approx(0.2077, abs=1e-4)
    assert shown.histogram(bins=2).positive.tolist() == [0, 2]
    assert np.isnan(shown.reliability(bins=5).intervals()[0][2])


@pytest.mark.slow
def test_a_hundred_thousand_cases_in_time():
    rng = np.random.default_rng(0)
    n = 100_000
    labels = (rng.random(n) < 0.2).astype(int)
    scores = 1 / (1 + np.exp(-rng.normal(1.5 * labels, 1)))
    patients = np.where(rng.random(n) < 0.6, np.arange(n) // 2, n + np.arange(n)).astype(str)
    cases = predictions_of(labels, scores, patients=patients, ids=np.arange(n).astype(str))

    def seconds(work):
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    shown = gather(cases)
    assert seconds(lambda: gather(cases)) < 0.5
    assert seconds(shown.bands) < 2
    shown.at(0.5)
    assert min(seconds(lambda t=t: shown.at(t)) for t in (0.2, 0.3, 0.4)) < 0.04
    assert seconds(shown.metrics) < 0.5
