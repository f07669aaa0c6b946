"""Read-first mode of Inspect: the opinion before the model's, and what is logged of it."""

from __future__ import annotations

import csv
import io

import pytest
from streamlit.testing.v1 import AppTest

from models.reports.tables import to_csv_bytes
from pages.ui.reading_first.log import COLUMNS, Asked, Opinion, Read, Said, changes, table
from tests.pages.conftest import INSPECT, ROOT
from tests.pages.test_inspect import choose, said

BEFORE, AFTER = Opinion(2, False, (40, 56)), Opinion(4, True)


def read(**changes: object) -> Read:
    fields = {"asked": Asked("a" * 64, "tiny", 7, "=cmd()"), "before": BEFORE} | changes
    return Read(**fields)


def widget(app: AppTest, kind: str, key: str):
    """The widget whose key begins so: the rest of a key is the image's digest."""
    return next(element for element in getattr(app, kind) if (element.key or "").startswith(key))


def answer(app: AppTest, when: str, suspicion: int, recall: str) -> AppTest:
    widget(app, "button_group", f"{when} suspicion").set_value(suspicion)
    widget(app, "button_group", f"{when} recall").set_value(recall)
    return widget(app, "button", f"{when} record").click().run()


@pytest.fixture
def first(inspect: AppTest) -> AppTest:
    inspect.toggle(key="read_first").set_value(True).run()
    return inspect


def test_nothing_of_the_model_is_there_before_the_opinion(first: AppTest) -> None:
    choose(first, "dark")
    words = said(first) + "".join(str(element.proto) for element in first.get("plotly_chart"))
    assert "Your reading first" in words
    for secret in ("Model says", "evidence for", "probability", "trusted", "malignant", "dark.png"):
        assert secret not in words
    assert not first.metric and not first.error and not first.exception
    assert [element.value for element in first.selectbox if element.key == "method"] == []


def test_the_names_of_samples_do_not_tell(first: AppTest) -> None:
    assert not any("malignant" in option for option in first.selectbox(key="sample").options)
    first.toggle(key="read_first").set_value(False).run()
    assert any("malignant" in option for option in first.selectbox(key="sample").options)


def test_an_opinion_without_its_answers_is_not_taken(first: AppTest) -> None:
    choose(first, "dark")
    widget(first, "button", "before record").click().run()
    assert "Answer both suspicion and recall" in first.error[0].value
    assert "Model says" not in said(first)


def test_opinion_model_second_opinion_and_the_log(first: AppTest) -> None:
    choose(first, "dark")
    widget(first, "number_input", "before row").set_value(40)
    widget(first, "number_input", "before column").set_value(56)
    answer(first, "before", 2, "no")
    words = said(first)
    assert "Model says malignant" in words and "How far can this map be trusted?" in words
    assert "suspicion 2 of 5, no recall, at row 40, column 56" in words
    answer(first, "after", 4, "yes")
    assert "You changed your mind" in said(first)
    assert "1 changed the suspicion and 1 the recall" in said(first)
    row = first.dataframe[0].value.iloc[0]
    assert (row["suspicion_before"], row["suspicion_after"], row["suspicion_change"]) == (2, 4, 2)
    assert row["recall_changed"] == "yes" and row["verdict"] == "malignant" and row["run"] == "tiny"
    assert "dark" not in " ".join(map(str, row)) and len(row["image"]) == 12
    # The case stays read; another one begins with its image alone.
    first.run()
    assert "Model says malignant" in said(first)
    choose(first, "darker")
    assert "Model says" not in said(first)
    first.button(key="forget_readings").click().run()
    assert not first.dataframe


def test_the_mode_is_in_the_address_and_opinions_are_not(small_world: None) -> None:
    inspect = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60).switch_page(INSPECT)
    inspect.query_params["read_first"] = "true"
    inspect.run()
    assert inspect.toggle(key="read_first").value
    choose(inspect, "dark")
    answer(inspect, "before", 5, "yes")
    assert set(inspect.query_params) <= {"read_first", "sample", "run"}


def test_a_row_says_what_changed() -> None:
    done = read(said=Said("malignant", 0.87654321, "malignant", "doubt"), after=AFTER)
    row = dict(zip(COLUMNS, table([done])[0], strict=True))
    assert row["suspicion_change"] == 2 and row["recall_changed"] == "yes"
    assert (row["row_before"], row["column_before"], row["row_after"]) == (40, 56, None)
    assert row["probability"] == 0.8765 and row["trust"] == "doubt" and row["image"] == "a" * 12
    half = dict(zip(COLUMNS, table([read()])[0], strict=True))
    assert half["suspicion_change"] is None and half["recall_changed"] is None and half["label"] is None


def test_changes_are_counted_of_second_opinions_alone() -> None:
    assert changes([read()]) == "No second opinion yet."
    same = read(after=Opinion(2, False))
    assert changes([read(), same, read(after=AFTER)]) == (
        "Of 2 second opinions 1 changed the suspicion and 1 the recall."
    )


def test_the_exported_table_runs_no_formula() -> None:
    content = to_csv_bytes(COLUMNS, table([read()])).decode("utf-8-sig")
    row = next(csv.DictReader(io.StringIO(content)))
    assert not row["case_of"].startswith("=") and row["case_row"] == "7"
