"""The Batch page as one uses it: what is asked, what is refused with a sentence, and a batch to its end."""

import errno

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.ui import batch_caches
from pages.ui.batch import receiving
from pages.ui.batch.spool import SpoolWriter
from tests.pages.batch.given import BRIGHT, DARK, encrypted, zipped
from tests.pages.conftest import ROOT

BATCH = "pages/3_Batch.py"
ZIP, CSV = "application/zip", "text/csv"


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch, small_world):
    monkeypatch.setenv("LESIONLENS_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("LESIONLENS_DATA", str(tmp_path / "data"))
    yield tmp_path / "work"
    st.cache_resource.clear()  # stops what is still at work


def opened(**address: str) -> AppTest:
    page = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=90).switch_page(BATCH)
    page.query_params.update(address)
    return page.run()


def give(page: AppTest, *files: tuple[str, bytes, str], key: str = "batch_files_0") -> AppTest:
    return page.file_uploader(key=key).set_value(list(files)).run()


def start(page: AppTest) -> AppTest:
    """Begin, and wait until it came to an end."""
    page.toggle(key="heatmaps").set_value(False).run()
    page.button(key="start_batch").click().run()
    return ended(page)


def ended(page: AppTest) -> AppTest:
    assert batch_caches.batch_jobs().find(address_of(page)).wait(60)
    return page.run()


def address_of(page: AppTest) -> str:
    found = page.query_params["batch"]
    return found if isinstance(found, str) else found[0]


def keys(page: AppTest) -> set[str]:
    return {button.key for button in page.button}


