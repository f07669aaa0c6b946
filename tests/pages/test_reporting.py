"""What a person takes home from a page: files made when asked for, the model card, harmless words."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from models.errors import BadInput
from models.reports import Report, Section, Text
from models.runs import load_run
from pages.ui import reporting
from pages.ui.plain_text import plain
from tests.models.reports.reading import Page
from tests.pages.scored_run import write_scored_run


def card_page(folder: str) -> None:
    from models.runs import load_run
    from pages.ui.reporting import show_model_card

    show_model_card(load_run(folder))


def said(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.warning))


def test_a_report_is_made_when_it_is_asked_for():
    made = []

    def make() -> Report:
        made.append(1)
        return Report("Title", "", (Section("One", (Text("words"),)),))

    page = Page(reporting._report_file(make).decode())
    assert made == [1] and "words" in page.words and not page.problems


def test_a_report_that_cannot_be_made_says_why():
    def refuse() -> Report:
        raise BadInput("There is nothing here: choose another part.")

    assert (
        "There is nothing here: choose another part." in Page(reporting._report_file(refuse).decode()).words
    )


def test_the_model_card_is_written_when_it_is_opened(tmp_path, monkeypatch):
    calls = []
    original = reporting.caches.model_card
    monkeypatch.setattr(reporting.caches, "model_card", lambda run: calls.append(run.id) or original(run))
    figure = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 9}
    metrics = {"test": {"auc": figure}, "validation": {"auc": figure}}
    folder = write_scored_run(tmp_path, cases=30, title="A [link](http://x) and *stars*", metrics=metrics)
    app = AppTest.from_function(card_page, args=(str(folder),), default_timeout=60).run()
    assert not app.exception and not calls and "Intended use" not in said(app)
    app.session_state["model card of scored"] = True
    app.run()
    assert not app.exception and calls == ["scored"]
    assert "Intended use" in said(app) and "Research use only" in said(app)
    assert app.table[0].value.shape[1] == 2
    assert load_run(folder).title not in said(app)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("![x](http://a/b.png)", r"\!\[x\]\(http\:\/\/a\/b\.png\)".replace(r"\/", "/")),
        ("$x$ :red[y] <b>", r"\$x\$ \:red\[y\] \<b\>"),
        ("a\n# b\n\n---", r"a \# b \-\-\-"),
        (12.5, r"12\.5"),
        ("plain words, (95 %)", r"plain words, \(95 %\)"),
    ],
)
def test_words_of_others_are_no_markdown(words, shown):
    assert plain(words) == shown
