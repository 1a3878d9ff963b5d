"""Servers that echo lines: what an echo, an idle connection and a short connection cost."""

import resource
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import CONNECTIONS, LINE_LOAD, Load, LoadError, run_lines
from benchmarks.peers import LINE_PEERS, STREAM_COMPARISONS, Peer
from benchmarks.process import ADDRESS, START_TIMEOUT, Server, ServerError, pinned, settled
from benchmarks.report import Column, Layout, Values, number
from benchmarks.scenarios.base import WARM_UP, Cores, Scenario, Sizes, work_columns, work_values

LINE = b"x" * 63 + b"\n"
"""What is echoed; `line-load` has the same."""

PIECES = (LINE[:10], LINE[10:] + LINE, LINE + LINE[:1], LINE[1:])
"""Four lines, cut as no load does it."""

SOURCES = 200
"""Addresses 127.0.0.1 and on that idle connections come from: one has no more than 28,000 ports."""

BATCH = 64
"""Connections opened in one go; with many more the queue of the listening socket may be full."""

SPARE_DESCRIPTORS = 200
"""For all that is open in a process besides the connections."""

CHURN_WARM_UP = 10
"""The share of its connections, as a divisor, after which the memory of `churn` is first read."""

CHURN_TIMEOUT = 300.0
"""Seconds for all connections of `churn`; the slowest server needs a fifth of it."""


class Lines(Scenario):
    """Connections that each ask, wait for the echo and ask again."""

    name = "lines"
    title = "echo of lines of 64 bytes"
    burst = 1
    layout = Layout(
        peers=LINE_PEERS,
        columns=work_columns("echo"),
        figure="per_cpu_second",
        unit="echoes per CPU second",
        comparisons=STREAM_COMPARISONS,
    )

    def __init__(self, program: Path = LINE_LOAD) -> None:
        self.program = program

    def missing(self) -> str | None:
        return None if self.program.exists() else "line-load"

    def check(self, peer: Peer, cores: Cores) -> None:
        with Server(peer, cores.server) as server:
            check_pieces(peer.name, server.port)

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with Server(peer, cores.server) as server:
            self._load(server, cores, WARM_UP)
            before = server.cpu_time()
            load = self._load(server, cores, sizes.seconds)
            return work_values(load, server.cpu_time() - before)

    def _load(self, server: Server, cores: Cores, seconds: float) -> Load:
        return run_lines(
            server.port, cores.load, seconds=seconds, burst=self.burst, program=self.program
        )

    def describe(self, sizes: Sizes) -> str:
        asked = "its echo" if self.burst == 1 else f"the echoes of {self.burst} lines sent at once"
        return (
            f"{CONNECTIONS} connections, {WARM_UP} s to warm up, then {sizes.seconds} s; "
            f"each waits for {asked} before it asks again"
        )


class Bursts(Lines):
    """The same by connections that do not wait for each single echo.

    With `lines` five of six microseconds of a bare protocol go to the kernel, which takes and
    sends one line at a time for everybody. Here it does so once for a whole burst, and what a
    server itself does for a line shows.
    """

    name = "bursts"
    title = "echo of lines of 64 bytes, 16 at once"
    burst = 16


