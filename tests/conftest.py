"""For every test: the tools in .cache/bin are found, and on CI nothing is skipped."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.support.processes import use_tools

use_tools()
# A busy machine is no failure, and neither is another draw of the dice.
settings.register_profile("f2b", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("f2b")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if os.geteuid() and item.get_closest_marker("root"):
        pytest.skip("needs root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _refuse(report)
    return report


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """CI brings all that a test needs: a skip there hides a test that never runs."""
    if os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, and on CI nothing may be skipped: {report.longrepr}"
