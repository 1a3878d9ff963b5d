"""Load the project's own pytest plugins for every test."""

from collections.abc import Generator

import pytest

pytest_plugins = ["tests.feature_report", "tests.loops"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have reports of texts that are no Unicode go from one process of the tests to another."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
