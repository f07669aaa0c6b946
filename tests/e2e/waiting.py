"""How a test waits for the dashboard, and does again what a rerun of the page undid."""

from __future__ import annotations

from playwright.sync_api import Error, Locator, Page, TimeoutError, expect

TRIES = 6


def settled(page: Page) -> None:
    """Nothing on the page waits for the server any more."""
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)


def press(page: Page, button: Locator) -> None:
    """Click a button; while the page is drawn again, what stood there before stands beside it."""
    for attempt in range(TRIES):
        settled(page)
        expect(button).to_have_count(1)
        try:
            button.click(timeout=5_000)
        except Error:
            if attempt == TRIES - 1:
                raise
        else:
            return


def choose(page: Page, box: Locator, option: str) -> None:
    """Pick an option of a select box; a rerun that arrives in between closes its list."""
    for attempt in range(TRIES):
        settled(page)
        box.click()
        try:
            page.get_by_role("option", name=option).click(timeout=5_000)
        except TimeoutError:
            if attempt == TRIES - 1:
                raise
            page.keyboard.press("Escape")
        else:
            return