class Churn(Lines):
    """Connections that are opened, used for one echo and closed."""

    name = "churn"
    title = "connections opened, used for one line and closed"
    layout = Layout(
        peers=LINE_PEERS,
        columns=(
            number("connections", "connections"),
            number("conn/s", "per_second"),
            number("conn/CPU-s", "per_cpu_second"),
            number("RSS before, MiB", "before", 1, 2**-20),
            number("after, MiB", "after", 1, 2**-20),
            number("growth, KiB", "growth", 0, 2**-10),
            Column(
                "descriptors before–after",
                lambda values: f"{values['opened_before']:.0f}–{values['opened_after']:.0f}",
            ),
        ),
        figure="per_cpu_second",
        unit="connections per CPU second",
        comparisons=STREAM_COMPARISONS,
    )
    rounds = 1
    repeated = False

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        count = self._count(peer, sizes)
        with Server(peer, cores.server) as server:
            self._open_and_close(server, cores, max(1, count // CHURN_WARM_UP))
            opened_before = settled(server.descriptors)
            before = server.settled_memory().resident
            cpu_before = server.cpu_clock()
            per_second = self._open_and_close(server, cores, count)
            opened_after = settled(server.descriptors)
            cpu = server.cpu_clock() - cpu_before
            after = server.settled_memory().resident
        return {
            "connections": count,
            "per_second": per_second,
            "per_cpu_second": count / cpu,
            "before": before,
            "after": after,
            "growth": after - before,
            "opened_before": opened_before,
            "opened_after": opened_after,
        }

    def _count(self, peer: Peer, sizes: Sizes) -> int:
        return sizes.churn if peer.name.startswith("toolkit") else sizes.churn_peers

    def _open_and_close(self, server: Server, cores: Cores, count: int) -> float:
        """Return the connections per second."""
        return run_lines(
            server.port,
            cores.load,
            echoes=count,
            per_connection=1,
            connections=min(count, CONNECTIONS),
            timeout=CHURN_TIMEOUT,
            program=self.program,
        ).per_second

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{sizes.churn:,} connections to the project's server, {sizes.churn_peers:,} to the "
            f"others, {CONNECTIONS} at a time; first a share of 1/{CHURN_WARM_UP} to warm up"
        )


class Idle(Scenario):
    """Connections that nothing comes from, each with a handler that waits for a line."""

    name = "idle"
    title = "memory of a connection that waits"
    layout = Layout(
        peers=LINE_PEERS,
        columns=(
            number("KiB, fresh", "fresh", 2, 2**-10),
            number("KiB after an echo", "used", 2, 2**-10),
            number("of it proportional", "proportional", 2, 2**-10),
        ),
        figure="used",
        unit="KiB after an echo",
        comparisons=STREAM_COMPARISONS,
        lowest_first=True,
    )
    rounds = 1
    repeated = False

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        count = sizes.idle
        allow_descriptors(count + SPARE_DESCRIPTORS)
        with Server(peer, cores.server) as server, pinned(cores.load):
            with held(server, min(count, BATCH)) as connections:
                self.use(connections)
            empty = server.settled_memory()
            with held(server, count) as connections:
                fresh = server.settled_memory()
                self.use(connections)
                used = server.settled_memory()
        return {
            "fresh": (fresh.resident - empty.resident) / count,
            "used": (used.resident - empty.resident) / count,
            "proportional": (used.proportional - empty.proportional) / count,
        }

    def use(self, connections: Sequence[socket.socket]) -> None:
        """Have the server do its work once on each connection."""
        echo_on(connections)

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{sizes.idle:,} connections; growth of the resident memory over that of a server "
            f"that has had {BATCH}, divided by their number, garbage collected"
        )


def check_pieces(name: str, port: int) -> None:
    """Send lines to a server, cut and joined, and look at what comes back.

    Raises:
        ServerError: it is not what was sent.
    """
    wanted = b"".join(PIECES)
    seen = b""
    try:
        with socket.create_connection((ADDRESS, port), timeout=START_TIMEOUT) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in PIECES:
                connection.sendall(piece)
            while len(seen) < len(wanted) and (data := connection.recv(len(wanted))):
                seen += data
    except OSError as error:
        raise ServerError(f"{name}: echo of lines: {error!r}") from error
    if seen != wanted:
        raise ServerError(f"{name}: {wanted[:100]!r} was echoed as {seen[:100]!r}")


def allow_descriptors(count: int) -> None:
    """Let this process, and those that it starts from now on, open so many files.

    Raises:
        LoadError: the machine does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise LoadError(f"{hard} open files are allowed, {count} are needed (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


@contextmanager
def held(
    server: Server,
    count: int,
    greet: Callable[[Sequence[socket.socket]], object] = lambda batch: None,
) -> Iterator[list[socket.socket]]:
    """Hold so many connections, all of them accepted, open within the block.

    Args:
        greet: called with some of them as soon as they are open.
    """
    connections: list[socket.socket] = []
    accepted_before = settled(server.descriptors)
    try:
        while len(connections) < count:
            before = len(connections)
            for _ in range(min(BATCH, count - before)):
                source = f"127.0.0.{1 + len(connections) % SOURCES}"
                connections.append(
                    socket.create_connection(
                        (ADDRESS, server.port), START_TIMEOUT, source_address=(source, 0)
                    )
                )
            server.wait_for_descriptors(accepted_before + len(connections))
            greet(connections[before:])
        yield connections
    except OSError as error:
        raise LoadError(f"with {len(connections)} connections open: {error!r}") from error
    finally:
        for connection in connections:
            connection.close()


def echo_on(connections: Sequence[socket.socket]) -> None:
    """Have one line echoed on each connection.

    Raises:
        LoadError: something else came.
    """
    for start in range(0, len(connections), BATCH):
        batch = connections[start : start + BATCH]
        for connection in batch:
            connection.sendall(LINE)
        for connection in batch:
            seen = b""
            while len(seen) < len(LINE) and (rest := connection.recv(len(LINE) - len(seen))):
                seen += rest
            if seen != LINE:
                raise LoadError(f"a line came back as {seen[:100]!r}")
