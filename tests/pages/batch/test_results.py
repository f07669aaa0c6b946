"""The results of a batch as somebody sees them, and a row of it in Inspect."""

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from models.batch import Row, Score
from pages.ui.batch import pictures
from pages.ui.batch.orders import Order, Phantoms, write_order
from pages.ui.batch.spool import Entry, SpoolWriter, write_json
from tests.pages.conftest import INSPECT, ROOT
from tests.pages.pictures import dark_disc, png
from tests.pages.scored_batch import WHY, rows, write_batch

BATCH = "pages/3_Batch.py"


@pytest.fixture
def work(tmp_path, monkeypatch, small_world):
    """$LESIONLENS_WORK with the batch "study" of the command line and the batch "kept" of the page."""
    monkeypatch.setenv("LESIONLENS_WORK", str(tmp_path))
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "data"))
    write_batch(tmp_path / "study", rows())
    home = tmp_path / "kept"
    image, mask = dark_disc()
    home.mkdir()
    spool = SpoolWriter(home / "spool")
    file, outline = spool.store(png(image), ".png"), spool.store(png(mask), "-mask.png")
    spool.add(Entry("a.png", "a.png", file, outline, "malignant", modality="ultrasound", synthetic=True))
    spool.finish("given", [])
    write_order(home, Order(Phantoms("ultrasound", 1, 0), (("tiny", "0"),)))
    write_json(home / "state.json", {"state": "done", "sentence": ""})
    row = Row(0, "a.png", "ok", "", "malignant", scores={"tiny": Score((0.2, 0.8), (1.4,))})
    write_batch(home / "results", [row], ("tiny",))
    yield tmp_path
    st.cache_resource.clear()


def opened(script: str = BATCH, **address: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=150).switch_page(script)
    page.query_params.update(address)
    page.run()
    assert not page.exception
    return page


def address(page: AppTest, name: str) -> str:
    """What the address holds; AppTest gives back what was written as it was written."""
    found = page.query_params[name]
    return found if isinstance(found, str) else found[0]


def said(page: AppTest) -> str:
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error, page.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


def test_the_table_of_a_batch_that_the_command_line_made(work):
    page = opened(batch="study")
    told = said(page)
    assert "6 of 8" in told and "1 refused, 1 unreadable" in told
    assert "3 malignant" in told and r"50 %, threshold 0\.400" in told and "40 %" in told
    assert "Only the results of this batch are here" in told
    shown = page.dataframe[0].value
    assert shown["tiny"].tolist() == pytest.approx([0.9, 0.7, 0.41, 0.39, 0.1, 0.05])
    assert shown["Verdict"].tolist() == ["malignant"] * 3 + ["other"] * 3
    assert shown["Runs"].tolist()[:2] == ["agree", "1 of 2 malignant"]
    assert shown["Familiar"].tolist()[:2] == ["usual", "unlike"]
    page.selectbox(key="triage").set_value("Most disagreement first").run()
    assert page.dataframe[0].value["Name"].tolist()[0] == "ward/image 1.png"
    page.text_input(key="batch_text").set_value("image 4").run()
    assert page.dataframe[0].value["Name"].tolist() == ["ward/image 4.png"]
    assert "image" not in str(dict(page.query_params))  # a name never stands in the address


def test_filters_stand_in_the_address_and_come_back_from_it(work):
    page = opened(batch="study", verdict="other", maps_of="other-run")
    assert page.dataframe[0].value["other-run"].tolist() == pytest.approx([0.45, 0.2, 0.1])
    assert "**3** of 6 scored images by 1 filter" in said(page)
    page = opened(batch="study", verdict="nonsense", triage="also nonsense", maps_of="absent")
    assert len(page.dataframe[0].value) == 6 and not page.error


def test_what_was_not_scored_has_its_reason_and_no_cell_is_a_formula(work):
    page = opened(batch="study", results="Not scored")
    shown = page.dataframe[0].value
    assert WHY in shown["Why"].tolist() and "'=cmd()|broken.png" in shown["Name"].tolist()


def test_runs_compared_figures_and_exports(work):
    assert "2 of 5 images are called alike" in said(opened(batch="study", results="Runs compared"))
    page = opened(batch="study", results="Evaluate")
    figures = page.dataframe[0].value
    assert figures["Sensitivity"].tolist()[0].startswith("0.67 (")
    assert {"Evaluate this batch", "Compare"} <= {button.label for button in page.button}
    page = opened(batch="study", results="Export")
    buttons = {button.label: button for button in page.get("download_button")}
    assert {"Table (CSV)", "Table (Parquet)", "Overlays (ZIP)", "Report (HTML)"} <= set(buttons)


def test_a_row_of_a_batch_opens_in_inspect_with_its_mask(work):
    page = opened(INSPECT, run="tiny", batch="kept", case="0")
    told = said(page)
    assert "Model says malignant" in told and "image 1 of a batch" in told and "Pointing game" in told
    assert (address(page, "case"), address(page, "batch")) == ("0", "kept")
    page.button(key="close_case").click().run()
    assert "batch" not in page.query_params and "case" not in page.query_params
    assert "Model says" not in said(page)


@pytest.mark.parametrize(
    ("batch", "case", "why"),
    [("kept", "7", "not kept here"), ("study", "0", "not kept here"), ("kept", "x", "no image 'x'"),
     ("../x", "0", "There is no batch"), ("gone", "0", "not kept here")],
)  # fmt: skip
def test_an_image_that_is_not_there_is_a_sentence(work, batch, case, why):
    page = opened(INSPECT, run="tiny", batch=batch, case=case)
    assert any(why in error.value for error in page.error), said(page)


def test_a_picture_is_made_small_and_square(tmp_path):
    (tmp_path / "heatmaps" / "tiny").mkdir(parents=True)
    (tmp_path / "heatmaps" / "tiny" / "0.png").write_bytes(png(np.full((40, 80), 250, np.uint8)))
    from models.study import read_study

    content = pictures.small_picture(tmp_path, "heatmaps/tiny/0.png", 60, square=True)
    found = read_study(content, "0.jpg").display()[..., 0]
    assert found.shape == (60, 60)
    assert found[30, 30] > 240 and found[2, 30] < 30
