"""What a reader does with trust cards and with read-first mode, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_dashboard import upload
from tests.e2e.waiting import choose, settled
from tests.pages.pictures import dark_disc, png

pytestmark = pytest.mark.e2e

FIRST_LOOK = ".st-key-first_look .js-plotly-plot"
SHAPES = f"""() => document.querySelector("{FIRST_LOOK}")._fullLayout.images.length"""
# Where row 40, column 56 of the image lies on the screen.
PLACE = f"""() => {{
    const plot = document.querySelector("{FIRST_LOOK}");
    const {{ xaxis, yaxis }} = plot._fullLayout;
    const box = plot.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(56.5), box.top + yaxis._offset + yaxis.d2p(40.5)];
}}"""


def test_a_failing_map_is_held_back_until_it_is_asked_for(page: Page, server: str) -> None:
    page.goto(f"{server}/Inspect?run=tiny")
    upload(page, 0, "lesion.png", png(dark_disc()[0]))
    expect(page.get_by_text("How far can this map be trusted?")).to_be_visible()
    expect(page.get_by_text("Do not read this map as the reason").first).to_be_visible()
    expect(page.get_by_text("held back, see the trust card")).to_be_visible()
    page.get_by_text("The checks in words").click()
    expect(page.get_by_text("lowers the score less than blurring a random area").last).to_be_visible()
    page.get_by_role("button", name="Show it anyway").click()
    expect(page.get_by_text("held back, see the trust card")).to_have_count(0)
    expect(page.get_by_role("button", name="Hide heatmap")).to_be_enabled()


def test_a_slow_map_shows_its_progress_and_takes_the_formers_place(page: Page, server: str) -> None:
    page.goto(f"{server}/Inspect?run=tiny&masks=64")
    upload(page, 0, "lesion.png", png(dark_disc()[0]))
    expect(page.get_by_text("Grad-CAM: evidence for malignant, joint map")).to_be_visible()
    choose(page, page.get_by_role("combobox", name="Method"), "RISE")
    expect(page.get_by_text("RISE: evidence for malignant")).to_be_visible()
    assert "method=RISE" in page.url
    page.goto(f"{server}/Inspect?run=tiny&sample=us_s9001_00002&method=RISE&masks=64")
    expect(page.get_by_text("RISE: evidence for malignant")).to_be_visible()


def test_the_reader_goes_first(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/Inspect?run=tiny&read_first=true")
    upload(page, 0, "lesion.png", png(dark_disc()[0]))
    expect(page.get_by_text("Your reading first")).to_be_visible()
    page.wait_for_selector(FIRST_LOOK)
    page.wait_for_function(f"() => ({SHAPES})() === 1")
    expect(page.get_by_text("Model says")).to_have_count(0)

    settled(page)
    page.mouse.click(*page.evaluate(PLACE))
    expect(page.get_by_label("Row")).to_have_value("40")
    expect(page.get_by_label("Column")).to_have_value("56")

    _press(page, "2")
    _press(page, "no")
    settled(page)
    page.get_by_role("button", name="Record and see the model's").click()
    expect(page.get_by_text("Model says malignant")).to_be_visible()
    expect(page.get_by_text("suspicion 2 of 5, no recall, at row 40, column 56")).to_be_visible()

    _press(page, "4")
    _press(page, "yes")
    settled(page)
    page.get_by_role("button", name="Record the second opinion").click()
    expect(page.get_by_text("You changed your mind")).to_be_visible()
    page.get_by_text("Readings of this session: 1").click()
    with page.expect_download() as started:
        page.get_by_role("button", name="Readings (CSV)").click()
    started.value.save_as(tmp_path / "readings.csv")
    text = (tmp_path / "readings.csv").read_text(encoding="utf-8-sig")
    assert "suspicion_before" in text and ",2,no,40,56,4,yes," in text
    assert "lesion" not in text


def _press(page: Page, name: str) -> None:
    """One of a row of choices."""
    radio, button = (page.get_by_role(role, name=name, exact=True) for role in ("radio", "button"))
    radio.or_(button).click()