def said(page: AppTest) -> str:
    kinds = (page.markdown, page.caption, page.info, page.warning, page.error, page.success, page.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


def test_nothing_given_nothing_begun() -> None:
    page = opened()
    assert not page.exception and not page.error
    assert page.button(key="start_batch").disabled and "Give images first." in said(page)
    # The person is told what becomes of the files before there are any.
    assert "burned into the pixels is **not** removed" in said(page) and "72 hours" in said(page)
    assert "python -m xai batch" in said(page).replace("\\", "")
    assert "No data set is on this server" in said(opened(**{"from": "Data at hand"}))
    assert "There is no image" not in said(page)


def test_a_zip_to_its_results_found_again_by_its_address_and_deleted(work) -> None:
    page = give(opened(runs="tiny"), ("x.zip", zipped({"malignant/a.png": DARK, "other/b.png": BRIGHT}), ZIP))
    page = start(page)
    assert not page.exception and not page.error and page.query_params["batch"]
    assert page.subheader[0].value == "2 images of 1 archive, tiny"
    assert {"batch_new", "batch_delete"} <= keys(page) and "batch_resume" not in keys(page)
    address = address_of(page)
    # Another tab, or the same one after a lost connection; and a server that was started anew.
    st.cache_resource.clear()
    again = opened(batch=address)
    assert again.subheader[0].value == page.subheader[0].value and not again.error
    # A new one beside it: the first stays in reach.
    again.button(key="batch_new").click().run()
    assert "batch" not in again.query_params and "start_batch" in keys(again)
    again.button(key=f"open_{address}").click().run()
    assert address_of(again) == address
    again.button(key="batch_delete").click().run()
    assert "The batch was deleted" in said(again) and not (work / address).exists()
    gone = opened(batch=address)
    assert "The batch of this address is not here" in gone.error[0].value


def test_an_interrupted_batch_is_resumed() -> None:
    page = start(give(opened(runs="tiny"), *((f"{n}.png", DARK, "image/png") for n in range(3))))
    batch_id = address_of(page)
    batch = batch_caches.batch_jobs().find(batch_id)
    (batch.home / "state.json").unlink()  # as after a server that died
    st.cache_resource.clear()
    page = opened(batch=batch_id)
    assert "The server stopped while this batch was at work. 3 of 3 images are done" in page.warning[0].value
    page.button(key="batch_resume").click().run()
    page = ended(page)
    assert not page.warning and not page.error


REFUSED = {
    "no image": ([("x.zip", zipped({"__MACOSX/._a.png": b"x"}), ZIP)], "There is no image in"),
    "labels that match nothing": (
        [("a.png", DARK, "image/png"), ("labels.csv", b"file,label\nz.png,malignant\n", CSV)], "labels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_leads_to_nothing_is_one_sentence(case) -> None:
    files, sentence = REFUSED[case]
    page = start(give(opened(runs="tiny"), *files))
    assert len(page.error) == 1 and sentence in page.error[0].value and not page.exception
    assert "Something went wrong" not in page.error[0].value and "batch_new" in keys(page)


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (encrypted({"a.png": DARK}), "encrypted"),
        (zipped({"i.zip": zipped({"a.png": DARK})}), "archive inside"),
    ],
)
def test_a_batch_of_nothing_but_refusals_ends_with_their_reasons(inside, why) -> None:
    page = start(give(opened(runs="tiny"), ("x.zip", inside, ZIP)))
    assert not page.error and not page.exception
    batch = batch_caches.batch_jobs().find(address_of(page))
    assert (batch.progress.ok, batch.progress.unreadable) == (0, 1)
    assert "No image of this batch could be scored" in said(page)
    lines = (batch.place.folder / "predictions.csv").read_text()
    assert why in lines


def test_labels_that_no_run_knows_are_named_before_anything_is_scored() -> None:
    table = b"file,label\na.png,malignant\nb.png,scar\n"
    page = give(opened(runs="tiny"), ("a.png", DARK, "image/png"), ("labels.csv", table, CSV))
    assert "no classes of the chosen runs: “scar”. The classes are other, malignant" in page.error[0].value
    assert page.button(key="start_batch").disabled
    page.selectbox(key="means_scar").select("other").run()
    assert not page.error and not page.button(key="start_batch").disabled
    page = give(opened(runs="tiny"), ("a.png", DARK, "image/png"), ("labels.csv", table, CSV))
    page.toggle(key="without_labels").set_value(True).run()
    assert not page.error and not page.button(key="start_batch").disabled
    page = give(opened(runs="tiny"), ("a.png", DARK, "image/png"), ("labels.csv", b"x,y\n1,2\n", CSV))
    assert "has no column 'file'" in page.error[0].value.replace("\\", "")


def test_too_much_and_a_full_disk(monkeypatch, work) -> None:
    def full(writer, content, ending=""):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(SpoolWriter, "store", full)
        page = start(give(opened(runs="tiny"), ("a.png", DARK, "image/png")))
        assert "The disk for batches is full" in page.error[0].value and "batch_resume" in keys(page)
    page.button(key="batch_resume").click().run()
    assert not ended(page).error
    monkeypatch.setattr(receiving, "MOST_BYTES", 100)
    page = opened(runs="tiny")
    page.button(key="batch_new").click().run() if "batch_new" in keys(page) else None
    page = give(page, ("a.png", DARK, "image/png"), key=page.file_uploader[0].key)
    page.button(key="start_batch").click().run()
    assert "the limit of one upload" in page.error[0].value and "batch" not in page.query_params
    assert len(list(work.iterdir())) == 1


def test_phantoms_suggest_a_run_of_their_modality() -> None:
    page = opened(**{"from": "Phantoms", "modality": "mammography", "count": "6"})
    assert page.multiselect(key="runs").value == ["tiny-breast"] and not page.multiselect[0].options[1:]
    # The tiny run knows "malignant" and "other" alone.
    assert "“normal”, “benign”" in page.error[0].value
    page.toggle(key="without_labels").set_value(True).run()
    page = start(page)
    assert page.subheader[0].value.startswith("6 mammography phantoms of series 101")
    assert not page.error


def test_the_other_view_is_in_the_address() -> None:
    page = opened(view="Slide")
    assert not page.exception and "start_batch" not in keys(page)
