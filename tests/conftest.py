"""What holds for every test: in continuous integration a browser test that skips has failed."""

import os
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
BROWSER_TESTS = Path(__file__).parent / "e2e"
REASON = "A browser test was skipped, and in continuous integration (CI=true) every one of them has to run."


def _is_browser_test(node: pytest.Item | pytest.Collector) -> bool:
    return node.get_closest_marker("e2e") is not None or node.path.is_relative_to(BROWSER_TESTS)


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{REASON}\n{report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    if IN_CI and _is_browser_test(item):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    report = yield
    if IN_CI and _is_browser_test(collector):
        _fail_if_skipped(report)
    return report
