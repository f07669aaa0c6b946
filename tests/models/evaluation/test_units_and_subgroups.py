"""Scores by breast and patient, and by what is known of the cases."""

import numpy as np
import pytest

from models.errors import BadInput
from models.evaluation.evidence import gather
from models.evaluation.subgroups import METRICS, NOT_STATED, subgroups
from models.evaluation.units import per_unit, units_of
from models.runs.cases import CaseTable
from tests.models.evaluation.stored import predictions_of

PATIENTS = ["a", "a", "a", "b", "b", "c"]
SIDES = ("left", "left", "right", "left", "", "right")
CASES = predictions_of([0, 1, 0, 0, 0, 1], [0.2, 0.4, 0.9, 0.3, 0.1, 0.7], patients=PATIENTS)
TABLE = CaseTable(tuple(CASES.case_ids.tolist()), {"laterality": SIDES})


def test_a_patient_is_as_suspicious_as_her_most_suspicious_image():
    women = per_unit(CASES, "patient")
    assert women.patient_ids.tolist() == ["a", "b", "c"]
    assert women.probabilities[:, 1].tolist() == [0.9, 0.3, 0.7]
    assert women.labels.tolist() == [1, 0, 1]
    assert women.case_ids.tolist() == ["case 2", "case 3", "case 5"]
    breasts = per_unit(CASES, "breast", TABLE)
    # The image without a side is a breast of its own.
    assert breasts.probabilities[:, 1].tolist() == [0.4, 0.9, 0.3, 0.1, 0.7]
    assert breasts.labels.tolist() == [1, 0, 0, 0, 1]
    assert per_unit(CASES, "image").case_ids.tolist() == CASES.case_ids.tolist()


def test_units_that_make_sense():
    assert units_of(CASES) == ("image", "patient")
    assert units_of(CASES, TABLE) == ("image", "breast", "patient")
    assert units_of(predictions_of([0, 1], [0.1, 0.2])) == ("image",)
    one_side = CaseTable(TABLE.case_ids, {"laterality": ("left",) * 6})
    assert units_of(CASES, one_side) == ("image", "patient")
    with pytest.raises(BadInput, match="does not tell left from right"):
        per_unit(CASES, "breast")


def test_the_evidence_of_patients():
    shown = gather(CASES, unit="patient")
    assert shown.rows.tolist() == [2, 3, 5]
    assert shown.auc()["value"] == 1
    by_breast = gather(CASES, unit="breast", cases=TABLE, keep=np.array([1, 1, 1, 1, 1, 0], dtype=bool))
    assert by_breast.rows.tolist() == [1, 2, 3, 4]
    split = predictions_of([0, 1], [0.2, 0.4], patients=["a", "a"], splits=["validation", "test"])
    assert len(per_unit(split, "patient")) == 2


def test_a_woman_without_cancer_has_her_images_commonest_label():
    classes = ("benign", "malignant", "normal")
    p = [[0.2, 0.5, 0.3], [0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.1, 0.1, 0.8]]
    women = per_unit(
        predictions_of([2, 0, 0, 2], p, classes=classes, patients=["a", "a", "a", "b"]),
        "patient",
        positive="malignant",
    )
    assert women.labels.tolist() == [0, 2]
    assert women.probabilities.tolist() == [p[0], p[3]]


def mixed(n=300, seed=0):
    """Cases of three densities; in the last the scores say nothing."""
    rng = np.random.default_rng(seed)
    values = np.repeat(["a", "b", "c"], n // 3)
    labels = rng.integers(2, size=n)
    scores = np.where(values == "c", rng.random(n), np.clip(0.5 * labels + 0.5 * rng.random(n), 0, 1))
    return predictions_of(labels, scores), values


def test_a_subgroup_clearly_below_is_named():
    cases, values = mixed()
    found = subgroups(cases, values, "density", threshold=0.5)
    assert [group.value for group in found] == ["a", "b", "c"]
    assert [group.n for group in found] == [100, 100, 100]
    assert found[0].below is None and found[1].below is None
    assert found[2].below.startswith("c: clearly below all other cases (AUC 0.")
    assert "Sensitivity" in found[2].below
    own = cases.take(values == "c")
    shown = gather(own)
    assert found[2].metrics["auc"] == shown.auc()
    for name in METRICS[1:]:
        assert found[2].metrics[name] == shown.at(0.5).metrics[name]


def test_chance_alone_seldom_names_a_subgroup():
    rng = np.random.default_rng(5)
    named = 0
    for _ in range(25):
        labels = rng.integers(2, size=120)
        cases = predictions_of(labels, np.clip(0.3 * labels + 0.7 * rng.random(120), 0, 1))
        values = rng.choice(["left", "right", "both"], size=120)
        named += any(group.below for group in subgroups(cases, values, "laterality"))
    # One column in twenty at the most, by design.
    assert named <= 4


def test_a_few_cases_without_an_error_put_nobody_else_below():
    # DeLong's variance of an area of 1 is 0: beside these 12, all the others were "clearly below".
    labels = np.tile([0, 1], 306)
    scores = np.linspace(0, 0.4, 612) + 0.5 * labels
    scores[20:24], scores[30:40:2] = [0.9, 0.1, 0.8, 0.2], 0.85
    values = np.where(np.arange(612) < 600, "many", "few")
    found = subgroups(predictions_of(labels, scores), values, "site", threshold=0.5)
    assert found[0].value == "few" and found[0].metrics["auc"]["value"] == 1
    assert found[1].metrics["auc"]["value"] == pytest.approx(0.98, abs=0.015)
    assert found[1].below is None


def test_small_groups_and_blanks_say_so():
    cases, values = mixed()
    values = values.astype("<U9")
    values[:2], values[-3:] = "rare", ""
    found = {group.value: group for group in subgroups(cases, values, "density")}
    assert list(found)[-1] == NOT_STATED
    assert found["rare"].metrics["auc"]["why"] == "Only 2 cases: too few to say anything."
    assert found["rare"].below is None
    assert found[NOT_STATED].n == 3
    alone = subgroups(cases, np.full(300, "a"), "density")
    assert (len(alone), alone[0].below) == (1, None)


def test_many_numbers_become_thirds_and_few_stay():
    cases, _ = mixed()
    sizes = np.linspace(0.01, 0.3, 300).round(4).astype(str)
    found = subgroups(cases, sizes, "lesion_size")
    assert [group.value for group in found] == ["up to 0.107", "0.107 to 0.203", "above 0.203"]
    assert [group.n for group in found] == [100, 100, 100]
    counts = np.tile(["2", "10", "1"], 100)
    assert [group.value for group in subgroups(cases, counts, "n_lesions")] == ["1", "2", "10"]


def test_more_than_two_classes_are_the_positive_one_against_the_rest():
    classes = ("benign", "malignant", "normal")
    labels = [0, 1, 2] * 4
    p = np.tile([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.1, 0.2, 0.7]], (4, 1))
    (only,) = subgroups(predictions_of(labels, p, classes=classes), ["x"] * 12, "site", positive="malignant")
    assert (only.positives, only.metrics["sensitivity"]["value"], only.metrics["specificity"]["value"]) == (
        4,
        1,
        1,
    )
