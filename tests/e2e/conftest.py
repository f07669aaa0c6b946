"""A real browser on a real server: Chromium, and the dashboard with a tiny run beside the shipped ones."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.pages.tiny_run import write_tiny_run

ROOT = Path(__file__).resolve().parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NO_BROWSER = (
    "There is no Chromium: install it (apt-get install chromium, or .venv/bin/playwright install chromium), "
    "or name its executable in $CHROMIUM."
)
START_SECONDS = 60
# A busy machine is no failure.
expect.set_options(timeout=40_000)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard's address."""
    runs = tmp_path_factory.mktemp("runs")
    write_tiny_run(runs)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", f"--server.port={port}"]
    environment = os.environ | {"LESIONLENS_RUNS": str(runs), "LESIONLENS_WORK": str(runs / "batches")}
    log = open(runs / "server.log", "w+")  # noqa: SIM115 - the server writes to it until it ends
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _await(f"http://127.0.0.1:{port}/_stcore/health", process, log.name)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = _chromium(playwright)
        if chromium is None:
            pytest.skip(NO_BROWSER)
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of 1440 x 900 of a person who was never here before."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def _chromium(playwright: Playwright) -> str | None:
    named = os.environ.get("CHROMIUM")
    places = (
        named,
        "/usr/bin/chromium",
        shutil.which("chromium-browser"),
        shutil.which("google-chrome"),
        playwright.chromium.executable_path,
    )
    return next((place for place in places if place and Path(place).is_file()), None)


def _await(address: str, process: subprocess.Popen, log: str) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"The dashboard did not start:\n{Path(log).read_text()[-2000:]}")
