"""What stands in a report: the run's own figures, the person's own choices, and nobody's id."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import BadInput
from models.evaluation.evidence import gather
from models.reports import Report, Table, Text, to_html
from models.reports.claim import ITEMS, NO, NOTHING, PARTLY, YES, claim_parts
from models.reports.comparison import comparison_report, leaderboard_report
from models.reports.evaluation import evaluation_report
from models.reports.model_card import model_card
from models.reports.training import cost_table, recipes_report, seconds, training_report
from models.runs import Run, load_run
from models.runs.leaderboard import entries
from tests.models.reports.reading import INJECTIONS, Page, shown
from tests.pages.scored_run import write_scored_run

HISTORY = "epoch,loss,val_loss\n0,1,1\n1,0.5,0.4\n2,0.4,0.6\n3,0.3,0.7\n4,0.2,0.8\n"
METRICS = {"test": {"auc": {"value": 0.9, "low": 0.81, "high": 0.95, "n": 42}, "iou": {"value": 0.5, "n": 9}}}


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time, and have tests of their own (test_drawing, test_report_command)."""
    for module in ("models.reports.drawing", "models.reports.drawing_training"):
        monkeypatch.setattr(f"{module}.drawn", lambda draw, size=None: "<svg viewBox='0 0 1 1'/>")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    files = {"history.csv": HISTORY, "recipe.toml": 'id = "scored"\nweight_decay = 0.1\n'}
    return load_run(write_scored_run(folder, files=files, metrics=METRICS, training={"seconds": 90.0}))


def tables(report: Report, title: str) -> list[Table]:
    found = next(section for section in report.sections if section.title == title)
    return [part for part in found.parts if isinstance(part, Table)]


def words(report: Report, title: str) -> str:
    found = next(section for section in report.sections if section.title == title)
    return " ".join(part.text for part in found.parts if isinstance(part, Text))


def test_a_model_card_has_the_sections_of_the_paper(run):
    titles = [section.title for section in model_card(run, figures=False).sections]
    assert titles == [
        "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
        "Quantitative analyses", "Ethical considerations", "Caveats and recommendations", "CLAIM 2024",
    ]  # fmt: skip


def test_a_model_card_tells_the_cards_own_figures_and_what_is_not_known(run):
    card = model_card(run, figures=False)
    table = tables(card, "Quantitative analyses")[0]
    assert table.columns == ("Metric", "Test (95 % interval)", "n")
    assert ("AUC", "0.900 (0.810 to 0.950)", 42) in table.rows
    assert "phantoms drawn by a program" in words(card, "Ethical considerations")
    known, unknown = words(card, "Factors").split("Not known:")
    assert "laterality, density and lesion size" in known and "age, hospital and scanner" in unknown
    assert ("Licence", "CC0") in tables(card, "Training data")[0].rows


def test_a_model_card_does_not_name_what_was_not_stated(tmp_path):
    points = [{"name": "half", "threshold": 0.5, "rule": "0.5", "on": "nothing"}]
    data = {"name": "not stated", "licence": "not stated"}
    run = load_run(write_scored_run(tmp_path, operating_points=points, data=data, synthetic=False))
    card = model_card(run, figures=False)
    assert "probability of 0.5000 on, a threshold that no cases were asked for." in words(card, "Metrics")
    assert "ultrasound images like those it was tested on" in words(card, "Intended use")


def test_subgroups_of_a_model_card_are_those_of_women(run):
    names = [table.columns[0] for table in tables(model_card(run, figures=False), "Quantitative analyses")]
    assert names[-3:] == ["Laterality", "Density", "Lesion size"]


def test_every_item_of_claim_is_answered_or_told_why_not(run):
    said, table = claim_parts(run, ("laterality",))
    assert len(table.rows) == len(ITEMS) == 44
    answers = [row[1] for row in table.rows]
    assert set(answers) <= {YES, PARTLY, NO, NOTHING} and all(row[2] for row in table.rows)
    assert said.text.startswith(
        f"Of 44 items this card answers {answers.count(YES)}, and {answers.count(PARTLY)}"
    )
    assert table.rows[32][:2] == ("33. External testing", NO)


def test_an_evaluation_tells_what_was_chosen(run):
    evidence = gather(run)
    report = evaluation_report(run, evidence, 0.6, 0.01, ["density"], filters={"laterality": "L"})
    facts = dict(tables(report, "What was evaluated")[0].rows)
    assert facts["Called"] == "malignant at a probability of 0.6000 or more"
    assert facts["Filters"] == "laterality: L"
    positives = int((evidence.predictions.labels == 1).sum())
    assert facts["Cases"] == f"42: {42 - positives} other, {positives} malignant"
    assert tables(report, "In practice")[0].columns[0] == "At a prevalence of 1.0 %"
    assert [table.columns[0] for table in tables(report, "Subgroups")] == ["Density"]


def test_an_evaluations_figures_are_those_of_the_predictions(run):
    evidence = gather(run)
    p, labels = evidence.predictions.probabilities[:, 1], evidence.predictions.labels
    rows = {row[0]: row[1:] for row in tables(evaluation_report(run, evidence, 0.6), "Verdicts")[0].rows}
    hits = (p >= 0.6)[labels == 1]
    assert rows["Sensitivity"][0].startswith(f"{hits.mean():.3f} (") and rows["Sensitivity"][1] == len(hits)
    assert rows["Accuracy"][0].startswith(f"{((p >= 0.6) == (labels == 1)).mean():.3f} (")


