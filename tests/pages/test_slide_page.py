"""The Slide view: a slide scored to its map and a tile; what is refused; found again after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.ui import batch_caches
from pages.ui.slides import shelf
from tests.models.slides.small_slides import slide
from tests.pages.tiny_run import write_tiny_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    he = {"modality": "histopathology", "classes": ["non_idc", "idc"], "positive": "idc"}
    write_tiny_run(root, "tiny-he", **he)
    write_tiny_run(root, "tiny-us")
    return root


@pytest.fixture
def page(runs, tmp_path, monkeypatch):
    """The page with one tiny run, and a work folder of its own."""
    monkeypatch.setenv("LESIONLENS_RUNS", str(runs))
    monkeypatch.setenv("LESIONLENS_WORK", str(tmp_path / "work"))
    st.cache_resource.clear()
    at = AppTest.from_file(str(ROOT / "pages" / "3_Batch.py"), default_timeout=60)
    at.query_params["view"] = "Slide"
    yield at
    st.cache_resource.clear()


def kept(tmp_path, mpp=1.0, name="DOE_JANE.tif"):
    file = slide(tmp_path / name, mpp=mpp)
    with file.open("rb") as upload:
        return shelf.keep_upload(upload, name)


def texts(at: AppTest) -> str:
    return " ".join(each.value for each in (*at.markdown, *at.caption, *at.error, *at.warning, *at.info))


def finished(at: AppTest, place) -> AppTest:
    jobs = batch_caches.slide_jobs()
    assert all(job.wait(60) for job in jobs._jobs.values())
    return at.run()


def test_a_slide_is_scored_to_a_map_and_a_tile(page, tmp_path):
    place = kept(tmp_path)
    page.query_params["slide"] = place.id
    page.run()
    assert not page.exception and "Tiled TIFF slide, 1,200 x 900 pixels" in texts(page)
    assert "mm² of tissue" in texts(page)
    page.button(key="start slide").click().run()
    finished(page, place)
    assert not page.exception and not page.error
    assert [metric.label for metric in page.metric] == [
        "Tissue", "Tiles scored", "Tiles called idc", "Mean of the hottest 1 %",
    ]  # fmt: skip
    assert "No verdict on the whole slide" in texts(page).replace("\\", "")
    assert "**Row" in texts(page) and "probability of idc" in texts(page)
    assert "DOE" not in texts(page)
    # Another tile by its button; a tile that is none shows the hottest.
    button = next(each for each in page.button if (each.key or "").startswith("open "))
    button.click().run()
    row, column = button.key.removeprefix("open r").split("c")
    assert page.query_params["tile"] in (f"{row}-{column}", [f"{row}-{column}"])
    page.query_params["tile"] = "999-999"
    assert not page.run().exception
    # A restart of the server forgets the job, and finds what is on disk.
    st.cache_resource.clear()
    finished(page, place)
    page.run()
    assert [metric.value for metric in page.metric][1].startswith("1") and not page.exception
    page.button(key="delete slide").click().run()
    assert not place.folder.exists() and not page.exception


def test_a_restart_in_the_middle_is_gone_on_with(page, tmp_path, monkeypatch):
    from models.slides import scoring

    monkeypatch.setattr(scoring, "BATCH", 2)
    place = kept(tmp_path)
    page.query_params["slide"] = place.id
    page.run()
    page.button(key="start slide").click()
    page.run()
    jobs = list(batch_caches.slide_jobs()._jobs.values())
    assert jobs and jobs[0].wait(60)
    folder = jobs[0].plan.folder
    (folder / "summary.json").unlink()
    lines = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "journal.jsonl").write_bytes(b"".join(lines[:-2]))
    st.cache_resource.clear()
    page.run()
    assert "restarted" in texts(page)
    page.button(key="start slide").click().run()
    finished(page, place)
    assert (folder / "summary.json").is_file() and not page.error


def test_a_slide_without_a_scale_is_asked_for_it(page, tmp_path):
    page.query_params["slide"] = kept(tmp_path, mpp=None).id
    page.run()
    assert "micrometres a pixel is" in texts(page)
    page.number_input(key="mpp").set_value(1.0).run()
    assert not page.exception and page.button(key="start slide")


def test_what_is_no_slide_is_a_sentence_and_leaves_nothing(page, tmp_path):
    for name, content, told in (
        ("a.svs", b"text", "not a whole-slide image"),
        ("a.mrxs", b"\xff\xd8\xff", "folder of files"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with path.open("rb") as upload, pytest.raises(shelf.BadInput, match=told):
            shelf.keep_upload(upload, name)
    root = shelf._root()
    assert not root.exists() or not list(root.iterdir())
    page.query_params["slide"] = "s" + "A" * 22
    page.run()
    assert "not here any more" in texts(page) and not page.exception


def test_a_slide_lies_under_a_name_of_ours_and_goes_with_its_time(page, tmp_path, monkeypatch):
    place = kept(tmp_path, name="DOE_JANE_1970.svs")
    assert place.file.name == "slide.svs" and place.folder.stat().st_mode & 0o777 == 0o700
    everything = [path.name + path.read_text("latin-1") for path in place.folder.iterdir()]
    assert not any("DOE" in text for text in everything)
    assert shelf.find(place.id) == place and shelf.find("../" + place.id) is None
    now = place.folder.stat().st_mtime
    assert shelf.sweep(now + 71 * 3600) == 0 and shelf.sweep(now + 73 * 3600) == 1
    assert shelf.find(place.id) is None
    monkeypatch.setattr(shelf, "MOST_BYTES", 10)
    with pytest.raises(shelf.BadInput, match="delete one"):
        kept(tmp_path)
