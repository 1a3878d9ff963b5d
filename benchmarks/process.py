"""Start a server on a core of its own, read its CPU time, and end it in every case."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.peers import Peer
from benchmarks.servers.startup import COLLECT

ADDRESS = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent

START_TIMEOUT = 20.0
"""Seconds for a server to answer; the slowest of them needs about one on an idle machine."""

STOP_TIMEOUT = 5.0
"""Seconds between asking a server to end and killing it."""

POLL = 0.02
"""Seconds between two looks at a server that starts or ends."""

SETTLED = 0.2
"""Seconds within which nothing may change in a server before its memory is read."""

SETTLE_TIMEOUT = 10.0
"""Seconds after which a server is measured although something still changes."""

_TICKS = os.sysconf("SC_CLK_TCK")


class MeasureError(Exception):
    """A run that gives no figure; the report names it."""


class ServerError(MeasureError):
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
class Memory:
    """What a process holds, in bytes: all that is resident, and its share of what is shared."""

    resident: int
    proportional: int


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


def settled(look: Callable[[], int]) -> int:
    """Return what `look` sees once that has stopped to change, or has not for too long."""
    deadline = time.monotonic() + SETTLE_TIMEOUT
    before, seen = None, look()
    while seen != before and time.monotonic() < deadline:
        time.sleep(SETTLED)
        before, seen = seen, look()
    return seen


def _sizes(text: str) -> dict[str, int]:
    """Read the lines `Name:  12 kB` of a file in /proc, as bytes."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)
    return {name: int(kibibytes) * 1024 for name, kibibytes in found}


class Server:
    """A running server; a context manager that starts it and ends it with all its children."""

    def __init__(self, peer: Peer, core: int, *arguments: str) -> None:
        self.peer = peer
        self.core = core
        self.arguments = arguments
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
            *self.arguments,
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

    def cpu_time(self) -> CPUTime:
        """Return what the server, its threads and its children have used up to now."""
        members = tree(self._leader.pid, processes())
        return CPUTime(
            sum(process.user for process in members) / _TICKS,
            sum(process.kernel for process in members) / _TICKS,
        )

    def cpu_clock(self) -> float:
        """Return the CPU time of the server's process alone, in seconds but finer than ticks."""
        # What `clock_getcpuclockid` makes of a process id, which Python does not offer.
        return time.clock_gettime((~self._leader.pid << 3) | 2)

    def memory(self) -> Memory:
        """Return what the server's process holds."""
        fields = _sizes(self._proc("smaps_rollup").read_text())
        return Memory(fields["Rss"], fields["Pss"])

    def settled_memory(self) -> Memory:
        """Return what the server holds after it collected its garbage and came to rest."""
        os.kill(self._leader.pid, COLLECT)
        settled(lambda: self.memory().resident)
        return self.memory()

    def forget_peak(self) -> None:
        """Count `peak` from now on."""
        self._proc("clear_refs").write_text("5")

    def peak(self) -> int:
        """Return the most bytes that were resident since the start or `forget_peak`."""
        return _sizes(self._proc("status").read_text())["VmHWM"]

    def descriptors(self) -> int:
        """Count the open file descriptors of the server's process."""
        return len(os.listdir(self._proc("fd")))

    def wait_for_descriptors(self, at_least: int) -> None:
        """Wait until so many are open, as when connections are accepted.

        Raises:
            ServerError: they were not in time.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while (seen := self.descriptors()) < at_least:
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self.peer.name}: {seen} descriptors open, {at_least} should be"
                )
            time.sleep(0.001)

    def _proc(self, name: str) -> Path:
        return Path(f"/proc/{self._leader.pid}/{name}")

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
