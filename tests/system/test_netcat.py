"""netcat talks to the echo server."""

import pytest

from tests.demos.process import Demo
from tests.system.programs import run

pytestmark = pytest.mark.system


def test_lines_come_back(tcpecho: Demo) -> None:
    """netcat shuts its way at the end of its input, and still gets both lines."""
    done = run("nc", "-N", "127.0.0.1", str(tcpecho.port), stdin=b"a\nb\n")
    assert (done.status, done.stdout, done.stderr) == (0, b"a\nb\n", "")
