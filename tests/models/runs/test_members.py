"""Folds of a recipe are one run: the members' cases together make its own, each with its threshold."""

import json

import numpy as np
import pytest

from models.errors import BadInput
from models.evaluation import evaluate, predicted_classes, read_predictions
from models.runs import import_run, load_run, pack_run, write_run
from models.runs.cases import read_cases
from models.runs.folder import ASSETS
from models.runs.history import read_history
from tests.models.runs.tiny_run import PREDICTIONS, tiny_files

POOLED = [
    load_run(ASSETS / "runs" / name) for name in ("busi-light-hybrid-folds", "busi-light-hybrid-guided-folds")
]


@pytest.mark.parametrize("run", POOLED, ids=lambda run: run.id)
def test_the_members_cases_are_the_run_s_own(run):
    pooled = read_predictions(run.path("predictions.csv"), run.classes)
    assert set(pooled.splits) == {"test"} and len(set(pooled.case_ids)) == len(pooled) == 608
    folds = read_cases(run).of(pooled)["fold"]
    for member in run.members:
        own = read_predictions(run.member_predictions(member.name), run.classes)
        mine = pooled.take(folds == member.name)
        assert own.case_ids.tolist() == mine.case_ids.tolist() and len(own) == member.n
        assert np.array_equal(own.probabilities, mine.probabilities)
        called = predicted_classes(own.probabilities, member.threshold, 1)
        right = float((called == own.labels).mean())
        assert member.kind == "fold" and member.metrics["accuracy"].value == pytest.approx(right)
        assert len(read_history(run.member_history(member.name))) > 3
    assert not set(pooled.groups[folds == "fold1"]) & set(pooled.groups[folds != "fold1"])


def test_pooled_figures_are_those_of_the_pooled_predictions():
    run = POOLED[0]
    p = read_predictions(run.path("predictions.csv"), run.classes)
    threshold = np.mean([member.threshold for member in run.members])
    assert run.operating_point.threshold == pytest.approx(threshold)
    again = evaluate(
        p.labels,
        p.probabilities,
        classes=run.classes,
        positive=run.positive,
        threshold=threshold,
        groups=p.groups,
    )
    stored = run.card.metrics["test"]
    for name in ("auc", "sensitivity", "brier"):
        assert stored[name].value == pytest.approx(again[name]["value"])
    assert not run.has_weights and run.card.confusion.counts[1][1] == round(stored["sensitivity"].value * 168)


def with_members(names=("fold1",), listed=("fold1",)):
    card, files = tiny_files()
    members = [{"name": name, "kind": "fold", "threshold": 0.4, "n": 2} for name in names]
    return card | {"members": members}, files | {f"members/{name}.csv": PREDICTIONS for name in listed}


def test_members_travel_with_a_packed_run(tmp_path):
    card, files = with_members()
    run = write_run(tmp_path / "tiny", card, files)
    packed = pack_run(run, tmp_path / "tiny.zip")
    again = import_run(packed, tmp_path / "elsewhere").run
    assert again.members == run.members and again.member_predictions("fold1").is_file()
    assert again.member_history("fold1") is None and again.member_predictions("fold2") is None


def test_a_run_without_members_does_not_mention_them(tmp_path):
    run = write_run(tmp_path / "tiny", *tiny_files())
    assert run.members == () and "members" not in json.loads((run.folder / "run.json").read_text())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"names": ("fold1", "fold1")}, "two members"),
        ({"names": ("fold1", "fold2")}, r"members/fold2\.csv is not among the files"),
        ({"names": ("../x",)}, "members.0.name"),
    ],
)
def test_members_that_do_not_fit_are_refused(tmp_path, change, words):
    card, files = with_members(**change)
    with pytest.raises(BadInput, match=words):
        write_run(tmp_path / "tiny", card, files)
