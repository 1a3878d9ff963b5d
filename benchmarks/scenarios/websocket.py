"""Servers of WebSockets: what an echo, a message to everybody and an idle connection cost."""

import json
import socket
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.load import CONNECTIONS, WEBSOCKET_LOAD, LoadError, run_websockets
from benchmarks.peers import (
    DEFLATE_PEERS,
    WEBSOCKET_COMPARISONS,
    WEBSOCKET_FLOOR,
    WEBSOCKET_PEERS,
    Peer,
)
from benchmarks.process import ADDRESS, START_TIMEOUT, Server, ServerError, pinned
from benchmarks.report import Layout, Values, number
from benchmarks.scenarios.base import WARM_UP, Cores, Scenario, Sizes, work_columns, work_values
from benchmarks.scenarios.lines import (
    BATCH,
    SPARE_DESCRIPTORS,
    Idle,
    allow_descriptors,
    held,
)

EVERYBODY = 1000
"""Connections that a message is sent to; no more than a queue of connecting clients takes."""

KEY = bytes.fromhex("37fa213d")
"""What the load masks its frames with."""

WINDOW_BITS = 12
"""Of what the load compresses with: `websockets` and uvicorn allow no more than 4 KiB."""

_OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def head(path: str, deflate: bool) -> bytes:
    """Return the request that opens a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"{_OFFER if deflate else ''}\r\n"
    ).encode()


def message(size: int) -> bytes:
    """Return a text of so many bytes, such as programs send: rows of JSON that differ a little."""
    rows = (
        json.dumps({"id": row, "name": f"user {row * 7919 % 1000}", "seen": row * row % 86400})
        for row in range(1 + size // 40)
    )
    return "\n".join(rows).encode()[:size]


def frame(payload: bytes, deflate: bool) -> bytes:
    """Return the frame that a client sends, compressed without regard to any before it."""
    first = 0x81
    if deflate:
        stream = zlib.compressobj(6, zlib.DEFLATED, -WINDOW_BITS)
        payload = (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
        first = 0xC1
    size = len(payload)
    if size < 126:
        start = bytes((first, 0x80 | size))
    elif size < 65536:
        start = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        start = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    mask = (KEY * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")
    return start + KEY + masked.to_bytes(size, "big")


class Echoes(Scenario):
    """Connections that each send a message, wait for its echo and send it again.

    Args:
        name: what `--scenario` calls it.
        title: what it is.
        size: bytes of a message.
        deflate: whether permessage-deflate is agreed on.
        connections: how many there are.
    """

    rounds = 3
    path = "/echo"

    def __init__(
        self,
        name: str,
        title: str,
        size: int,
        deflate: bool = False,
        connections: int = CONNECTIONS,
        program: Path = WEBSOCKET_LOAD,
    ) -> None:
        self.name = name
        self.title = title
        self.size = size
        self.deflate = deflate
        self.connections = self.senders = connections
        self.program = program
        self.layout = Layout(
            peers=(*(DEFLATE_PEERS if deflate else WEBSOCKET_PEERS), WEBSOCKET_FLOOR),
            columns=work_columns("message"),
            figure="per_cpu_second",
            unit="messages per CPU second",
            comparisons=WEBSOCKET_COMPARISONS,
        )

    def missing(self) -> str | None:
        return None if self.program.exists() else "websocket-load"

    def check(self, peer: Peer, cores: Cores) -> None:
        with Server(peer, cores.server) as server:
            for _ in range(2):
                check_echo(peer.name, server.port, self.path, message(self.size), self.deflate)

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        with Server(peer, cores.server) as server, tempfile.TemporaryDirectory() as directory:
            files = Path(directory)
            (files / "head").write_bytes(head(self.path, self.deflate))
            (files / "frame").write_bytes(frame(message(self.size), self.deflate))

            def load(seconds: float) -> Values:
                before = server.cpu_time()
                seen = run_websockets(
                    server.port,
                    cores.load,
                    head=files / "head",
                    frame=files / "frame",
                    size=0 if self.deflate else self.size,
                    seconds=seconds,
                    connections=self.connections,
                    senders=self.senders,
                    program=self.program,
                )
                return work_values(seen, server.cpu_time() - before)

            load(WARM_UP)
            return load(sizes.seconds)

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{self.connections} connections, text of {self.size:,} bytes, "
            f"{'' if self.deflate else 'not '}compressed, {WARM_UP} s to warm up, then "
            f"{sizes.seconds} s; each waits for its echo before it sends again"
        )


class Everybody(Echoes):
    """Messages of one that go to all."""

    path = "/room"

    def __init__(self, name: str, title: str, size: int, deflate: bool = False) -> None:
        super().__init__(name, title, size, deflate, EVERYBODY)
        self.senders = 1

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        allow_descriptors(EVERYBODY + SPARE_DESCRIPTORS)
        return super().measure(peer, cores, sizes)

    def describe(self, sizes: Sizes) -> str:
        return (
            f"{EVERYBODY:,} connections, text of {self.size:,} bytes, "
            f"{'' if self.deflate else 'not '}compressed, {WARM_UP} s to warm up, then "
            f"{sizes.seconds} s; the next one is sent when all have it; each delivery counts"
        )


class IdleWebSockets(Idle):
    """WebSockets that nothing comes from."""

    name = "ws_idle"
    title = "memory of a WebSocket that waits"
    layout = Layout(
        peers=WEBSOCKET_PEERS,
        columns=(
            number("KiB, fresh", "fresh", 2, 2**-10),
            number("KiB after an echo", "used", 2, 2**-10),
            number("of it proportional", "proportional", 2, 2**-10),
        ),
        figure="used",
        unit="KiB after an echo",
        comparisons=WEBSOCKET_COMPARISONS,
        lowest_first=True,
    )

    def check(self, peer: Peer, cores: Cores) -> None:
        with Server(peer, cores.server) as server:
            check_echo(peer.name, server.port, "/echo", message(64), deflate=False)

    def measure(self, peer: Peer, cores: Cores, sizes: Sizes) -> Values:
        count = sizes.idle
        allow_descriptors(count + SPARE_DESCRIPTORS)
        with Server(peer, cores.server) as server, pinned(cores.load):
            with held(server, min(count, BATCH), shake_hands) as connections:
                self.use(connections)
            empty = server.settled_memory()
            # Servers do not wait for a request for ever.
            with held(server, count, shake_hands) as connections:
                fresh = server.settled_memory()
                self.use(connections)
                used = server.settled_memory()
        return {
            "fresh": (fresh.resident - empty.resident) / count,
            "used": (used.resident - empty.resident) / count,
            "proportional": (used.proportional - empty.proportional) / count,
        }

    def use(self, connections: Sequence[socket.socket]) -> None:
        """Have a message echoed on each connection."""
        sent, wanted = frame(message(64), deflate=False), b"\x81\x40" + message(64)
        for start in range(0, len(connections), BATCH):
            batch = connections[start : start + BATCH]
            for connection in batch:
                connection.sendall(sent)
            for connection in batch:
                if (seen := receive(connection, len(wanted))) != wanted:
                    raise LoadError(f"a message came back as {seen[:100]!r}")


def receive(connection: socket.socket, size: int) -> bytes:
    """Receive so many bytes, or fewer where the connection ends."""
    seen = b""
    while len(seen) < size and (data := connection.recv(size - len(seen))):
        seen += data
    return seen


def shake_hands(connections: Sequence[socket.socket]) -> None:
    """Open a WebSocket on each connection.

    Raises:
        LoadError: a server refuses.
    """
    for connection in connections:
        connection.sendall(head("/echo", deflate=False))
    for connection in connections:
        read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """Read the answer to a handshake, and not a byte more.

    Raises:
        LoadError: it is not 101.
    """
    answer = b""
    while not answer.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
        answer += byte
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise LoadError(f"a handshake was answered by {answer[:100]!r}")
    return answer


def check_echo(name: str, port: int, path: str, payload: bytes, deflate: bool) -> None:
    """Have a message come back once, and look at it.

    Raises:
        ServerError: it is not what was sent, or not compressed although that was offered.
    """
    try:
        with socket.create_connection((ADDRESS, port), timeout=START_TIMEOUT) as connection:
            connection.sendall(head(path, deflate))
            answer = read_answer(connection)
            if deflate and b"permessage-deflate" not in answer:
                raise ServerError(f"{name} does not compress: {answer!r}")
            connection.sendall(frame(payload, deflate))
            first, size = receive(connection, 2)
            if size > 125:
                size = int.from_bytes(receive(connection, 2 if size == 126 else 8), "big")
            seen = receive(connection, size)
    except (OSError, LoadError, ValueError) as error:
        raise ServerError(f"{name}: echo of a message: {error!r}") from error
    if first == 0xC1:
        seen = zlib.decompressobj(-15).decompress(seen + b"\x00\x00\xff\xff")
    if seen != payload:
        raise ServerError(f"{name}: {payload[:100]!r} came back as {seen[:100]!r}")


_SIZES = (("64", "64 bytes", 64), ("4k", "4 KiB", 4096), ("1m", "1 MiB", 1024 * 1024))

WEBSOCKET = (
    *(
        Echoes(
            f"ws_{short}{'_deflate' * deflate}{'_single' * (connections == 1)}",
            f"WebSocket echo of {long}{', compressed' * deflate}{', alone' * (connections == 1)}",
            size,
            deflate,
            connections,
        )
        for short, long, size in _SIZES
        for deflate in (False, True)
        for connections in (CONNECTIONS, 1)
    ),
    Everybody("ws_room", "WebSocket message to 1,000", 64),
    Everybody("ws_room_deflate", "WebSocket message to 1,000, compressed", 1024, True),
    IdleWebSockets(),
)
