"""A batch in a real browser: a ZIP of two hundred images to the table, paused, reloaded in the middle, taken
home."""

from __future__ import annotations

import csv
import io
import re
import zipfile

import cv2
import pytest
from playwright.sync_api import Page, expect

from models.data.phantoms import phantom
from tests.e2e.waiting import press, settled

pytestmark = pytest.mark.e2e

IMAGES, DRAWN = 200, 6
LONG = 120_000


@pytest.fixture(scope="module")
def archive() -> bytes:
    """Two hundred small images from a few phantoms, in folders named after their classes."""
    drawn = [phantom("ultrasound", 31, index) for index in range(DRAWN)]
    small = [cv2.resize(each.image, (224, 192), interpolation=cv2.INTER_AREA) for each in drawn]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for number in range(IMAGES):
            picture = cv2.add(small[number % DRAWN], number // DRAWN)  # no two alike
            png = cv2.imencode(".png", picture)[1].tobytes()
            made.writestr(f"{drawn[number % DRAWN].label}/{number:03d}.png", png)
    return stream.getvalue()


def test_a_zip_is_scored_paused_found_again_and_taken_home(page: Page, server: str, archive: bytes) -> None:
    page.goto(f"{server}/Batch?runs=busi-squeezenet")
    settled(page)
    given = {"name": "study.zip", "mimeType": "application/zip", "buffer": archive}
    page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(given)
    expect(page.get_by_text("study.zip")).to_be_visible()
    press(page, page.get_by_role("button", name="Start the batch"))
    page.wait_for_url(re.compile(r"batch=[\w-]{20,}"))
    pause = page.get_by_role("button", name="Pause")
    expect(page.get_by_text(re.compile(r"^[1-9]\d* scored$"))).to_be_visible(timeout=LONG)
    pause.click()
    paused = page.get_by_text(re.compile(rf"^\d+ of {IMAGES} images, paused$"))
    expect(paused).to_be_visible(timeout=LONG)
    done = paused.inner_text()
    # The connection is lost and found: the address has the batch, and nothing went on meanwhile.
    page.reload()
    expect(page.get_by_text(done, exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="The rows of the batch")).to_be_visible()  # the results so far
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="New batch")).to_be_visible(timeout=LONG)
    settled(page)
    expect(page.get_by_text(f"{IMAGES} of {IMAGES}")).to_be_visible()
    page.get_by_role("tab", name="Export").click()
    with page.expect_download(timeout=LONG) as fetched:
        press(page, page.get_by_role("button", name="Table (CSV)"))
    with open(fetched.value.path(), newline="", encoding="utf-8-sig") as table:
        rows = list(csv.DictReader(table))
    assert len({row["case_id"] for row in rows}) == len(rows) == IMAGES
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["label"] for row in rows} == {"benign", "malignant", "normal"}
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete all of it").click()
    expect(page.get_by_text("The batch was deleted")).to_be_visible()
    expect(page.get_by_role("button", name="Start the batch")).to_be_visible()
