"""Many requests at once are all answered; how many there are is for the benchmarks to say."""

import re

import pytest

from tests.demos.process import Demo
from tests.system.programs import run

pytestmark = pytest.mark.system


def check_load(url: str) -> None:
    """Ask for a URL on 32 connections for two seconds; every answer has to be a good one."""
    done = run("wrk", "-t1", "-c32", "-d2s", url)
    assert done.status == 0, done.stderr
    count = re.search(r"([0-9]+) requests in", done.text)
    assert count is not None, done.text
    assert int(count[1]) > 0
    # wrk writes these lines only when there is something to tell.
    assert "Socket errors" not in done.text, done.text
    assert "Non-2xx" not in done.text, done.text


def test_the_smallest_application(helloworld: Demo) -> None:
    """A handler that is a plain function."""
    check_load(helloworld.url)


def test_an_answer_in_json(showcase: Demo) -> None:
    """A handler of the showcase, with a log line for each request."""
    check_load(f"{showcase.url}api/time")
