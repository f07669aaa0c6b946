"""What a person does, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.pages.pictures import dark_disc, png

pytestmark = pytest.mark.e2e

PLOT = ".st-key-viewer .js-plotly-plot"
RANGES = f"""() => {{
    const layout = document.querySelector("{PLOT}")?._fullLayout;  // gone while the page is drawn again
    if (!layout) return [[0, 0]];
    const {{ xaxis, xaxis2, yaxis, yaxis2 }} = layout;
    return [xaxis, xaxis2, yaxis, yaxis2].map((axis) => axis.range.map(Math.round));
}}"""
RIGHT_PICTURE = f"""() => document.querySelector("{PLOT}")?._fullLayout?.images[1]?.source"""
CHANGED = f"(before) => ![undefined, before].includes(({RIGHT_PICTURE})())"


def upload(page: Page, place: int, name: str, content: bytes) -> None:
    files = [{"name": name, "mimeType": "image/png", "buffer": content}]
    page.get_by_test_id("stFileUploaderDropzoneInput").nth(place).set_input_files(files)


def open_lesion(page: Page, server: str) -> None:
    """Inspect with the drawn lesion and its mask, on the tiny run."""
    page.goto(f"{server}/Inspect?run=tiny")
    image, mask = map(png, dark_disc())
    upload(page, 0, "lesion.png", image)
    expect(page.get_by_text("Model says malignant")).to_be_visible()
    upload(page, 1, "mask.png", mask)
    expect(page.get_by_text("Energy inside")).to_be_visible()
    page.wait_for_selector(PLOT)


def test_home_loads_and_asks_nobody_else(page: Page, server: str) -> None:
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server)
    expect(page.get_by_role("heading", name="LesionLens")).to_be_visible()
    expect(page.get_by_text("Research use only: not a diagnostic device")).to_be_visible()
    expect(page.get_by_text("Runs at hand")).to_be_visible()
    expect(page.get_by_text("Memory of this program")).to_be_visible()
    strangers = [url for url in asked if not url.startswith((server, "data:", "blob:", "ws:"))]
    assert not strangers


def test_a_sample_leads_to_a_probability(page: Page, server: str) -> None:
    page.goto(server)
    page.locator("[class*='st-key-open']").first.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Inspect", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Model says")).to_be_visible()
    expect(page.get_by_text("calibrated probability of")).to_be_visible()
    expect(page.get_by_text("Synthetic phantom", exact=True)).to_be_visible()
    assert "sample=" in page.url


def test_measures_zoom_and_the_overlays_key(page: Page, server: str) -> None:
    open_lesion(page, server)
    expect(page.get_by_text("Pointing game").last).to_be_visible()

    box = page.locator(PLOT).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -600)
    page.wait_for_function(f"() => ({RANGES})()[0][0] > 0")
    page.wait_for_timeout(700)
    zoomed = page.evaluate(RANGES)
    assert zoomed[0] == zoomed[1], "the panels zoom as one"
    assert zoomed[2] == zoomed[3]

    # The tiny run looks for what is dark, so its map is lit in the padding and held back.
    bare = page.evaluate(RIGHT_PICTURE)
    page.get_by_role("button", name="Show it anyway").click()
    page.wait_for_function(CHANGED, arg=bare)
    overlaid = page.evaluate(RIGHT_PICTURE)
    page.keyboard.press("h")
    expect(page.get_by_role("button", name="Show heatmap")).to_be_visible()
    page.wait_for_function(CHANGED, arg=overlaid)
    assert page.evaluate(RANGES) == zoomed, "the zoom survives"
    page.get_by_role("button", name="Show heatmap").click()
    page.wait_for_function(f"(before) => ({RIGHT_PICTURE})() === before", arg=overlaid)


def test_downloads(page: Page, server: str, tmp_path: Path) -> None:
    open_lesion(page, server)
    with page.expect_download() as started:
        page.get_by_role("button", name="All numbers (JSON)").click()
    started.value.save_as(tmp_path / "case.json")
    case = json.loads((tmp_path / "case.json").read_text(encoding="utf-8"))
    assert case["run"] == "tiny"
    assert case["label"] == "malignant"
    assert case["measures"]["pointing"]["n"] == 1
    assert sum(part["contribution"] for part in case["maps"]) + case["rest"] == pytest.approx(case["margin"])

    with page.expect_download() as started:
        page.get_by_role("button", name="Overlay (PNG)").click()
    started.value.save_as(tmp_path / "overlay.png")
    picture = (tmp_path / "overlay.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert not any(chunk in picture for chunk in (b"tEXt", b"iTXt", b"tIME", b"eXIf"))


def test_bad_files_are_sentences_and_the_app_goes_on(page: Page, server: str) -> None:
    page.goto(f"{server}/Inspect?run=tiny")
    alert = page.get_by_test_id("stAlert")
    upload(page, 0, "notes.png", b"this is not an image\n" * 40)
    expect(alert).to_contain_text("notes.png")
    upload(page, 0, "torn.png", png(dark_disc()[0])[:-60])
    expect(alert).to_contain_text("torn.png")
    expect(alert).to_have_count(1)
    upload(page, 0, "lesion.png", png(dark_disc()[0]))
    expect(page.get_by_text("Model says malignant")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
