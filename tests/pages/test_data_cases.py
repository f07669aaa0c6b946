"""A case of a run's data, opened in Inspect by a link that names a row and never a patient."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from models.runs import load_run, rewrite_run
from pages.ui import state
from tests.pages.conftest import INSPECT, ROOT
from tests.pages.data_pack import write_data_pack
from tests.pages.pictures import bright, png
from tests.pages.scored_run import write_scored_run
from tests.pages.tiny_run import write_tiny_run


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples_folder: Path) -> AppTest:
    """Inspect, with runs to ask, `tiny` and `weighted`; the data of `scored` and `weighted` is at hand."""
    digest = write_data_pack(tmp_path / "data")
    data = {"name": "made up", "manifest_digest": digest}
    write_tiny_run(tmp_path / "runs")
    scored = write_scored_run(tmp_path / "runs", data=data)
    weighted = load_run(write_tiny_run(tmp_path / "runs", "weighted"))
    rewrite_run(weighted, {"data": data}, {"predictions.csv": scored / "predictions.csv"})
    write_scored_run(tmp_path / "runs", "elsewhere", data={"name": "far away", "manifest_digest": "0" * 64})
    for name in ("models.runs.folder.run_roots", "pages.ui.caches.run_roots"):
        monkeypatch.setattr(name, lambda: (tmp_path / "runs",))
    monkeypatch.setattr("pages.ui.caches.FOLDER", samples_folder)
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "data"))
    st.cache_resource.clear()
    return AppTest.from_file(str(ROOT / INSPECT), default_timeout=60)


def follow(app: AppTest, **address: str) -> AppTest:
    app.query_params.clear()
    app.query_params.update(address)
    return app.run()


def said(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.subheader, *app.markdown, *app.caption))


def test_a_case_opens_with_its_mask_and_any_run_may_be_asked(opened: AppTest) -> None:
    follow(opened, run="tiny", case="2", of="scored")
    assert not opened.error and not opened.exception
    assert "Model says malignant" in said(opened)
    assert "case 2 of the data of scored" in said(opened)
    assert [metric.label for metric in opened.metric] == ["Pointing game", "IoU", "Energy inside"]
    assert opened.query_params == {"run": "tiny", "case": "2", "of": "scored"}


def test_a_case_without_a_lesion_opens_without_a_mask(opened: AppTest) -> None:
    follow(opened, run="tiny", case="1", of="scored")
    assert not opened.error
    assert "Model says other" in said(opened)
    assert not opened.metric


def test_without_of_the_case_is_one_of_the_run_itself(opened: AppTest) -> None:
    follow(opened, run="weighted", case="0")
    assert "case 0 of the data of weighted" in said(opened)
    # The address says enough; what is written into it would be a step back that leads nowhere.
    assert "of" not in opened.query_params
    opened.selectbox(key="run").select("tiny").run()
    assert opened.query_params == {"run": "tiny", "case": "0", "of": "weighted"}


REFUSALS = {
    ("9", "scored"): "The image of case 9 of scored is not on this computer",
    ("0", "elsewhere"): "put the folder of its data (far away",
    ("60", "scored"): "its 60 cases are counted from 0",
    ("-1", "scored"): "There is no case '-1'",
    ("0", "nobody"): "of a run 'nobody'",
    ("0", ""): "There is no case '0'",
    ("p0", "scored"): "There is no case 'p0'",
}


def test_what_cannot_be_opened_is_one_sentence(opened: AppTest) -> None:
    for (case, of), sentence in REFUSALS.items():
        follow(opened, case=case, of=of)
        assert [error.value for error in opened.error if sentence in error.value], sentence
        assert len(opened.error) == 1 and not opened.exception
    follow(opened)
    opened.selectbox(key="sample").select("dark").run()
    assert not opened.error and "case" not in opened.query_params


def test_an_upload_or_a_sample_takes_the_place_of_a_case(opened: AppTest) -> None:
    follow(opened, run="tiny", case="2", of="scored")
    opened.file_uploader(key=upload_key(opened)).upload("bright.png", png(bright())).run()
    assert "Model says other" in said(opened)
    assert "case" not in opened.query_params and "of the data of" not in said(opened)
    follow(opened, run="tiny", case="2", of="scored")
    assert "Model says malignant" in said(opened)


def test_a_closed_case_is_gone(opened: AppTest) -> None:
    follow(opened, run="tiny", case="2", of="scored")
    opened.button(key="close_case").click().run()
    assert not opened.error and "case" not in opened.query_params
    assert "Upload an image" in said(opened)


def upload_key(app: AppTest) -> str:
    return f"image_{app.session_state[state._UPLOADS]}"
