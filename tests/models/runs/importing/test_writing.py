"""Imported results are runs: figures by our metrics, thresholds from validation, no second run of an id."""

import json

import pytest
from sklearn.metrics import roc_auc_score

from models.__main__ import main
from models.errors import BadInput
from models.evaluation import read_predictions
from models.runs import folder as folder_module
from models.runs import load_run, pack_run
from models.runs.history import parse_history, read_history
from models.runs.importing import free_id, guess_mapping, predictions_from, read_table, write_imported

ROWS = [(0, 0.1), (0, 0.2), (0, 0.7), (1, 0.3), (1, 0.8), (1, 0.9)]


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    root = tmp_path / "shelf"
    root.mkdir()
    monkeypatch.setenv("LESIONLENS_RUNS", str(root))
    monkeypatch.setattr(folder_module, "ASSETS", tmp_path / "no_assets")
    return root


def predictions(split: bool = False):
    lines = [f"{y},{p},{part}" for part in ("val", "test") for y, p in ROWS]
    text = "y_true,y_score,split\n" + "\n".join(lines)
    if not split:
        text = "y_true,y_score\n" + "\n".join(f"{y},{p}" for y, p in ROWS)
    table = read_table(text.encode(), "scores.csv")
    return predictions_from(table, guess_mapping(table))


def test_a_run_of_predictions_alone(shelf):
    run = write_imported(
        shelf, id="theirs", modality="ultrasound", predictions=predictions(), data="Their data"
    )
    again = load_run(run.folder)
    assert not again.has_weights and again.positive == "positive" and again.title == "theirs"
    assert (again.operating_point.name, again.operating_point.threshold) == ("half", 0.5)
    truth, scores = zip(*ROWS, strict=True)
    test = again.card.metrics["test"]
    assert test["auc"].value == pytest.approx(roc_auc_score(truth, scores))
    assert test["sensitivity"].value == pytest.approx(2 / 3) and test["sensitivity"].low < 2 / 3
    assert again.card.confusion.counts == ((2, 1), (1, 2))
    assert (again.card.data.n_test, again.card.data.n_train) == (6, None)
    assert "Research" in again.card.intended_use or "research" in again.card.intended_use


def test_the_threshold_is_chosen_on_validation_or_given(shelf):
    run = write_imported(shelf, id="a", modality="ultrasound", predictions=predictions(split=True))
    # Youden's index is 2/3 at 0.3 (a false alarm) and at 0.8 (one missed): the lower, halfway to 0.2.
    assert run.operating_point.name == "youden" and 0.2 < run.operating_point.threshold < 0.3
    assert set(run.card.metrics) == {"validation", "test"}
    given = write_imported(
        shelf, id="b", modality="mixed", predictions=predictions(split=True), threshold=0.75
    )
    assert [point.name for point in given.card.operating_points][:2] == ["given", "youden"]
    assert given.card.metrics["test"]["specificity"].value == 1


def test_a_history_alone_and_with_predictions(shelf):
    history = parse_history(b"epoch,loss,val_loss\n0,1.0,0.5\n1,0.5,0.75\n", "log.csv")
    run = write_imported(
        shelf,
        id="log",
        modality="mammography",
        history=history,
        parameters={"lr": "0.001"},
        title="Their log",
    )
    assert read_history(run).columns["val_loss"].tolist() == [0.5, 0.75]
    assert run.path("predictions.csv") is None and run.card.metrics == {}
    assert run.card.training == {"epochs": 2, "lr": "0.001"} and run.title == "Their log"
    both = write_imported(shelf, id="both", modality="mixed", history=history, predictions=predictions())
    assert both.path("history.csv") and both.path("predictions.csv")
    assert pack_run(both, shelf.parent / "both.zip").stat().st_size > 0


