"""Trust in a real browser: a shipped run's audit, two runs, an audit on the spot that is stopped and gone on
with, and the tour."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.waiting import settled

pytestmark = pytest.mark.e2e

GUIDED, PLAIN = "busi-squeezenet-guided", "busi-squeezenet"


def test_an_audit_leads_from_its_figures_to_a_case(page: Page, server: str) -> None:
    page.goto(f"{server}/Trust?run={GUIDED}")
    expect(page.get_by_text("with the lesion outlined")).to_be_visible()
    settled(page)
    expect(page.get_by_text("Pointing game").first).to_be_visible()
    page.get_by_role("tab", name="Cases").click()
    page.wait_for_url(re.compile("tab=Cases"))
    mark = page.locator(".js-plotly-plot .scatterlayer path.point").last
    expect(mark).to_be_visible()
    settled(page)
    mark.click(force=True)
    page.wait_for_url(re.compile(r"case=\d+"))
    expect(page.get_by_text(re.compile(r"^Case \d+, malignant"))).to_be_visible()
    assert "malignant%20(" not in page.url and "malignant+(" not in page.url


def test_two_runs_from_a_link(page: Page, server: str) -> None:
    page.goto(f"{server}/Trust?view=Two+runs&first={GUIDED}&second={PLAIN}&measure=Energy+inside")
    expect(page.get_by_text("that both audits have")).to_be_visible()
    settled(page)
    expect(page.get_by_role("heading", name="Energy inside, case by case")).to_be_visible()


def test_an_audit_on_the_spot_is_stopped_and_gone_on_with(page: Page, server: str) -> None:
    page.goto(f"{server}/Trust?view=Audit+now&run=phantom-ultrasound&count=18")
    page.get_by_role("button", name="Start the audit").click()
    expect(page.get_by_text(re.compile("So far, over"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile(r"of 12 cases are done and kept"))).to_be_visible()
    # Another page meanwhile: what is done stays.
    page.get_by_role("link", name="Evaluate").click()
    expect(page.get_by_role("heading", name="Evaluate", exact=True)).to_be_visible()
    page.get_by_role("link", name="Trust").click()
    settled(page)
    page.get_by_text("Audit now", exact=True).click()
    page.get_by_role("button", name="Go on", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=120_000)
    expect(page.get_by_text("6 cases of malignant")).to_be_visible(timeout=120_000)


def test_the_tour_shows_the_planted_shortcut(page: Page, server: str) -> None:
    page.goto(f"{server}/Trust?view=Tour")
    expect(page.get_by_text("A score cannot tell them apart.")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Next: where they look").click()
    expect(page.get_by_role("img", name="Evidence for malignant by lab-shortcut")).to_be_visible()
    expect(page.get_by_text("Do not read this map as the reason")).to_have_count(1)
    settled(page)
    page.get_by_role("button", name="Next: without the mark").click()
    expect(page.get_by_text("It reads the mark, not the lesion.")).to_be_visible(timeout=90_000)
    expect(page.get_by_text("It does not need the mark.")).to_have_count(1)
