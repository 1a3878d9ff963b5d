"""Demos as processes of their own: started, told to end, and never left behind.

How to use it::

    with running("helloworld") as demo:
        ask(demo.port)
        demo.signal(signal.SIGINT)
        end = demo.ended()
        assert end.status == 0
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]

#: Names of the demos that there are.
NAMES = sorted(path.parent.name for path in (ROOT / "demos").glob("*/__main__.py"))

#: What tells a demo to end.
SIGNALS = [signal.SIGINT, signal.SIGTERM]

#: Seconds for a demo to say where it listens; it takes a fraction of one on an idle machine.
START_TIMEOUT = 30.0

#: Seconds for a demo to end after a signal; the showcase gives requests under way ten.
END_TIMEOUT = 30.0

#: Seconds that one wait of a client may take.
TIMEOUT = 20.0


#: The demos run as a user runs them, whatever the tests themselves are run with; but no warning
#: may pass unseen, such as that of a socket which was never closed.
ENVIRONMENT = os.environ | {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": ""}


@dataclass(frozen=True)
class End:
    """How a process ended: its exit status, and all that it wrote to stderr."""

    status: int
    stderr: str


class Demo:
    """A demo that runs.

    Attributes:
        port: where it listens, on 127.0.0.1.
        pid: number of the process.
    """

    def __init__(self, process: subprocess.Popen[str], stderr: IO[str], port: int) -> None:
        self._process = process
        self._stderr = stderr
        self.port = port
        self.pid = process.pid

    @property
    def url(self) -> str:
        """The URL of the root, with its slash."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def alive(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def connect(self) -> socket.socket:
        """Return a connected socket whose every operation is bounded in time."""
        sock = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    def ended(self) -> End:
        """Wait for the end of the process, which has to come by itself.

        Raises:
            subprocess.TimeoutExpired: it did not.
        """
        status = self._process.wait(END_TIMEOUT)
        self._stderr.seek(0)
        return End(status, self._stderr.read())

    def refuses(self) -> bool:
        """Say whether nobody listens on the port any more."""
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return True
        return False


def check_clean(end: End) -> None:
    """Check that a demo ended as a good program does."""
    assert end.status == 0, end.stderr
    for word in ("Traceback", "Warning:", "ERROR"):
        assert word not in end.stderr, end.stderr


@contextlib.contextmanager
def running(name: str, *options: str) -> Iterator[Demo]:
    """Run a demo on a port that the kernel chooses; it is killed at the end if it still runs.

    Args:
        options: of its command line, besides that for the port.
    Raises:
        AssertionError: it did not tell its port.
    """
    command = [sys.executable, "-m", f"demos.{name}", "--port=0", *options]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as stderr:
        with _interruptible():
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=ENVIRONMENT,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        with process:
            try:
                port = _read_port(process)
                if port is None:
                    process.kill()
                    process.wait()
                    stderr.seek(0)
                    raise AssertionError(f"{name} did not tell its port: {stderr.read()}")
                yield Demo(process, stderr, port)
            finally:
                process.kill()


@contextlib.contextmanager
def serving(name: str, *options: str) -> Iterator[Demo]:
    """Run a demo as `running`, and check that SIGINT ends it cleanly after all tests of it."""
    with running(name, *options) as demo:
        yield demo
        demo.signal(signal.SIGINT)
        check_clean(demo.ended())


def _read_port(process: subprocess.Popen[str]) -> int | None:
    """Read the line that tells the port; None when the process ends or takes too long."""
    assert process.stdout is not None
    watchdog = threading.Timer(START_TIMEOUT, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    match = re.search(r"127\.0\.0\.1(?::| port )([0-9]+)/?$", line)
    return None if match is None else int(match[1])


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Keep a child from inheriting that SIGINT is ignored.

    It is in what a shell runs in the background, and Python leaves it so.
    """
    if os.name == "nt" or signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