def test_several_classes_and_one_without_labels(shelf):
    text = "label,p_a,p_b,p_c\na,0.5,0.25,0.25\nb,0.25,0.5,0.25\nc,0.25,0.25,0.5\n"
    table = read_table(text.encode(), "x.csv")
    found = predictions_from(table, guess_mapping(table))
    run = write_imported(shelf, id="three", modality="mixed", predictions=found)
    assert run.card.logits == 3 and run.card.metrics["test"]["accuracy"].value == 1
    bare = read_table(b"id,score\nx,0.5\n", "y.csv")
    run = write_imported(
        shelf, id="bare", modality="mixed", predictions=predictions_from(bare, guess_mapping(bare))
    )
    assert run.card.metrics == {} and run.card.confusion is None
    assert len(read_predictions(run.path("predictions.csv"), run.classes)) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"predictions": None}, "nothing to import"),
        ({"id": "taken"}, "Another run is called taken"),
        ({"id": "../out"}, "cannot be the id"),
        ({"id": "a b"}, "id: "),
        ({"modality": "x-ray"}, "modality"),
        ({"threshold": 1.5}, "threshold 1.5"),
        ({"threshold": float("nan")}, "threshold nan"),
        ({"positive": "z"}, "'z' is not one of the classes"),
        ({"classes": ("x", "y")}, "not those of the predictions"),
    ],
)
def test_what_cannot_be_written_is_refused(shelf, changes, words):
    (shelf / "taken").mkdir()
    given = {"id": "new", "modality": "ultrasound", "predictions": predictions()}
    with pytest.raises(BadInput, match=words):
        write_imported(shelf, **(given | changes))
    assert sorted(path.name for path in shelf.iterdir()) == ["taken"]


def test_ids_after_names():
    assert free_id("My scores (final).csv") == "my-scores-final"
    assert free_id("My scores (final).csv", ["my-scores-final"]) == "my-scores-final-2"
    assert free_id("../../é.csv") == "imported"


def command(capsys, *words):
    status = main(["import", *map(str, words)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_command_imports_predictions_with_their_history(shelf, tmp_path, capsys):
    scores, log = tmp_path / "their scores.csv", tmp_path / "log.csv"
    scores.write_text("img,dx,prob\na,benign,0.2\nb,malignant,0.9\n")
    log.write_text("epoch,loss\n0,1\n1,0.5\n")
    status, out, err = command(
        capsys, scores, "--history", log, "--modality", "ultrasound", "--column", "label=dx", "--column",
        "case_id=img", "--classes", "benign,malignant", "--json",
    )  # fmt: skip
    assert status == 0 and "label from dx" in err
    document = json.loads(out)
    assert document["run"] == "their-scores" and document["kind"] == "predictions"
    run = load_run(shelf / "their-scores")
    assert run.classes == ("benign", "malignant") and len(read_history(run)) == 2
    assert run.card.metrics["test"]["auc"].value == 1


def test_the_command_imports_a_log_and_asks_for_the_modality(shelf, tmp_path, capsys):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n0,1\n1,0.5\n")
    status, _, err = command(capsys, log)
    assert status == 2 and "add --modality" in err
    status, out, _ = command(capsys, log, "--modality", "mixed", "--id", "mine")
    assert status == 0 and out.startswith("mine imported")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--column", "label"], "--column 'label' is not understood"),
        (["--column", "colour=x"], "--column colour=... names no role"),
        (["--column", "score=gone"], "no column 'gone'"),
        (["--positive", "z"], "'z' is not one of the classes"),
        (["--map", "0=z"], "names no class"),
        (["--scale", "odds"], "no kind of number"),
    ],
)
def test_the_command_refuses_in_one_sentence(shelf, tmp_path, capsys, words, said):
    scores = tmp_path / "scores.csv"
    scores.write_text("y_true,y_score\n0,0.2\n1,0.9\n")
    status, out, err = command(capsys, scores, "--modality", "mixed", *words)
    assert status == 2 and said in err and out == "" and not list(shelf.iterdir())
