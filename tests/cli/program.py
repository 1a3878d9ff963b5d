"""``toolkit run`` as a process, whose log says how far it is."""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.house.modules import ROOT

#: Seconds for anything to happen.
TIMEOUT = 60.0

#: An application that says which process answers; the directory is what it is imported from.
APPLICATION = """
import asyncio, os, time
from toolkit.web import Application, RequestHandler

VERSION = 1

class Who(RequestHandler):
    def get(self):
        self.write({
            "pid": os.getpid(), "number": os.environ.get("TOOLKIT_WORKER"), "version": VERSION,
        })

class Slow(RequestHandler):
    async def get(self):
        self.write("begun")
        await self.flush()
        await asyncio.sleep(float(self.get_argument("seconds")))
        self.finish("ended")

class Stuck(RequestHandler):
    def get(self):
        time.sleep(300)

app = Application([("/", Who), ("/slow", Slow), ("/stuck", Stuck)])
"""


def directory(path: Path, **modules: str) -> Path:
    """Return a directory with the application ``hello``, and with modules of these sources."""
    for name, source in {"hello": APPLICATION, **modules}.items():
        (path / f"{name}.py").write_text(source)
    return path


class Program:
    """A running ``toolkit run``.

    Attributes:
        process: the process itself.
        lines: what it and its workers have written to standard error.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._seen = 0
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._more:
                self.lines.append(line)
                self._more.notify_all()

    def expect(self, *patterns: str) -> re.Match[str]:
        """Wait for a line of each pattern, in any order, after those that were waited for before.

        Returns:
            What the last one to come has matched.
        """
        wanted = set(patterns)
        with self._more:
            while True:
                while self._seen < len(self.lines):
                    self._seen += 1
                    for pattern in list(wanted):
                        if found := re.search(pattern, self.lines[self._seen - 1]):
                            wanted.discard(pattern)
                            if not wanted:
                                return found
                assert self._more.wait(TIMEOUT), f"no line {wanted} in {''.join(self.lines)}"

    def signal(self, number: int) -> None:
        """Send a signal to the process that was started."""
        self.process.send_signal(number)

    def status(self) -> int:
        """Wait for the end, and return the exit status."""
        status = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return status


@contextmanager
def running(
    directory: Path,
    *arguments: str,
    fds: Sequence[int] = (),
    program: Sequence[str] = ("-m", "toolkit", "run"),
    **environment: str,
) -> Iterator[Program]:
    """Run ``toolkit run`` within the block, in a session of its own.

    Args:
        fds: that it inherits.
        program: what runs it.
        environment: more variables.
    """
    with subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=fds,
        start_new_session=True,
    ) as process:
        started = Program(process)
        try:
            yield started
        finally:
            # Whatever is left of it.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            started._reader.join(TIMEOUT)


def port_of(program: Program) -> int:
    """Wait until it serves, and return its port."""
    return int(program.expect(r"Serving on https?://127\.0\.0\.1:([0-9]+)")[1])


def get(port: int, path: str = "/") -> tuple[int, str]:
    """Return status and content of an answer, over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def opened(port: int, path: str) -> tuple[Any, Any]:
    """Return connection and answer of a request, whose head has come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    connection.request("GET", path)
    return connection, connection.getresponse()
