"""Each demo tells how it is started."""

import subprocess
import sys

import pytest

from tests.demos.process import ENVIRONMENT, NAMES, ROOT, TIMEOUT


@pytest.mark.parametrize("name", NAMES)
def test_help_names_the_options(name: str) -> None:
    """``--help`` tells what the demo is and the option for its port, and ends."""
    command = [sys.executable, "-m", f"demos.{name}", "--help"]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused(name: str) -> None:
    """The demo ends with the status for wrong usage, and says which option it was."""
    command = [sys.executable, "-m", f"demos.{name}", "--prot=0"]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 2
    assert "--prot" in done.stderr
