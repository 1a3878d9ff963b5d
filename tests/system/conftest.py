"""The demos that the programs talk to."""

from collections.abc import Iterator

import pytest

from tests.demos.process import Demo, serving


@pytest.fixture(scope="module")
def showcase() -> Iterator[Demo]:
    """Run the showcase for all tests of a module, after which it has to end cleanly."""
    with serving("showcase") as demo:
        yield demo


@pytest.fixture(scope="module")
def helloworld() -> Iterator[Demo]:
    """Run the smallest demo, just so."""
    with serving("helloworld") as demo:
        yield demo


@pytest.fixture(scope="module")
def tcpecho() -> Iterator[Demo]:
    """Run the echo server, just so."""
    with serving("tcpecho") as demo:
        yield demo
