"""Somebody's results on the pages, in a real browser, and nobody else's."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.waiting import choose, press

pytestmark = pytest.mark.e2e

SCORES = "y_true,y_score\n" + "1,0.9\n1,0.6\n1,0.3\n0,0.2\n0,0.1\n0,0.7\n" * 3
HISTORY = "epoch,loss,val_loss\n" + "".join(f"{i},{0.7 - i / 20},{0.6 - i / 50}\n" for i in range(8))


def give(page: Page, place: int, name: str, content: str) -> None:
    files = [{"name": name, "mimeType": "text/csv", "buffer": content.encode()}]
    page.get_by_test_id("stFileUploaderDropzoneInput").nth(place).set_input_files(files)


def test_results_of_another_program_on_every_page(
    page: Page, server: str, browser: Browser, tmp_path: Path
) -> None:
    page.goto(f"{server}/Import")
    give(page, 0, "theirs.csv", SCORES)
    expect(page.get_by_text("18 cases: 9 negative, 9 positive.")).to_be_visible()
    give(page, 1, "log.csv", HISTORY)
    expect(page.get_by_text("8 epochs of loss")).to_be_visible()
    choose(page, page.locator("[class*=st-key-import_modality] input"), "Ultrasound")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("theirs is imported")).to_be_visible()
    expect(page.get_by_text("AUC 0.78")).to_be_visible()

    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    started.value.save_as(tmp_path / "theirs.zip")
    with zipfile.ZipFile(tmp_path / "theirs.zip") as archive:
        assert {"theirs/run.json", "theirs/predictions.csv", "theirs/history.csv"} <= {*archive.namelist()}

    for name in ("Evaluate", "Training", "Compare"):
        page.get_by_role("link", name="Import").click()
        button = page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True)
        press(page, button)
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
        expect(page).to_have_url(re.compile(r"=theirs\b"))
        expect(page.get_by_text("Something went wrong")).to_have_count(0)

    stranger = browser.new_context().new_page()
    stranger.goto(f"{server}/Evaluate?run=theirs")
    expect(stranger.get_by_text("There is no run 'theirs'")).to_be_visible()
    stranger.context.close()
