"""Evaluate, driven without a browser: its numbers, its address, and what it says where there are none."""

import re
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from models.evaluation import youden
from models.evaluation.evidence import gather
from models.runs import load_run
from pages.ui.evaluation import cases, subgroups
from pages.ui.evaluation.page import _report
from pages.ui.evaluation.view import Filter, View
from tests.pages.conftest import ROOT
from tests.pages.data_pack import write_data_pack
from tests.pages.scored_run import TISSUES, made_up, write_scored_run

EVALUATE = "pages/4_Evaluate.py"
TABS = ("Operating point", "Curves", "Metrics", "Subgroups", "Cases", "Report and card")
THREE = ("benign", "malignant", "normal")
TEST = made_up().part("test")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of every kind, and the data of one of them: <folder>/runs and <folder>/data."""
    folder = tmp_path_factory.mktemp("evaluate")
    digest = write_data_pack(folder / "data")
    runs = folder / "runs"
    write_scored_run(runs, data={"name": "made up", "manifest_digest": digest})
    write_scored_run(runs, "second", seed=1, threshold=0.7, validation=0.0, table=False)
    write_scored_run(runs, "three", classes=THREE)
    write_scored_run(runs, "alone", only="other")
    write_scored_run(runs, "unlabelled", labelled=False)
    write_scored_run(runs, "one-case", cases=2, validation=0.5)
    same = "case_id,patient_id,group,split,label,p_other,p_malignant\n"
    same += "".join(
        f"c{i},c{i},c{i},test,{label},0.5,0.5\n" for i, label in enumerate(["other", "malignant"] * 4)
    )
    write_scored_run(runs, "same", table=False, files={"predictions.csv": same})
    write_folds(runs)
    plain = load_run(write_scored_run(runs, "empty"))
    (plain.folder / "predictions.csv").unlink()
    return folder


def write_folds(runs: Path) -> None:
    """A run of two folds, each half of the test cases, with AUCs of 0.8 and 0.9."""
    source = load_run(write_scored_run(runs, "whole", validation=0.0))
    header, *lines = (source.folder / "predictions.csv").read_text().splitlines(keepends=True)
    halves = {"fold1": lines[:30], "fold2": lines[30:]}
    members = [
        {"name": name, "kind": "fold", "threshold": 0.4, "n": 30, "metrics": {"auc": {"value": value}}}
        for name, value in (("fold1", 0.8), ("fold2", 0.9))
    ]
    files = {f"members/{name}.csv": header + "".join(half) for name, half in halves.items()}
    write_scored_run(runs, "folds", validation=0.0, members=members, files=files)


@pytest.fixture(autouse=True)
def these_runs_alone(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("models.runs.folder.run_roots", "pages.ui.caches.run_roots"):
        monkeypatch.setattr(name, lambda: (world / "runs",))
    monkeypatch.setenv("LESIONLENS_DATA", str(world / "data"))
    st.cache_resource.clear()


def at(run: str = "scored", **address: str | list[str]) -> AppTest:
    """Evaluate as somebody sees it who opens this link."""
    page = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).switch_page(EVALUATE)
    page.query_params.update({"run": run} | address)
    return page.run()


def said(page: AppTest) -> str:
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error)
    return "\n".join(element.value for kind in kinds for element in kind)


def matrix(page: AppTest) -> list[list[int]]:
    """The confusion matrix as a person with a screen reader is told it."""
    chart = next(chart for chart in page.get("plotly_chart") if "Confusion matrix" in chart.proto.alt)
    numbers = re.findall(r"\d+", chart.proto.alt)
    side = int(len(numbers) ** 0.5)
    return [[int(n) for n in numbers[row * side : (row + 1) * side]] for row in range(side)]


def by_hand(threshold: float, part=TEST) -> list[list[int]]:
    called = part.probabilities[:, 1] >= threshold
    return [[int(((part.labels == i) & (called == j)).sum()) for j in (0, 1)] for i in (0, 1)]


def slider(page: AppTest):
    return next(element for element in page.slider if element.key == "threshold")


def test_it_opens_at_the_runs_own_threshold_with_a_short_address() -> None:
    page = at()
    assert not page.error and not page.exception
    assert slider(page).value == 0.4
    assert matrix(page) == by_hand(0.4)
    assert page.query_params == {"run": "scored"}
    assert "42 test images" in said(page)


def test_a_threshold_in_the_address_is_taken_to_its_last_digit() -> None:
    exact = float(np.sort(TEST.probabilities[:, 1])[20])
    page = at(threshold=repr(exact))
    assert matrix(page) == by_hand(exact) != by_hand(np.nextafter(exact, 1))
    slider(page).set_value(0.6).run()
    assert matrix(page) == by_hand(0.6)


def test_rules_are_chosen_on_validation_and_set_the_slider() -> None:
    page = at()
    validation = made_up().part("validation")
    point = youden(validation.labels, validation.probabilities[:, 1])
    page.button(key="rule youden").click().run()
    assert slider(page).value == point.threshold
    assert matrix(page) == by_hand(point.threshold)
    page.button(key="rule least_cost").click().run()
    assert not page.error and not page.exception
    page = at("second")
    assert "chosen on the cases shown" in said(page).replace("choose on", "chosen on")


def test_another_run_begins_at_its_own_threshold() -> None:
    page = at(threshold="0.9")
    page.selectbox(key="run").select("second").run()
    assert slider(page).value == 0.7
    page.selectbox(key="run").select("three").run()
    page.selectbox(key="class").select("normal").run()
    assert not page.error and not page.exception
    assert len(matrix(page)) == 2


def test_ppv_at_the_prevalence_typed_is_bayes() -> None:
    page = at(threshold="0.5")
    page.number_input(key="prevalence").set_value(20.0).run()
    (tn, fp), (fn, tp) = by_hand(0.5)
    sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
    ppv = 0.02 * sensitivity / (0.02 * sensitivity + 0.98 * (1 - specificity))
    table = page.table[0].value
    row = table[table.iloc[:, 0] == "PPV (precision)"].iloc[0]
    assert row["At 20 per 1,000"].startswith(f"{ppv:.3f} (")
    assert row.iloc[1].startswith(f"{tp / (tp + fp):.2f} (")
    recalled = 1000 * (0.02 * sensitivity + 0.98 * (1 - specificity))
    assert next(m.value for m in page.metric if m.label == "Recalled") == f"{recalled:.0f}"


def test_three_classes_together_and_one_of_them() -> None:
    page = at("three")
    found = made_up(THREE).part("test")
    called = found.probabilities.argmax(axis=1)
    assert matrix(page) == [
        [int(((found.labels == i) & (called == j)).sum()) for j in range(3)] for i in range(3)
    ]
    assert "threshold" not in [element.key for element in page.slider]
    page = at("three", **{"class": "normal", "threshold": "0.5"})
    hit = found.probabilities[:, 2] >= 0.5
    assert matrix(page)[1] == [
        int(((found.labels == 2) & ~hit).sum()),
        int(((found.labels == 2) & hit).sum()),
    ]


def test_filters_unit_and_part_stand_in_the_address() -> None:
    page = at(is_density="dense")
    rows = [i for i in range(60) if made_up().splits[i] == "test" and TISSUES[i % 3] == "dense"]
    assert f"{len(rows)} test images" in said(page)
    assert "Filtered by density dense" in said(page)
    page = at(part="validation", unit="patient")
    validation = made_up().part("validation")
    assert f"{len(set(validation.patient_ids))} validation patients" in said(page)
    page = at(is_density=["dense", "fatty"], is_laterality="L", is_lesion_size=["0.02", "0.05"])
    assert not page.error
    page = at(is_lesion_size=["0.0101", "0.0102"])
    assert [error.value for error in page.error] == [
        "No labelled case passes these filters: choose fewer or other ones."
    ]


def test_every_tab_of_every_run_is_free_of_faults() -> None:
    worlds = {
        "scored": TABS,
        "three": TABS[1:4],
        "alone": TABS[:5],
        "one-case": TABS[:5],
        "second": TABS[3:4],
    }
    for run, tabs in worlds.items():
        for tab in tabs:
            page = at(run, tab=tab)
            assert not page.exception and not page.error, (run, tab, said(page))
    page = at("alone", tab="Curves")
    assert "No case is malignant: choose a part or filter that has both kinds." in said(page)
    page = at("three", tab="Curves", **{"class": "benign"})
    assert not page.exception and not page.error


def test_a_dash_is_explained_where_it_stands() -> None:
    why = "AUC: All cases have the same score, so they have no order"
    for tab in ("Operating point", "Curves", "Metrics"):
        assert why in said(at("same", tab=tab)), tab
    page = at("one-case", tab="Curves")
    assert "There is one case, which says nothing of others" in said(page)


def test_what_a_table_without_images_or_facts_lacks_is_said() -> None:
    page = at("same", tab="Cases")
    assert "This run came as a table of scores, without images" in said(page)
    page = at("same", tab="Subgroups")
    assert "one of the columns modality, laterality" in said(page)


def test_subgroups_open_on_a_column_of_large_groups() -> None:
    rare = np.array(["1"] * 30 + ["2"] * 4)
    two, sizes = np.array(["L", "R"] * 17), np.arange(34).astype(str)
    columns = {"label": two, "rare": rare, "side": two, "size": sizes}
    assert sorted(columns, key=lambda name: subgroups._worth(name, columns[name])) == [
        "side", "size", "rare", "label",
    ]  # fmt: skip


def test_runs_without_predictions_or_labels_say_so() -> None:
    page = at("unlabelled")
    assert "No case of unlabelled has a label" in page.error[0].value
    page = at("empty")  # whose folder was altered: it is not at hand
    assert "There is no run 'empty'" in page.error[0].value
    assert page.error[0].value.endswith("A run imported on a visit is known to that visit alone.")
    assert len(page.error) == 1 and not page.exception


def test_cases_are_ordered_paged_and_opened() -> None:
    page = at(tab="Cases", threshold="0.5", part="validation", order="most uncertain")
    # The images of the first four cases are at hand, the others are numbers.
    assert len(page.get("page_link")) <= 4
    assert any("no image at hand" in caption.value for caption in page.caption)
    page = at(tab="Cases", case="2", part="validation")
    links = [link.proto.query_string for link in page.get("page_link")]
    assert "run=scored&case=2" in links
    page = at(case="2", part="validation")
    assert any("case=2" in link.proto.query_string for link in page.get("page_link"))
    page = at(tab="Cases", case="2")
    assert "Case 2 is not among the cases shown" in said(page)
    address = str(page.query_params)
    assert not re.search(r"\bp\d|\bq\d|case \d", address)


def test_a_clicked_cell_opens_its_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    class State(dict):
        def __getattr__(self, name):
            return self[name]

    click = State(selection=State(points=[{"customdata": ["malignant", "other"]}]))
    state = State(matrix=click)
    monkeypatch.setattr(cases.st, "session_state", state)
    cases.open_cell()
    monkeypatch.undo()
    assert (state["truth"], state["called"], state["tab"]) == ("malignant", "other", "Cases")


def test_a_cell_shows_its_cases_as_numbers() -> None:
    page = at(tab="Cases", threshold="0.9", truth="malignant", called="other", shown="Numbers")
    table = page.dataframe[0].value
    missed = (TEST.labels == 1) & (TEST.probabilities[:, 1] < 0.9)
    assert missed.sum() > 2
    assert sorted(table["case"]) == sorted(TEST.case_ids[missed])
    assert table["p malignant"].is_monotonic_increasing
    assert set(table["truly"]) == {"malignant"}


def test_folds_are_one_run_with_its_spread() -> None:
    page = at("folds", tab="Folds")
    assert not page.error and not page.exception
    table = page.table[0].value
    assert table["AUC"].tolist()[-1] == "**0.850** (SD 0.071)"
    assert len(page.get("plotly_chart")) == 2


def test_the_report_is_of_the_view(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(
        "models.reports.evaluation.evaluation_report", lambda *args, **names: given.append((args, names))
    )
    filters = (Filter("density", ("dense", "fatty")), Filter("lesion_size", span=(0.02, 0.05)))
    view = View(load_run(world / "runs" / "scored"), "test", "image", "malignant", filters)
    evidence = gather(view.run)
    _report(view, evidence, 0.5)
    chosen = {"density": "dense, fatty", "lesion_size": "0.02 to 0.05"}
    assert given == [((view.run, evidence, 0.5, 0.006), {"label": "malignant", "filters": chosen})]


def test_a_column_in_which_all_cases_are_alike_makes_no_subgroups() -> None:
    everybody = at(tab="Subgroups").selectbox(key="subgroups")
    left = at(tab="Subgroups", is_laterality="L").selectbox(key="subgroups")
    assert "laterality" in everybody.options
    assert "laterality" not in left.options


def test_one_image_is_no_images() -> None:
    assert "1 test image:" in said(at("one-case"))
