"""Limits of the system: running out of descriptors, and leaving none behind."""

import asyncio
import gc
import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.loops import FACTORIES
from tests.streams.peers import Hall, listening, server_context
from toolkit.iostream import BaseIOStream, IOStream, SSLIOStream
from toolkit.tcpserver import TCPServer

ROOT = Path(__file__).parents[2]

#: Descriptors that the server's process may have, and connections that are made to it.
DESCRIPTORS, CONNECTIONS = 64, 100

#: An echo server with few descriptors, in a process of its own. It says its port, and at the end
#: of its input how many records were logged and how many seconds of a processor it took.
CHILD = """
import asyncio, json, logging, resource, sys
from tests.loops import FACTORIES
from toolkit.tcpserver import TCPServer

records = []

class Count(logging.Handler):
    def emit(self, record):
        records.append(record.getMessage())

logging.getLogger().addHandler(Count())

class Echo(TCPServer):
    async def handle_stream(self, stream, address):
        async with stream:
            async for line in stream:
                await stream.write(line)

async def main():
    async with Echo() as server:
        server.listen(0, "127.0.0.1", backlog=256)
        print(server.addresses[0][1], flush=True)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(0, ended.set)
        await ended.wait()
        loop.remove_reader(0)
        server.shutdown_timeout = 0.1
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([records, used.ru_utime + used.ru_stime]), flush=True)

resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
with asyncio.Runner(loop_factory=FACTORIES[sys.argv[1]]) as runner:
    runner.run(main())
""".replace("DESCRIPTORS", str(DESCRIPTORS))


def answered(clients: list[socket.socket], count: int) -> list[socket.socket]:
    """Wait until so many lines came back, and nothing more for a while; return who got one.

    Raises:
        AssertionError: a connection was closed instead, or too few lines came.
    """
    waiting, got = list(clients), list[socket.socket]()
    while waiting:
        ready, _, _ = select.select(waiting, [], [], 0.3 if len(got) >= count else 20)
        if not ready:
            break
        for sock in ready:
            assert sock.recv(100) == b"x\n", "a connection that waits was closed"
            waiting.remove(sock)
            got.append(sock)
    assert len(got) >= count
    return got


def test_a_server_out_of_descriptors_serves_on_and_takes_who_waits_later(loop_name: str) -> None:
    """It neither spins, nor dies, nor drops those that wait."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, loop_name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        clients: list[socket.socket] = []
        try:
            port = int(child.stdout.readline())
            for _ in range(CONNECTIONS):
                clients.append(socket.create_connection(("127.0.0.1", port), timeout=20))
                clients[-1].sendall(b"x\n")
            # Some, as many as there are descriptors; and those are served on.
            served = answered(clients, 30)
            assert len(served) < DESCRIPTORS
            for sock in served:
                sock.sendall(b"x\n")
            answered(served, len(served))
            # The places of those that go are for those that wait.
            waiting = [sock for sock in clients if sock not in served]
            for sock in served:
                sock.close()
            answered(waiting, len(waiting))
            child.stdin.close()
            records, seconds = json.loads(child.stdout.readline())
        finally:
            for sock in clients:
                sock.close()
            child.kill()
        errors = child.stderr.read()
    assert errors == ""
    # One for each time that descriptors ran out, and not one for each attempt.
    assert 1 <= len(records) < 10, records
    # A server that spins takes all the time of a processor, and here waits for seconds.
    assert seconds < 5


# -- nothing left behind -----------------------------------------------------------------

#: Connections that are opened and closed, some at once.
ROUNDS, AT_ONCE = 40, 50


def descriptors() -> int:
    """Count the descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))


def objects() -> int:
    """Count the streams that are alive, and what moves their bytes."""
    gc.collect()
    return sum(
        isinstance(found, (BaseIOStream, asyncio.BaseTransport, asyncio.BaseProtocol))
        or type(found).__name__ in ("TCPTransport", "UnixTransport", "Task")
        for found in gc.get_objects()
    )


class Echo(TCPServer):
    """Sends one line back."""

    async def handle_stream(self, stream: IOStream, address: object) -> None:
        """Send a line back and close, or go with the peer."""
        await stream.write(await stream.read_until(b"\n"))
        stream.close()


async def talk(server: TCPServer, secure: bool, way: int) -> None:
    """Connect, talk, and close in one of several ways."""
    context = None
    if secure:
        context = {"cert_reqs": 0}
    sock = socket.socket()
    stream = SSLIOStream(sock, ssl_options=context) if secure else IOStream(sock)
    await stream.connect(server.addresses[0])
    if way % 4:
        await stream.write(b"ping\n")
    if way % 4 > 1:
        assert await stream.read_until(b"\n") == b"ping\n"
    if way % 4 == 2:
        stream.abort()
    stream.close()
    await stream.wait_closed()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts by /proc")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "ssl"])
async def test_thousands_of_connections_leave_nothing_behind(secure: bool) -> None:
    rounds = ROUNDS // 4 if secure else ROUNDS  # a handshake takes its time
    async with Echo(ssl_options=server_context() if secure else None) as server:
        server.listen(0, "127.0.0.1")

        async def all_at_once() -> None:
            async with asyncio.TaskGroup() as group:
                for way in range(AT_ONCE):
                    group.create_task(talk(server, secure, way))
            while server._tasks:
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)

        await all_at_once()
        before = descriptors(), objects()
        for _ in range(rounds):
            await all_at_once()
        after = descriptors(), objects()
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 5


async def test_connections_that_fail_leave_nothing_behind() -> None:
    """To connect is refused, cancelled, or given up by an error."""
    with socket.socket() as unused, listening() as listener:
        unused.bind(("127.0.0.1", 0))

        async def fail() -> None:
            for address in (unused.getsockname(), ("127.0.0.1", 99_999)):
                stream = IOStream(socket.socket())
                with pytest.raises(Exception):  # noqa: B017  # which, other tests say
                    await stream.connect(address)
                await stream.wait_closed()
            stream = IOStream(socket.socket())
            stream.connect(listener.getsockname()).cancel()
            await stream.wait_closed()

        await fail()
        before = descriptors(), objects()
        for _ in range(100):
            await fail()
        after = descriptors(), objects()
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 5


def test_a_server_that_was_stopped_keeps_no_descriptor(loop_name: str) -> None:
    async def main() -> None:
        before = descriptors()
        for _ in range(20):
            server = Hall()
            server.listen(0, "127.0.0.1")
            server.bind(0, "127.0.0.1")
            server.stop()
        assert descriptors() <= before

    with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
        runner.run(main())


#: Connects a stream to an address, and says how many threads the process has then.
CONNECTING = """
import asyncio, os, socket, sys
from tests.loops import FACTORIES
from toolkit.iostream import IOStream

async def main():
    async with IOStream(socket.socket(FAMILY)) as stream:
        await stream.connect((sys.argv[2], int(sys.argv[3])))
        print(len(os.listdir("/proc/self/task")))

with asyncio.Runner(loop_factory=FACTORIES[sys.argv[1]]) as runner:
    runner.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system counts no threads")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_reached_without_a_thread(loop_name: str, host: str) -> None:
    """In a program that has threads every block of memory costs a lock."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("no IPv6 here")
    program = CONNECTING.replace("FAMILY", str(int(family)))
    with listener:
        done = subprocess.run(
            [sys.executable, "-c", program, loop_name, host, str(listener.getsockname()[1])],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert done.stdout == "1\n"
