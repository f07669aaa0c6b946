"""Two runs on the cases they share: matching, McNemar, DeLong, differences, and the command."""

import json

import numpy as np
import pytest

from models.__main__ import main
from models.errors import BadInput
from models.evaluation.delong import compare_aucs
from models.evaluation.metrics import METRICS
from models.evaluation.paired import Paired, compare_runs, mcnemar, shared_cases
from tests.models.evaluation.stored import predictions_of, stored_run

THREE = ("benign", "malignant", "normal")


def scores(n=120, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    signal = rng.normal(1.2 * labels, 1)
    first, second = (1 / (1 + np.exp(0.6 - signal - noise)) for noise in rng.normal(0, 0.7, size=(2, n)))
    return labels, first, second


@pytest.fixture
def pair(tmp_path):
    labels, first, second = scores()
    patients = [f"p{i // 2}" for i in range(len(labels))]
    return (
        stored_run(tmp_path / "one", predictions_of(labels, first, patients=patients), threshold=0.4),
        stored_run(tmp_path / "two", predictions_of(labels, second, patients=patients), threshold=0.6),
    )


@pytest.mark.parametrize(("b", "c"), [(0, 0), (4, 0), (5, 2), (10, 10), (30, 12), (400, 300)])
def test_mcnemar_is_statsmodels(b, c):
    from statsmodels.stats.contingency_tables import mcnemar as theirs

    first = np.repeat([True, True, False, False], [20, b, c, 7])
    second = np.repeat([True, False, True, False], [20, b, c, 7])
    found = mcnemar(first, second)
    assert (found.b, found.c) == (b, c)
    expected = theirs([[20, b], [c, 7]], exact=True).pvalue if b + c else 1
    assert found.p == pytest.approx(expected)


def test_mcnemar_by_hand():
    # Four against none: twice one half to the fourth.
    assert mcnemar([True] * 4, [False] * 4).p == 0.125
    with pytest.raises(BadInput, match="both verdicts of each case"):
        mcnemar([True], [True, False])


def test_the_document_of_the_contract(pair, capsys, monkeypatch):
    first, second = pair
    document = compare_runs(first, second)
    labels, one, two = scores()
    assert (document["shared"], document["split"]) == (120, "test")
    groups = np.arange(120) // 2
    delong = compare_aucs(labels, one, two, groups)
    assert document["delong"]["difference"] == pytest.approx(delong.difference)
    assert (document["delong"]["low"], document["delong"]["p"]) == pytest.approx((delong.low, delong.p))
    right = [(one >= 0.4) == labels, (two >= 0.6) == labels]
    assert document["mcnemar"]["b"] == (right[0] & ~right[1]).sum()
    assert document["mcnemar"]["c"] == (~right[0] & right[1]).sum()
    assert list(document["differences"]) == list(METRICS)
    for name, difference in document["differences"].items():
        own = [document[which]["metrics"][name]["value"] for which in ("first", "second")]
        assert difference["value"] == pytest.approx(own[0] - own[1])
        assert difference["low"] <= difference["value"] <= difference["high"]
        assert difference["n"] == 120
    assert main(["compare", str(first.folder), str(second.folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(document))
    assert main(["compare", str(first.folder), str(second.folder)]) == 0
    told = capsys.readouterr().out
    assert "one against two on 120 shared test cases" in told
    assert "McNemar: the first alone is right in" in told
    assert main(["compare", str(first.folder), str(second.folder), "--part", "train"]) == 2
    assert "share no train case" in capsys.readouterr().err
    assert "120 cases are of 60 patients" in document["note"] and "McNemar" in document["note"]
    assert main(["compare", str(first.folder), str(first.folder), "--json"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err == "Both are the run one: choose two different runs.\n"


def test_turned_round_every_difference_changes_its_sign(pair):
    there, back = compare_runs(*pair), compare_runs(*pair[::-1])
    for name, difference in there["differences"].items():
        other = back["differences"][name]
        assert difference["value"] == pytest.approx(-other["value"])
        width = difference["high"] - difference["low"]
        assert difference["low"] == pytest.approx(-other["high"], abs=0.12 * width + 1e-12)
    assert there["mcnemar"]["p"] == back["mcnemar"]["p"]


def test_differences_are_those_of_cases_drawn_together(pair):
    """Every case drawn by itself, both verdicts with it; no smoothing to speak of at so many differences."""
    from models.evaluation.intervals import resampled_weights

    shared = shared_cases(*pair)
    found = Paired(shared, 0.4, 0.6).differences
    weights = np.concatenate(list(resampled_weights(shared.labels, shared.groups, 2000, 5)))
    y = shared.labels == 1
    f1, brier = [], []
    for p, called in ((shared.first_p, shared.first_called), (shared.second_p, shared.second_called)):
        tp, wrong = weights @ (y & (called == 1)), weights @ (y != (called == 1))
        f1.append(2 * tp / (2 * tp + wrong))
        brier.append(weights @ (p[:, 1] - y) ** 2 / weights.sum(axis=1))
    for name, slow in (("f1", f1[0] - f1[1]), ("brier", brier[0] - brier[1])):
        low, high = np.quantile(slow, [0.025, 0.975])
        assert found[name]["low"] == pytest.approx(low, abs=0.1 * (high - low))
        assert found[name]["high"] == pytest.approx(high, abs=0.1 * (high - low))


def test_a_difference_in_one_direction_alone_is_not_beyond_doubt(tmp_path):
    labels = [1] * 20 + [0] * 40
    one = [0.9] * 18 + [0.1] * 2 + [0.1] * 40
    two = [0.9] * 16 + [0.1] * 4 + [0.1] * 38 + [0.9] * 2
    runs = [
        stored_run(tmp_path / name, predictions_of(labels, own)) for name, own in (("a", one), ("b", two))
    ]
    document = compare_runs(*runs)
    assert document["mcnemar"] == {"b": 4, "c": 0, "p": 0.125}
    for name in ("sensitivity", "f1", "kappa", "npv"):
        assert document["differences"][name]["low"] <= 0 < document["differences"][name]["value"], name
    same = compare_runs(runs[0], runs[0])
    for name in ("accuracy", "f1", "mcc"):
        metric = same["differences"][name]
        assert metric["low"] < metric["value"] == 0 < metric["high"]
    assert same["delong"]["p"] == 1


def test_cases_of_a_merged_run_are_those_of_its_pack(tmp_path):
    labels, one, two = scores(40)
    ids = [f"case {i}" for i in range(40)]
    single = stored_run(
        tmp_path / "single", predictions_of(labels, one, ids=ids, patients=["p"] * 20 + ids[20:])
    )
    merged_ids = [f"pack/{name}" for name in ids] + ["other/case 0", "other/case 99"]
    patients = ["pack/p"] * 20 + merged_ids[20:]
    merged = stored_run(
        tmp_path / "merged",
        predictions_of([*labels, 0, 1], [*two, 0.5, 0.5], ids=merged_ids, patients=patients),
    )
    for runs in ((single, merged), (merged, single)):
        shared = shared_cases(*runs)
        # "case 0" is in two packs of the merged run: which one it is cannot be told.
        assert len(shared) == 39
        assert "within their pack" in shared.note and "39 are shared" in shared.note
    assert shared.case_ids[0] == "pack/case 1"
    assert shared.first_p[:, 1].tolist() == two[1:].tolist()
    assert shared.second_rows.tolist() == list(range(1, 40))


def test_cases_without_names_are_matched_by_row_and_the_reader_is_told(tmp_path):
    labels, one, two = scores(30)
    rows = [f"row {i + 2}" for i in range(30)]
    unnamed, again = (
        stored_run(tmp_path / name, predictions_of(labels, own, ids=rows))
        for name, own in (("a", one), ("b", two))
    )
    assert "row was matched with row" in shared_cases(unnamed, again).note
    named = stored_run(tmp_path / "c", predictions_of(labels, one))
    assert "row" not in shared_cases(named, named).note


def test_other_classes_are_compared_on_the_positive_one(tmp_path):
    rng = np.random.default_rng(3)
    kinds = rng.integers(3, size=60)
    p = rng.dirichlet(np.ones(3), size=60) * 0.5 + 0.5 * np.eye(3)[kinds]
    three = stored_run(
        tmp_path / "three", predictions_of(kinds, p, classes=THREE), classes=THREE, threshold=0.45
    )
    two = stored_run(tmp_path / "two", predictions_of(kinds == 1, rng.random(60)))
    shared = shared_cases(three, two)
    assert shared.classes == ("other than malignant", "malignant")
    assert shared.first_p[:, 1].tolist() == p[:, 1].tolist()
    assert shared.first_called.tolist() == (p[:, 1] >= 0.45).astype(int).tolist()
    assert "compared against the rest" in shared.note
    turned = predictions_of(
        [THREE[k] for k in kinds], p[:, [2, 0, 1]], classes=("normal", "benign", "malignant")
    )
    again = stored_run(tmp_path / "turned", turned, classes=turned.classes, threshold=0.45)
    same = shared_cases(three, again)
    assert same.classes == THREE and same.note == ""
    assert np.abs(same.first_p - same.second_p).max() == 0
    assert same.first_called.tolist() == p.argmax(axis=1).tolist()
    assert compare_runs(three, again)["delong"]["difference"] == 0


def test_the_coarser_groups_count(tmp_path):
    labels, one, two = scores(30)
    known = stored_run(
        tmp_path / "known", predictions_of(labels, one, patients=[f"p{i // 3}" for i in range(30)])
    )
    unknown = stored_run(tmp_path / "unknown", predictions_of(labels, two))
    for runs in ((known, unknown), (unknown, known)):
        assert len(set(shared_cases(*runs).groups.tolist())) == 10


def test_what_cannot_be_compared_is_refused(tmp_path, pair):
    labels, one, _ = scores()
    with pytest.raises(BadInput, match="share no test case: choose two runs on the same data"):
        elsewhere = predictions_of(labels, one, ids=[f"x{i}" for i in range(120)])
        compare_runs(pair[0], stored_run(tmp_path / "elsewhere", elsewhere))
    with pytest.raises(BadInput, match=r"disagree on the label of 120 of 120 shared cases \('case 0' is "):
        patients = [f"p{i // 2}" for i in range(120)]
        compare_runs(
            pair[0], stored_run(tmp_path / "other", predictions_of(1 - labels, one, patients=patients))
        )
    with pytest.raises(BadInput, match="looks for malignant and idc for idc"):
        classes = ("malignant", "idc")
        cases = predictions_of(labels, one, classes=classes)
        compare_runs(pair[0], stored_run(tmp_path / "idc", cases, classes=classes, positive="idc"))
    with pytest.raises(BadInput, match="no stored predictions"):
        compare_runs(pair[0], stored_run(tmp_path / "bare", None))
    with pytest.raises(BadInput, match="share no test case"):
        # The same names, but other patients: other data.
        strangers = predictions_of(labels, one, patients=[f"q{i // 2}" for i in range(120)])
        compare_runs(pair[0], stored_run(tmp_path / "strangers", strangers))


def test_one_class_alone_leaves_the_verdicts_to_compare(tmp_path):
    runs = [
        stored_run(tmp_path / name, predictions_of([1, 1, 1], own))
        for name, own in (("a", [0.9, 0.8, 0.2]), ("b", [0.9, 0.1, 0.2]))
    ]
    document = compare_runs(*runs)
    assert document["delong"]["p"] is None
    assert document["delong"]["why"] == "All shared cases are malignant."
    assert document["differences"]["auc"]["why"] == "All shared cases are malignant."
    assert document["differences"]["sensitivity"]["value"] == pytest.approx(1 / 3)
    assert document["differences"]["specificity"]["value"] is None
    assert main(["compare", *(str(run.folder) for run in runs)]) == 0
