"""The Training page in a real browser, on shipped runs; and what its frame does to a hostile page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from pages.ui.training.notebook_html import framed

pytestmark = pytest.mark.e2e

PLOT = ".st-key-learning_curves .js-plotly-plot"
SHAPES = f"""() => document.querySelector("{PLOT}")._fullLayout.shapes.map((shape) => shape.type)"""
HOSTILE = """<p>shown</p><script>parent.document.title = "taken"; document.title = "taken";</script>
<img src="https://stranger.invalid/a.png" onerror="parent.document.title = 'taken'">
<form action="https://stranger.invalid"><button>press</button></form>"""


def test_a_link_opens_curves_then_recipe_and_notebook(page: Page, server: str) -> None:
    page.goto(f"{server}/Training?run=busi-resnet50&log=Loss")
    page.wait_for_selector(f"{PLOT} .main-svg")
    expect(page.get_by_text("In the stage finetune, validation loss lowest at epoch 12")).to_be_visible()
    # Three stages, of which the first and the third are shaded, in each of four panels.
    assert page.evaluate(SHAPES).count("rect") == 8
    page.get_by_role("radio", name="Recipe").or_(page.get_by_role("button", name="Recipe")).first.click()
    expect(page.get_by_text("Stages, in their order")).to_be_visible()
    assert "show=Recipe" in page.url

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server}/Training?run=phantom-ultrasound&show=Notebook")
    notebook = page.frame_locator("iframe[title^='Notebook of']").frame_locator("iframe")
    expect(notebook.get_by_role("heading", name="from a manifest to a measured heatmap")).to_be_visible()
    assert notebook.locator("img").count() >= 3
    assert not [url for url in asked if not url.startswith((server, "data:", "blob:", "ws:", "about:"))]


def test_the_frame_alone_holds_what_a_sanitiser_missed(page: Page) -> None:
    page.set_content(f"<title>mine</title>{framed(HOSTILE, 200)}")
    inner = page.frame_locator("iframe")
    expect(inner.get_by_text("shown")).to_be_visible()
    inner.get_by_role("button", name="press").click()
    page.wait_for_timeout(300)
    assert page.title() == "mine"
    assert [frame.url for frame in page.frames][1:] == ["about:srcdoc"]