def test_the_largest_errors_are_named_by_their_rows(run):
    evidence = gather(run)
    predictions = evidence.predictions
    p, labels = predictions.probabilities[:, 1], predictions.labels
    wrong = np.flatnonzero((p >= 0.4) != (labels == 1))
    sure = np.where(p >= 0.4, p, 1 - p)[wrong]
    [table] = tables(evaluation_report(run, evidence), "Largest errors")
    assert [int(row[0]) for row in table.rows] == evidence.rows[wrong[np.argsort(-sure)]][:10].tolist()


def test_no_case_or_patient_is_named(run):
    report = evaluation_report(run, gather(run), prevalence=0.01)
    text = Page(to_html(report)).words
    cases = gather(run, "all").predictions
    assert not [name for name in cases.case_ids if f" {name} " in f" {text} "]
    assert not [name for name in cases.patient_ids if f" {name} " in f" {text} "]


def test_one_class_alone_has_no_curve_but_a_sentence(tmp_path):
    run = load_run(write_scored_run(tmp_path, only="malignant"))
    report = evaluation_report(run, gather(run), prevalence=0.01)
    assert "All cases are malignant" in words(report, "Discrimination")
    assert Page(to_html(report)).problems == []


def test_three_classes_call_the_most_probable_or_one_against_the_rest(tmp_path):
    run = load_run(write_scored_run(tmp_path, classes=("benign", "malignant", "normal"), cases=90))
    evidence = gather(run)
    facts = dict(tables(evaluation_report(run, evidence), "What was evaluated")[0].rows)
    assert facts["Called"] == "the most probable class"
    against = evaluation_report(run, evidence, 0.5, label="normal")
    assert dict(tables(against, "What was evaluated")[0].rows)["Called"].startswith("normal at")
    [table] = tables(against, "Largest errors")
    assert {row[1] for row in table.rows} <= {"normal", "other than normal"}


def test_training_tells_where_overfitting_began(run):
    report = training_report(run)
    assert "Validation loss lowest at epoch 2, 3 epochs trained after it" in words(report, "Learning curves")
    assert "weight_decay = 0.1" in words(report, "Recipe")
    assert ("Trained in", "90 seconds") in tables(report, "Training and cost")[0].rows


def test_a_run_without_history_or_recipe_says_so(tmp_path):
    report = training_report(load_run(write_scored_run(tmp_path)))
    assert "has no history" in words(report, "Learning curves")
    assert "came without its recipe" in words(report, "Recipe")
    assert "not measured" in words(report, "Training and cost")


def test_two_recipes_are_told_apart(tmp_path, run):
    files = {"recipe.toml": 'id = "scored"\nweight_decay = 0.2\n'}
    other = load_run(write_scored_run(tmp_path, "other", files=files))
    [table] = tables(recipes_report(run, other), "Recipes")
    assert ("weight_decay", "0.1", "0.2") in table.rows
    assert cost_table([run, other]).rows[0][:2] == ("scored", "90 seconds")
    with pytest.raises(BadInput, match="came without its recipe"):
        recipes_report(run, load_run(write_scored_run(tmp_path, "bare")))


def test_durations_are_told_in_words():
    assert [seconds(value) for value in (33.7, 600, 9000, None)] == [
        "34 seconds",
        "10 minutes",
        "2.5 hours",
        "",
    ]


def test_two_runs_are_compared_on_what_they_share(tmp_path, run):
    other = load_run(write_scored_run(tmp_path, "other", seed=0, threshold=0.7))
    report = comparison_report(run, other, samples=200)
    assert "AUC 0." in words(report, "Tests") and "Both order the cases alike" not in words(report, "Tests")
    [table] = tables(report, "Every metric")
    assert table.columns[1:3] == ("scored", "other")
    difference = next(row for row in table.rows if row[0] == "AUC")[3]
    assert difference == "+0.000 (+0.000 to +0.000)"
    cells = tables(report, "Tests")[0].rows
    assert sum(cell for row in cells for cell in row[1:]) == len(gather(run))


def test_runs_that_share_no_case_are_refused(tmp_path, run):
    files = {"predictions.csv": "case_id,split,label,p_other,p_malignant\nx,test,other,0.9,0.1\n"}
    other = load_run(write_scored_run(tmp_path, "elsewhere", table=False, files=files))
    with pytest.raises(BadInput):
        comparison_report(run, other)


def test_a_leaderboard_lists_runs_and_what_was_chosen(run):
    report = leaderboard_report(entries([run]), filters=["modality ultrasound"])
    assert words(report, "Runs") == "Shown: modality ultrasound."
    assert tables(report, "Runs")[0].rows[0][-1] == "0.900 (0.810 to 0.950)"


@pytest.mark.parametrize("hostile", INJECTIONS[:2] + INJECTIONS[4:5])
def test_a_strangers_words_do_nothing(tmp_path: Path, hostile: str):
    data = {"name": hostile, "licence": hostile, "citation": hostile, "note": hostile, "n_test": 30}
    fields = {
        "title": hostile,
        "intended_use": hostile,
        "limits": hostile,
        "data": data,
        "training": {hostile: hostile},
    }
    classes = ("other", hostile.replace('"', "'"))  # the helper that writes predictions quotes nothing
    run = load_run(write_scored_run(tmp_path, "hostile", classes=classes, cases=40, table=False, **fields))
    reports = [model_card(run, figures=False), evaluation_report(run, gather(run)), training_report(run)]
    for report in reports:
        page = Page(to_html(report))
        assert not page.dangers() and not page.problems
        assert page.words.count(shown(hostile)) >= 3
