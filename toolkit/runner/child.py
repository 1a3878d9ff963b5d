"""Both ends of a worker: the process that a supervisor starts, and what runs in it.

The two share a Unix socket, on which each message is a line of JSON. The supervisor sends what
to run. The worker tells when it is ready, gives signs of life, or says why it cannot begin; that
the supervisor is gone it sees by the end of what comes.
"""

import asyncio
import contextlib
import faulthandler
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from toolkit.process import Subprocess
from toolkit.runner.errors import RunnerError
from toolkit.runner.logs import set_up_logging
from toolkit.runner.settings import Settings
from toolkit.runner.worker import PULSE, Worker, run_loop

#: The number of a worker, from 0, in its environment.
NUMBER = "TOOLKIT_WORKER"

#: Seconds that the last messages of a worker which has ended may take.
LAST_WORDS = 1.0

Message = dict[str, Any]


def _line(message: Message) -> bytes:
    return json.dumps(message).encode() + b"\n"


# -- the supervisor's end ----------------------------------------------------------------


class Child:
    """A worker, as the supervisor sees it.

    Args:
        number: of the worker; its replacement has the same.
        generation: a later one has what was loaded later.
        share: its sockets, as `Listening.share`.
        sockets: those very sockets.
        heard: called with this object and each message.
        ended: called with this object and the exit status.

    Attributes:
        ready: whether it serves.
        retiring: whether it was told to end.
        used_up: why it is to be replaced.
        missing: why its application is not ready.
        failure: why it could not begin.
        began, readied, heard_at: times of the loop.
    """

    def __init__(
        self,
        settings: Settings,
        number: int,
        generation: int,
        share: tuple[int, ...],
        sockets: Sequence[socket.socket],
        heard: "Callable[[Child, Message], None]",
        ended: "Callable[[Child, int], None]",
    ) -> None:
        self.number = number
        self.generation = generation
        self.share = share
        self.ready = self.retiring = False
        self.used_up = ""
        self.missing: list[str] = []
        self.failure = ""
        self._loop = asyncio.get_running_loop()
        self.began = self.readied = self.heard_at = self._loop.time()
        self._heard, self._told_end = heard, ended
        ours, theirs = socket.socketpair()
        fds = [sock.fileno() for sock in sockets]
        with theirs:
            # A fresh interpreter, so that it loads the sources as they are now.
            self._process = Subprocess(
                [
                    sys.executable,
                    *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]  # as multiprocessing does
                    "-m",
                    "toolkit.runner",
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno(), *fds],
                env={**os.environ, NUMBER: str(number)},
            )
        ours.sendall(_line({"settings": asdict(settings), "fds": fds}))
        self._reading = self._loop.create_task(self._read(ours))
        self._process.set_exit_callback(self._ended)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send a signal."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.proc.send_signal(number)

    def retire(self, patience: float) -> None:
        """Have it drain and end.

        Args:
            patience: seconds after which it is killed.
        """
        self.retiring = True
        self.signal(signal.SIGTERM)
        self._loop.call_later(patience, self.signal, signal.SIGKILL)

    async def _read(self, sock: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=sock)
        try:
            while line := await reader.readline():
                self.heard_at = self._loop.time()
                self._heard(self, json.loads(line))
        except (OSError, ValueError):
            pass  # it has died in the middle of a line
        finally:
            writer.close()

    def _ended(self, status: int) -> None:
        # What it has said before comes first; a process that it left behind may keep the socket.
        self._loop.call_later(LAST_WORDS, self._reading.cancel)
        self._reading.add_done_callback(lambda _: self._told_end(self, status))


# -- the worker's end --------------------------------------------------------------------


class _Supervisor:
    """The supervisor, as a worker's overseer."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def ready(self) -> None:
        """Tell that connections are accepted."""
        self._tell({"kind": "ready"})

    def alive(self, missing: Sequence[str], used_up: str) -> None:
        """Give a sign of life."""
        self._tell({"kind": "alive", "missing": list(missing), "used_up": used_up})

    def stopping(self) -> None:
        """Tell nothing: it was the supervisor who said so."""

    def _tell(self, message: Message) -> None:
        self._writer.write(_line(message))


def work(fd: int) -> int:
    """Run a worker whose supervisor is at the other end of a socket; return the exit status."""
    # From a terminal Ctrl-C reaches every process of the group, and the supervisor sees to it.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    # With SIGABRT the supervisor asks one that is stuck where it is.
    faulthandler.enable()
    with socket.socket(fileno=fd) as control:
        control.set_inheritable(False)
        with control.makefile("rb") as file:
            told = json.loads(file.readline() or b"null")
        if told is None:
            return 1  # the supervisor is gone already
        settings = Settings(**told["settings"])
        sockets = [socket.socket(fileno=number) for number in told["fds"]]
        for sock in sockets:
            sock.set_inheritable(False)
        try:
            set_up_logging(settings)
            _run(settings, sockets, control)
        except RunnerError as error:
            with contextlib.suppress(OSError):
                control.sendall(_line({"kind": "failed", "reason": str(error)}))
            return 1
    return 0


def _run(settings: Settings, sockets: Sequence[socket.socket], control: socket.socket) -> None:
    worker = Worker(settings, sockets)
    stuck = settings.worker_timeout

    async def main() -> None:
        reader, writer = await asyncio.open_connection(sock=control.dup())
        orphaned = asyncio.ensure_future(reader.read())
        orphaned.add_done_callback(lambda _: worker.end())
        try:
            await worker.serve(_Supervisor(writer), min(PULSE, stuck / 4) if stuck else PULSE)
        finally:
            orphaned.cancel()
            writer.close()

    run_loop(main, settings.uvloop)
