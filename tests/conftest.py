"""Load the project's own pytest plugins for every test."""

import signal
from collections.abc import Generator

import pytest

pytest_plugins = ["tests.feature_report", "tests.loops", "tests.properties"]


def pytest_configure() -> None:
    """Have programs that tests start end by SIGINT, which a shell ignores in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have reports of texts that are no Unicode go from one process of the tests to another."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report
