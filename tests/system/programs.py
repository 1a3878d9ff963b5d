"""The operating system's programs, run with a bound on their time."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

import pytest

#: Seconds that one program may take; a browser that starts cold is the slowest.
TIMEOUT = 120.0


@dataclass(frozen=True)
class Done:
    """What a program left: its exit status and what it wrote."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """What it wrote to stdout, as text."""
        return self.stdout.decode("utf-8")


def need(program: str) -> str:
    """Return the path of a program.

    Raises:
        pytest.skip.Exception: it is not installed.
        pytest.fail.Exception: it is not, and this is a run of CI, which has to have it.
    """
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed; tests/system/install.sh installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def run(program: str, *args: str, stdin: bytes = b"") -> Done:
    """Run a program that is needed to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer than `TIMEOUT`; it and its children are killed.
    """
    process = subprocess.Popen(
        [need(program), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = process.communicate(stdin, TIMEOUT)
        except subprocess.TimeoutExpired:
            # A browser's children hold the pipes open as well.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Done(process.returncode, stdout, stderr.decode("utf-8", "replace"))
