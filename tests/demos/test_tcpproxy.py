"""The proxy passes everything on, both ways, and neither keeps it nor loses any."""

import contextlib
import hashlib
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.demos.process import (
    ENVIRONMENT,
    ROOT,
    SIGNALS,
    TIMEOUT,
    Demo,
    check_clean,
    running,
    serving,
)

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def target() -> Iterator[socket.socket]:
    """Listen where the proxy connects to; who uses it accepts."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(TIMEOUT)
        yield sock


@pytest.fixture(scope="module")
def demo(target: socket.socket) -> Iterator[Demo]:
    """Run the demo for all tests of this module that do not end it."""
    with serving("tcpproxy", f"--target=127.0.0.1:{target.getsockname()[1]}") as demo:
        yield demo


@contextlib.contextmanager
def connected(demo: Demo, target: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give the client's and the target's end of a connection through the proxy."""
    with demo.connect() as client:
        server, _ = target.accept()
        with server:
            server.settimeout(TIMEOUT)
            yield client, server


def receive(sock: socket.socket, size: int) -> bytes:
    """Receive so many bytes, or fewer at the end of the connection."""
    received = bytearray()
    while len(received) < size and (chunk := sock.recv(min(MIB, size - len(received)))):
        received += chunk
    return bytes(received)


def test_twenty_mebibytes_go_both_ways_at_once(demo: Demo, target: socket.socket) -> None:
    """Each side gets just what the other one has sent, and then the end."""
    chance = random.Random(1)
    there, back = chance.randbytes(20 * MIB), chance.randbytes(20 * MIB)
    with connected(demo, target) as (client, server):

        def send(sock: socket.socket, data: bytes) -> None:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)

        received: dict[str, bytes] = {}

        def serve() -> None:
            received["there"] = receive(server, 21 * MIB)

        threads = [
            threading.Thread(target=send, args=(client, there)),
            threading.Thread(target=send, args=(server, back)),
            threading.Thread(target=serve),
        ]
        for thread in threads:
            thread.start()
        received["back"] = receive(client, 21 * MIB)
        for thread in threads:
            thread.join()
    assert received["there"] == there
    assert received["back"] == back


@pytest.mark.parametrize("way", ["there", "back"])
def test_who_does_not_read_makes_the_other_side_wait(
    demo: Demo, target: socket.socket, way: str
) -> None:
    """What the proxy and the kernel keep is bounded, and all of it comes in the end."""
    with connected(demo, target) as (client, server):
        sender, reader = (client, server) if way == "there" else (server, client)
        sender.setblocking(False)
        piece = random.Random(2).randbytes(64 * 1024)
        sent, digest = 0, hashlib.sha256()
        # Kernels keep some MiB for each of the two connections.
        while sent < 64 * MIB and select.select([], [sender], [], 1.0)[1]:
            with contextlib.suppress(BlockingIOError):
                size = sender.send(piece)
                digest.update(piece[:size])
                sent += size
        assert sent < 32 * MIB
        assert hashlib.sha256(receive(reader, sent)).digest() == digest.digest()
        sender.settimeout(TIMEOUT)
        sender.sendall(b"more")
        assert receive(reader, 4) == b"more"


@pytest.mark.parametrize("first", [b"", b"question"])
def test_the_end_of_one_way_leaves_the_other_open(
    demo: Demo, target: socket.socket, first: bytes
) -> None:
    """A client may shut its way and still get an answer."""
    with connected(demo, target) as (client, server):
        client.sendall(first)
        client.shutdown(socket.SHUT_WR)
        assert receive(server, 100) == first
        server.sendall(b"answer")
        assert receive(client, 6) == b"answer"
        server.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_the_server_may_end_first(demo: Demo, target: socket.socket) -> None:
    """Whatever the client sends after it still comes."""
    with connected(demo, target) as (client, server):
        server.sendall(b"bye")
        server.shutdown(socket.SHUT_WR)
        assert receive(client, 100) == b"bye"
        client.sendall(b"all right")
        client.shutdown(socket.SHUT_WR)
        assert receive(server, 100) == b"all right"


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_reset_of_one_side_ends_the_other(demo: Demo, target: socket.socket, way: str) -> None:
    """Also if that one sends nothing."""
    with connected(demo, target) as (client, server):
        broken, other = (client, server) if way == "there" else (server, client)
        other.sendall(b"x")
        assert broken.recv(1) == b"x"
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        broken.close()
        with contextlib.suppress(ConnectionResetError):
            assert other.recv(1) == b""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_target_that_is_down_costs_the_client_his_connection_alone(
    number: signal.Signals,
) -> None:
    """The log says which target and why; the proxy goes on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    with running("tcpproxy", f"--target=127.0.0.1:{port}") as demo:
        for _ in range(2):
            with demo.connect() as client:
                assert client.recv(1) == b""
        demo.signal(number)
        end = demo.ended()
    assert end.status == 0, end.stderr
    assert end.stderr.count(f"127.0.0.1:{port}: [Errno") == 2, end.stderr
    assert "Traceback" not in end.stderr


@pytest.mark.parametrize("version", [1, 2])
def test_the_target_may_be_told_who_the_client_is(target: socket.socket, version: int) -> None:
    """By a header of the PROXY protocol, before the client's own bytes."""
    to = f"--target=localhost:{target.getsockname()[1]}"
    with (
        running("tcpproxy", to, f"--proxy-protocol={version}") as demo,
        connected(demo, target) as (client, server),
    ):
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        (source, sport), (destination, dport) = client.getsockname(), client.getpeername()
        if version == 1:
            header = f"PROXY TCP4 {source} {destination} {sport} {dport}\r\n".encode()
        else:
            addresses = socket.inet_aton(source) + socket.inet_aton(destination)
            header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + addresses
            header += struct.pack("!HH", sport, dport)
        assert receive(server, 1000) == header + b"hello"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_with_its_connections(
    target: socket.socket, number: signal.Signals
) -> None:
    """Whoever is connected hears the end."""
    with (
        running("tcpproxy", f"--target=127.0.0.1:{target.getsockname()[1]}") as demo,
        connected(demo, target) as (client, server),
    ):
        client.sendall(b"x")
        assert server.recv(1) == b"x"
        demo.signal(number)
        assert client.recv(1) == b""
        assert server.recv(1) == b""
        check_clean(demo.ended())


def test_a_signal_ends_it_though_nobody_reads(target: socket.socket) -> None:
    """What waits to be sent does not hold the end up, and nothing is left open."""
    with (
        running("tcpproxy", f"--target=127.0.0.1:{target.getsockname()[1]}") as demo,
        connected(demo, target) as (client, _),
    ):
        client.setblocking(False)
        while select.select([], [client], [], 1.0)[1]:
            with contextlib.suppress(BlockingIOError):
                client.send(bytes(MIB))
        demo.signal(signal.SIGTERM)
        check_clean(demo.ended())


@pytest.mark.parametrize(
    "target", ["localhost", ":80", "localhost:0", "localhost:65536", "a@b:1", "b:1/x"]
)
def test_a_target_without_host_or_port_is_refused(target: str) -> None:
    """With the status of wrong usage, and in words."""
    done = subprocess.run(
        [sys.executable, "-m", "demos.tcpproxy", f"--target={target}"],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 2
    assert f"{target!r}; host:port is allowed" in done.stderr
