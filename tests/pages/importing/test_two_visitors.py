"""Nothing of one visitor reaches another, and nothing stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.importing.sessions import Sessions, several_sessions


def listing() -> None:
    """A page that imports a run when it is asked to, and lists what this visitor sees."""
    import streamlit as st

    from pages.ui import caches
    from tests.pages.importing.results import write_results

    if name := st.session_state.pop("import this", None):
        store = caches.session_runs()
        store.add(write_results(store.folder / name))
    found = caches.runs()
    st.text(" ".join(run.id for run in found))
    st.text(" ".join(run.id for run in found if caches.is_imported(run)))
    st.text(" ".join(caches.model_card(run).title for run in caches.imported_runs()))


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch, small_world: None, tmp_path: Path) -> Sessions:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return several_sessions(monkeypatch)


def visitor_page() -> AppTest:
    return AppTest.from_function(listing, default_timeout=60)


def seen(app: AppTest) -> tuple[list[str], list[str]]:
    """Ids that the visitor sees, and those among them that they imported."""
    assert not app.exception, app.exception
    return app.text[0].value.split(), app.text[1].value.split()


def bring(sessions: Sessions, app: AppTest, visitor: str, name: str) -> None:
    app.session_state["import this"] = name
    sessions.of(visitor, app.run)


def test_a_visitor_sees_their_own_runs_alone(sessions: Sessions):
    anna, bert = visitor_page(), visitor_page()
    bring(sessions, anna, "anna", "annas")
    bring(sessions, bert, "bert", "berts")
    sessions.of("anna", anna.run)
    assert seen(anna) == (["annas", "tiny", "tiny-breast"], ["annas"])
    assert seen(bert) == (["berts", "tiny", "tiny-breast"], ["berts"])


def test_the_same_name_twice_is_two_runs(sessions: Sessions, tmp_path: Path):
    anna, bert = visitor_page(), visitor_page()
    bring(sessions, anna, "anna", "mine")
    bring(sessions, bert, "bert", "mine")
    assert len([*(tmp_path / "temporary").rglob("predictions.csv")]) == 2
    sessions.end("anna")
    sessions.of("bert", bert.run)
    assert seen(bert)[1] == ["mine"]


def test_a_run_goes_with_its_visitor(sessions: Sessions, tmp_path: Path):
    anna = visitor_page()
    bring(sessions, anna, "anna", "annas")
    assert [*(tmp_path / "temporary").rglob("run.json")]
    sessions.end("anna")
    assert [*(tmp_path / "temporary").iterdir()] == []


def test_a_connection_that_comes_back_finds_its_runs(sessions: Sessions):
    anna = visitor_page()
    bring(sessions, anna, "anna", "annas")
    sessions.end("anna")
    sessions.of("anna", anna.run)
    assert seen(anna)[1] == ["annas"]
    sessions.end("anna")


def test_what_is_computed_from_an_imported_run_is_not_kept_for_everyone(sessions: Sessions):
    from streamlit.runtime.caching.cache_resource_api import _resource_caches

    anna = visitor_page()
    bring(sessions, anna, "anna", "annas")
    assert anna.text[2].value
    shared = _resource_caches._function_caches.get(None, {}).values()
    assert not [cache for cache in shared if cache.display_name.endswith("model_card") and cache._mem_cache]
    own = _resource_caches._function_caches["anna"].values()
    assert [cache for cache in own if cache.display_name.endswith("model_card") and cache._mem_cache]


def test_where_nothing_is_imported_no_folder_is_made(sessions: Sessions, tmp_path: Path):
    anna = visitor_page()
    sessions.of("anna", anna.run)
    assert seen(anna) == (["tiny", "tiny-breast"], [])
    assert [*(tmp_path / "temporary").iterdir()] == []
