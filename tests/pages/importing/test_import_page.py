"""The Import page, driven without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from models.runs import Run, load_run, pack_run
from models.runs.cases import read_cases
from tests.pages.conftest import ROOT
from tests.pages.importing.results import write_results
from tests.pages.importing.sessions import Sessions, several_sessions
from tests.pages.tiny_run import write_tiny_run

IMPORT, EVALUATE = "pages/7_Import.py", "pages/4_Evaluate.py"
PREDICTIONS, HISTORY, PACKED = range(3)


def opened() -> AppTest:
    return AppTest.from_file(str(ROOT / IMPORT), default_timeout=60).run()


@pytest.fixture
def page(small_world: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.delenv("LESIONLENS_RUNS", raising=False)
    return opened()


@pytest.fixture
def pack(tmp_path: Path) -> bytes:
    return pack_run(write_results(tmp_path / "theirs"), tmp_path / "theirs.zip").read_bytes()


def give(app: AppTest, slot: int, name: str, content: bytes) -> AppTest:
    return app.file_uploader[slot].upload(name, content).run()


def shelf(app: AppTest) -> list[str]:
    """Ids of the runs that can be removed: the imported ones."""
    assert not app.exception, app.exception
    return [button.key.removeprefix("remove ") for button in app.button if button.key.startswith("remove ")]


def said(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.success, *app.error))


def test_a_packed_run_lands_on_the_shelf(page: AppTest, pack: bytes) -> None:
    give(page, PACKED, "theirs.zip", pack)
    assert shelf(page) == ["theirs"]
    assert "is imported" in said(page) and not page.error
    assert page.file_uploader[PACKED].value is None
    assert not page.run().success


def test_weights_are_left_out_and_said_to_be(page: AppTest, tmp_path: Path) -> None:
    theirs = load_run(write_tiny_run(tmp_path / "made", "other"))
    give(page, PACKED, "other.zip", pack_run(theirs, tmp_path / "other.zip").read_bytes())
    assert shelf(page) == ["other"]
    assert "weights were left out" in said(page)


def test_a_bad_zip_is_a_sentence_and_stays_where_it_is(page: AppTest) -> None:
    give(page, PACKED, "theirs.zip", b"PK not really")
    assert [element.value for element in page.error] == [
        "theirs.zip is not a whole zip file: fetch it again or pack the run again."
    ]
    assert shelf(page) == []
    assert page.file_uploader[PACKED].value.name == "theirs.zip"


def test_a_removed_run_is_gone(page: AppTest, pack: bytes) -> None:
    give(page, PACKED, "theirs.zip", pack)
    assert shelf(page.button(key="remove theirs").click().run()) == []


def test_keeping_is_offered_on_an_own_machine_alone(
    page: AppTest, pack: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(page, PACKED, "theirs.zip", pack)
    assert "keep theirs" not in [button.key for button in page.button]
    monkeypatch.setenv("LESIONLENS_RUNS", str(tmp_path / "kept"))
    page.run().button(key="keep theirs").click().run()
    assert "is kept" in said(page) and shelf(page) == []
    assert load_run(tmp_path / "kept" / "theirs").id == "theirs"


def bring_scores(app: AppTest, content: str, name: str = "scores.csv") -> AppTest:
    return give(app, PREDICTIONS, name, content.encode())


def finish(app: AppTest, title: str | None = None) -> AppTest:
    """Say what the file cannot, and import."""
    app = chosen(app, "Kind of image").select("ultrasound").run()
    if title:
        app = next(field for field in app.text_input if field.label == "Name of the run").input(title).run()
    return app.button(key="import").click().run()


def chosen(app: AppTest, label: str):
    return next(field for field in app.selectbox if field.label == label)


def imported(tmp_path: Path, run_id: str) -> Run:
    return load_run(next((tmp_path / "temporary").rglob(f"{run_id}/run.json")).parent)


def test_scikit_learns_two_columns_are_a_run(page: AppTest, tmp_path: Path) -> None:
    bring_scores(page, "y_true,y_score\n1,0.9\n1,0.6\n1,0.3\n0,0.2\n0,0.1\n0,0.7\n")
    assert not page.error and "6 cases: 3 negative, 3 positive" in said(page)
    assert page.button(key="import").disabled
    finish(page, "Our network")
    assert shelf(page) == ["our-network"] and not page.error
    assert page.file_uploader[PREDICTIONS].value is None
    run = imported(tmp_path, "our-network")
    # Of the nine pairs 0.9 wins three, 0.6 two, 0.3 two.
    assert run.card.metrics["test"]["auc"].value == pytest.approx(7 / 9)
    assert any("AUC 0.78" in element.value for element in page.markdown)


def test_a_wrong_mapping_is_told_by_row_and_keeps_the_file(page: AppTest) -> None:
    bring_scores(page, "case,age,p_malignant,truth\na,61,0.9,malignant\nb,47,0.2,benign\nc,55,0.4,benign\n")
    assert not page.error
    chosen(page, "Score of the positive class").select("age").run()
    assert len(page.error) == 1
    assert "Row 2 of scores.csv has 61 under age" in page.error[0].value
    assert page.button(key="import").disabled
    assert page.file_uploader[PREDICTIONS].value.name == "scores.csv"
    chosen(page, "Score of the positive class").select("p_malignant").run()
    assert not page.error and "1 malignant" in said(page)


def test_classes_are_named_and_joined_by_the_visitor(page: AppTest, tmp_path: Path) -> None:
    bring_scores(page, "label,score\nnormal,0.1\nbenign,0.3\nmalignant,0.8\nbenign,0.6\nmalignant,0.9\n")
    page.multiselect[0].set_value(["malignant", "benign"]).run()
    fields = {field.label: field for field in page.text_input}
    fields["Name of the positive class"].input("lesion")
    fields["Name of the negative class"].input("nothing").run()
    assert "5 cases: 1 nothing, 4 lesion" in said(page)
    finish(page)
    card = imported(tmp_path, "scores").card
    assert (card.classes, card.positive) == (("nothing", "lesion"), "lesion")


def test_a_case_nobody_could_label_counts_for_no_class(page: AppTest) -> None:
    bring_scores(page, "label,score\n?,0.4\nbenign,0.3\nmalignant,0.8\n")
    assert page.multiselect[0].options == ["benign", "malignant"]
    assert "3 cases: 1 benign, 1 malignant, 1 without a label" in said(page)
    bring_scores(page, "label,score\nmalignant,0.8\n")
    assert "1 case: 1 malignant" in said(page)


def test_three_classes_and_their_parts(page: AppTest, tmp_path: Path) -> None:
    bring_scores(
        page,
        "diagnosis;subset;p_benign;p_malignant;p_normal;density\n"
        "benign;val;0.7;0.2;0.1;c\nmalignant;test;0.1;0.8;0.1;b\nN;test;0.2;0.2;0.6;c\n",
    )
    assert "Row 4" in page.error[0].value and "'N'" in page.error[0].value
    chosen(page, "Label N means").select("normal").run()
    assert not page.error
    assert "1 benign, 1 malignant, 1 normal" in said(page) and "2 test, 1 validation" in said(page)
    assert "For subgroups: density" in said(page)
    chosen(page, "Positive class").select("normal").run()
    finish(page)
    run = imported(tmp_path, "scores")
    assert (run.classes, run.positive) == (("benign", "malignant", "normal"), "normal")
    assert read_cases(run).columns["density"] == ("c", "b", "c")


def test_a_history_alone_has_no_evaluation(page: AppTest) -> None:
    give(page, HISTORY, "log.csv", b"epoch,loss,val_loss\n0,0.7,0.6\n1,0.5,0.4\n")
    assert "2 epochs of loss, val" in said(page)
    finish(page)
    assert shelf(page) == ["log"]
    assert page.button(key="Evaluate log").disabled and not page.button(key="Training log").disabled


def test_files_in_the_wrong_place_are_told_so(page: AppTest, pack: bytes) -> None:
    give(page, PREDICTIONS, "log.csv", b"epoch,loss,val_loss\n0,0.7,0.6\n1,0.5,0.4\n")
    assert "looks like a training history" in page.warning[0].value
    give(page, PREDICTIONS, "theirs.zip", pack)
    assert "is a packed run" in page.error[0].value
    give(page, HISTORY, "theirs.zip", pack)
    assert len([error for error in page.error if "is a packed run" in error.value]) == 2
    give(page, HISTORY, "scores.csv", b"y_true,y_score\n0,0.5\n1,0.75\n")
    assert "scores.csv holds labels and scores: put it into the field at the left." in [
        error.value for error in page.error
    ]
    assert shelf(page) == [] and page.button(key="import").disabled


def test_an_endless_zip_is_refused_unread(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.runs.unpacking.MAX_LISTED", 3)
    give(page, HISTORY, "bomb.zip", b"PK\x03\x04" + b"PK\x01\x02" * 4)
    assert [error.value for error in page.error] == ["bomb.zip lists more than 3 files: pack one run alone."]


def test_a_file_outlives_a_look_at_another_page(small_world: None) -> None:
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).run()
    bring_scores(app.switch_page(IMPORT).run(), "y_true,y_score\n1,0.9\n0,0.6\n")
    app.switch_page("Home.py").run()
    app.switch_page(IMPORT).run()
    assert app.file_uploader[PREDICTIONS].value is None
    assert "2 cases: 1 negative, 1 positive" in said(app)
    app.button(key="drop_predictions").click().run()
    assert not app.success and not app.error


def test_an_imported_run_is_marked_among_the_others(small_world: None, pack: bytes) -> None:
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).run()
    give(app.switch_page(IMPORT).run(), PACKED, "theirs.zip", pack)
    table = app.switch_page("Home.py").run().dataframe[0].value
    assert dict(zip(table["Run"], table["Remark"], strict=True)) == {
        "theirs": "imported, this session",
        "tiny": "",
        "tiny-breast": "",
    }
    app.switch_page(EVALUATE).run()
    assert "US theirs, imported" in app.selectbox(key="run").options


def test_visitors_do_not_meet(
    page: AppTest, pack: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sessions: Sessions = several_sessions(monkeypatch)
    bert = opened()
    sessions.of("anna", lambda: give(page, PACKED, "theirs.zip", pack))
    sessions.of("bert", bert.run)
    assert (shelf(page), shelf(bert)) == (["theirs"], [])
    sessions.of("bert", lambda: give(bert, PACKED, "theirs.zip", pack))
    sessions.of("bert", lambda: bert.button(key="remove theirs").click().run())
    sessions.of("anna", page.run)
    assert (shelf(page), shelf(bert)) == (["theirs"], [])
    sessions.end("anna")
    sessions.end("bert")
    assert not [*(tmp_path / "temporary").iterdir()]
