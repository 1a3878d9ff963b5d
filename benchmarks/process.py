"""Start a server on a core of its own, read its CPU time, and end it in every case."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.peers import Peer, Scenario

ADDRESS = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent

START_TIMEOUT = 20.0
"""Seconds for a server to answer; the slowest of them needs about one on an idle machine."""

STOP_TIMEOUT = 5.0
"""Seconds between asking a server to end and killing it."""

POLL = 0.02
"""Seconds between two looks at a server that starts or ends."""

_TICKS = os.sysconf("SC_CLK_TCK")


class ServerError(Exception):
    """A server that did not come up, or answered with something else than it should."""


@dataclass(frozen=True)
class CPUTime:
    """Seconds of CPU time spent in the program and in the kernel on its behalf."""

    user: float
    kernel: float

    @property
    def total(self) -> float:
        """Return the sum of both."""
        return self.user + self.kernel

    def __sub__(self, other: "CPUTime") -> "CPUTime":
        return CPUTime(self.user - other.user, self.kernel - other.kernel)


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat, as far as it matters here; times in clock ticks.

    The times are those of all threads, and of all children that have ended and been waited for.
    """

    pid: int
    state: str
    parent: int
    session: int
    user: int
    kernel: int


def parse_stat(line: str) -> Process:
    """Read the content of one /proc/PID/stat; `man 5 proc` names the fields."""
    # The second field is the program's name in parentheses and may itself hold spaces and
    # parentheses; what comes after its last one is numbers but for the state.
    head, _, tail = line.rpartition(")")
    fields = tail.split()
    user, kernel, waited_user, waited_kernel = (int(field) for field in fields[11:15])
    return Process(
        pid=int(head.partition(" ")[0]),
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        user=user + waited_user,
        kernel=kernel + waited_kernel,
    )


def processes() -> list[Process]:
    """Read all processes of the machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found.append(parse_stat(path.read_text(errors="replace")))
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended between the listing and the reading.
    return found


def tree(root: int, among: Collection[Process]) -> list[Process]:
    """Return process `root` with all that descends from it or shares its session."""
    members: dict[int, Process] = {}
    waiting = [process for process in among if root in (process.pid, process.session)]
    while waiting:
        process = waiting.pop()
        if process.pid not in members:
            members[process.pid] = process
            waiting.extend(child for child in among if child.parent == process.pid)
    return list(members.values())


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Start processes on `core` within the block.

    They inherit it from this process before their first thread is there, which a call on their
    behalf afterwards could miss.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def choose_cores(allowed: Collection[int], siblings: Collection[int]) -> tuple[int, int]:
    """Return the server's and the load generator's core; they are one if there is only one.

    Args:
        allowed: cores that this process may run on.
        siblings: those of them that are hardware threads of the first one, to be kept free of
            load where that is possible.
    """
    server, *others = sorted(allowed)
    apart = [core for core in others if core not in siblings]
    return server, (apart or others or [server])[0]


def siblings_of(core: int) -> set[int]:
    """Return the hardware threads that share a physical core with `core`, itself included."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text()
    except OSError:
        return {core}  # Some containers hide the topology.
    return parse_cpu_list(text)


def parse_cpu_list(text: str) -> set[int]:
    """Read the kernel's notation for a set of cores, such as `0-2,8`."""
    cores: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cores.update(range(int(first), int(last or first) + 1))
    return cores


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server((ADDRESS, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Server:
    """A running server; a context manager that starts it and ends it with all its children."""

    def __init__(self, peer: Peer, core: int) -> None:
        self.peer = peer
        self.core = core
        self.port = free_port()
        # What the server prints goes to a file, for nobody would empty a pipe under load.
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - `stop` closes it

    def __enter__(self) -> Self:
        command: Sequence[str] = [
            sys.executable,
            "-m",
            f"benchmarks.servers.{self.peer.module}",
            "--port",
            str(self.port),
            *self.peer.arguments,
        ]
        with pinned(self.core):
            self._leader = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                # A session of its own: one signal reaches all of it, and a Ctrl-C meant for the
                # harness does not.
                start_new_session=True,
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def url(self, scenario: Scenario) -> str:
        """Return where the scenario is served."""
        return f"http://{ADDRESS}:{self.port}{scenario.path}"

    def cpu_time(self) -> CPUTime:
        """Return what the server, its threads and its children have used up to now."""
        members = tree(self._leader.pid, processes())
        return CPUTime(
            sum(process.user for process in members) / _TICKS,
            sum(process.kernel for process in members) / _TICKS,
        )

    def check(self, scenario: Scenario) -> None:
        """Ask twice on one connection and compare the answers.

        Raises:
            ServerError: status or body is wrong, or the connection was not kept.
        """
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=START_TIMEOUT)
        try:
            for _ in range(2):
                connection.request("GET", scenario.path)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or not scenario.right_body(body):
                    raise ServerError(
                        f"{self.peer.name}: GET {scenario.path} gave {response.status} "
                        f"{body[:100]!r}"
                    )
                if connection.sock is None:
                    raise ServerError(f"{self.peer.name}: did not keep the connection alive")
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(f"{self.peer.name}: GET {scenario.path}: {error!r}") from error
        finally:
            connection.close()

    def stop(self) -> None:
        """End the server and its children: ask, wait, then kill."""
        try:
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT
            while self._running() and time.monotonic() < deadline:
                time.sleep(POLL)
        finally:
            # The leader has not been waited for until here, so its id is still its own.
            self._signal(signal.SIGKILL)
            self._leader.wait()
            self._output.close()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._leader_ended():
                raise ServerError(f"{self.peer.name}: ended at its start:\n{self._last_words()}")
            try:
                socket.create_connection((ADDRESS, self.port), timeout=1.0).close()
            except OSError:
                time.sleep(POLL)
            else:
                return
        raise ServerError(
            f"{self.peer.name}: did not listen on port {self.port} within {START_TIMEOUT:.0f} s:\n"
            f"{self._last_words()}"
        )

    def _leader_ended(self) -> bool:
        # WNOWAIT: look, but leave the process to be waited for, or its id could be given away.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._leader.pid, options) is not None

    def _running(self) -> bool:
        return any(process.state not in "ZX" for process in tree(self._leader.pid, processes()))

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # All of it has ended.
            os.killpg(self._leader.pid, number)

    def _last_words(self) -> str:
        """Return the end of what the server printed."""
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-8:]) or "(it printed nothing)"
