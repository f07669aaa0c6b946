"""The evidence pages in a real browser, on shipped runs (Training: test_training.py; imported runs:
test_import.py)."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.waiting import settled

pytestmark = pytest.mark.e2e

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "runs"
HYBRID, FOLDS = "busi-hybrid-guided", "busi-light-hybrid-guided-folds"


def threshold(page: Page) -> str:
    return page.locator(".st-key-threshold").inner_text()


def test_a_rule_sets_the_threshold_and_a_colleague_sees_the_same(page: Page, server: str) -> None:
    page.goto(f"{server}/Evaluate?run={HYBRID}")
    expect(page.get_by_text("Of 1,000 women")).to_be_visible()
    before = threshold(page)
    page.get_by_role("button", name="Sensitivity ≥ 0.95").click()
    page.wait_for_url(re.compile(r"threshold=0\.\d+"))
    settled(page)
    after = threshold(page)
    assert after != before
    patients = {row["patient_id"] for row in _rows(SHIPPED / HYBRID / "predictions.csv")}
    address = page.url
    assert not any(patient in address for patient in patients if patient)

    colleague = page.context.browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    colleague.set_default_timeout(60_000)
    colleague.goto(address)
    expect(colleague.get_by_text("Of 1,000 women")).to_be_visible()
    settled(colleague)
    assert threshold(colleague) == after
    colleague.context.close()


def test_a_cell_of_the_matrix_leads_to_its_cases_and_one_of_them_to_inspect(page: Page, server: str) -> None:
    page.goto(f"{server}/Evaluate?run=phantom-histopathology")
    matrix = page.locator(".js-plotly-plot .main-svg").first
    expect(matrix).to_be_visible()
    settled(page)
    box = matrix.bounding_box()
    # Truly the positive class, called the other: the lower left cell.
    page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.72)
    page.wait_for_url(re.compile("truth=idc"))
    expect(page.get_by_text("15 cases of 134")).to_be_visible()
    settled(page)
    page.get_by_role("link", name=re.compile("Inspect case")).first.click()
    expect(page.get_by_role("heading", name="Inspect", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Model says")).to_be_visible()
    assert re.search(r"case=\d+", page.url)


def test_two_runs_and_the_leaderboard(page: Page, server: str) -> None:
    page.goto(f"{server}/Compare?view=Leaderboard")
    expect(page.get_by_text("AUC with 95 % intervals")).to_be_visible()
    page.goto(f"{server}/Compare?view=Two+runs&first={HYBRID}&second=busi-hybrid")
    expect(page.get_by_text("DeLong's test")).to_be_visible()
    expect(page.get_by_text("91 cases", exact=True)).to_be_visible()
    settled(page)


def test_folds_are_one_run_with_their_spread(page: Page, server: str) -> None:
    page.goto(f"{server}/Evaluate?run={FOLDS}")
    expect(page.get_by_text(re.compile("five folds|5 folds", re.I)).first).to_be_visible()
    settled(page)


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
