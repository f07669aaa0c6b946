"""The Import page, driven without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from models.runs import load_run, pack_run
from tests.pages.conftest import ROOT
from tests.pages.importing.results import write_results
from tests.pages.importing.sessions import Sessions, several_sessions
from tests.pages.tiny_run import write_tiny_run

IMPORT = "pages/7_Import.py"
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
