"""Runs side by side by their cards: order, filters, and what publications printed."""

import time

import pytest

from models.runs import list_runs, load_run, write_run
from models.runs.leaderboard import METRICS, Filters, entries, landmarks, ranked
from tests.models.runs.tiny_run import tiny_files

PUBLISHED = (
    'id = "{id}"\n[published]\nsource = "A thesis"\ndata = "Elsewhere"\nfigures = {{ accuracy = 0.97 }}\n'
)


def card(run_id, auc=None, **fields):
    base, _ = tiny_files()
    metrics = (
        {} if auc is None else {"test": {"auc": {"value": auc, "low": auc - 0.05, "high": auc, "n": 30}}}
    )
    return base | {"id": run_id, "branches": [], "head": None, "metrics": metrics} | fields


@pytest.fixture
def runs(tmp_path):
    made = [
        write_run(tmp_path / "low", card("low", 0.7), {}),
        write_run(tmp_path / "high", card("high", 0.9, modality="mammography", synthetic=False), {}),
        write_run(tmp_path / "none", card("none"), {}),
        write_run(tmp_path / "own", card("own", 0.8), {"recipe.toml": PUBLISHED.format(id="own")}),
    ]
    return made


def test_the_best_first_and_the_unmeasured_last(runs):
    assert [entry.id for entry in ranked(entries(runs))] == ["high", "own", "low", "none"]
    assert ranked(entries(runs))[-1].metric("auc").value is None
    assert ranked(entries(runs))[0].n == 30


def test_of_an_error_less_is_better(tmp_path):
    def brier(value):
        return {"test": {"brier": {"value": value, "low": 0.0, "high": 1.0, "n": 9}}}

    made = [write_run(tmp_path / f"b{v}", card(f"b{v}", metrics=brier(v / 10)), {}) for v in (3, 1, 2)]
    assert [entry.id for entry in ranked(entries(made), "brier")] == ["b1", "b2", "b3"]
    assert [entry.id for entry in ranked(entries(made), "auc")] == ["b1", "b2", "b3"]
    with pytest.raises(KeyError):
        ranked(entries(made), "luck")


def test_filters(runs):
    lines = entries(runs)

    def kept(**choice):
        return {entry.id for entry in lines if Filters(**choice).keep(entry)}

    assert kept() == {"low", "high", "none", "own"}
    assert kept(modality=["mammography"]) == {"high"}
    assert kept(synthetic=False) == {"high"}
    assert kept(synthetic=True, data=["nothing"]) == {"low", "none", "own"}
    assert kept(data=["elsewhere"]) == set()
    assert kept(classes=["malignant / other"]) == {"low", "high", "none", "own"}


def test_what_the_recipe_of_a_run_cites(runs):
    cited = {entry.id: entry.published for entry in entries(runs)}
    assert cited["own"].figures == {"accuracy": 0.97}
    assert cited["low"] is None


def test_a_recipe_that_is_no_toml_cites_nothing(tmp_path):
    run = write_run(tmp_path / "odd", card("odd", 0.8), {"recipe.toml": "[published]\nfigures = \n"})
    assert entries([run])[0].published is None


def test_a_run_without_a_test_part_says_which_part_its_figures_are_of(tmp_path):
    auc = {"auc": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 12}}
    run = write_run(tmp_path / "all", card("all", metrics={"all": auc}), {})
    (entry,) = entries([run])
    assert (entry.part, entry.metric("auc").value) == ("all", 0.8)


def test_runs_of_one_split_were_tested_on_the_same_cases(tmp_path):
    def of(run_id, split_id):
        data = {"name": "pack", "split_id": split_id}
        return write_run(tmp_path / run_id, card(run_id, 0.8, data=data), {})

    one, two, other, unknown = entries([of("a", "s1"), of("b", "s1"), of("c", "s2"), of("d", None)])
    assert one.tested_on == two.tested_on
    assert len({one.tested_on, other.tested_on, unknown.tested_on}) == 3


def test_the_shipped_recipes_bring_their_landmarks():
    found = {landmark.recipe: landmark for landmark in landmarks()}
    assert found["three-class-resnet101"].published.figures["accuracy"] == 0.97
    assert found["three-class-resnet101"].classes == "benign / malignant / normal"
    assert found["cross-efficientnetb0-svm"].network == "efficientnetb0 (svm)"
    kept = [line for line in found.values() if Filters(modality=["histopathology"]).keep_landmark(line)]
    assert kept and all(line.modality == "histopathology" for line in kept)


def test_two_hundred_runs_are_a_matter_of_milliseconds(runs):
    many = [load_run(runs[i % 4].folder) for i in range(200)]
    began = time.perf_counter()
    ranked(entries(many))
    assert time.perf_counter() - began < 0.5


def test_every_metric_that_can_be_sorted_by_is_one_that_runs_have():
    shipped = next(run for run in list_runs() if run.id == "busi-hybrid")
    assert set(METRICS) <= set(shipped.card.metrics["test"])
