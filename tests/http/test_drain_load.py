"""A server that stops under full load fails no request, and one that takes over loses no client."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Client, Serve, get
from tests.loops import FACTORIES
from toolkit.netutil import bind_sockets
from toolkit.web import RequestHandler
from toolkit.wire.errors import RemoteProtocolError

#: Clients, each with one connection at a time.
CLIENTS = 20
#: Requests that all of them together have had answered before the server is stopped.
BEFORE = 2000


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")


class Slow(RequestHandler):
    """Answers a few turns later."""

    async def get(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        self.write("hello")


class Parts(RequestHandler):
    """Answers in parts."""

    async def get(self) -> None:
        for part in ("he", "ll", "o"):
            self.write(part)
            await self.flush()
            await asyncio.sleep(0)


RULES = [("/", Hello), ("/slow", Slow), ("/parts", Parts)]


@dataclass
class Load:
    """Clients that ask as fast as they can, and what became of their requests.

    Attributes:
        again: whether a client whose connection was ended opens another one.
        answered: right answers.
        closing: those of them that announced the end of their connection.
        failures: what went wrong: another answer than the right one, or none to a request
            that was sent on a connection whose end nobody had announced.
    """

    address: Any
    again: bool
    answered: int = 0
    closing: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    stopped: bool = False

    async def client(self, target: str) -> None:
        """Ask until the connection ends, or until `stopped` when clients come again."""
        while not self.stopped:
            try:
                client = await Client.connect(self.address)
            except OSError as error:
                if self.again:
                    self.failures[f"no connection: {error!r}"] += 1
                return
            try:
                await self._use(client, target)
            finally:
                client.close()
            if not self.again:
                return

    async def _use(self, client: Client, target: str) -> None:
        while not self.stopped:
            try:
                answer = await client.ask(get(target))
            except (OSError, RemoteProtocolError) as error:
                self.failures[f"no answer: {error!r}"] += 1
                return
            if (answer.status, answer.text) != (200, "hello"):
                self.failures[f"{answer.status} {answer.text[:50]!r}"] += 1
                return
            self.answered += 1
            if not answer.keep_alive:
                self.closing += 1
                return


def _targets() -> list[str]:
    return [("/", "/slow", "/parts")[number % 3] for number in range(CLIENTS)]


@pytest.mark.feature("B19")
async def test_no_request_fails_while_a_server_stops(serve: Serve) -> None:
    """Each connection ends with an answer that says so, though all are busy all the time."""
    site = serve(RULES)
    load = Load(site.address, again=False)
    async with asyncio.TaskGroup() as clients:
        for target in _targets():
            clients.create_task(load.client(target))
        while load.answered < BEFORE:
            await asyncio.sleep(0)
        site.server.stop()
        await site.server.close_all_connections(timeout=10)
        assert not site.server._connections
    assert not load.failures
    assert load.closing == CLIENTS


@pytest.mark.feature("B19")
async def test_clients_that_come_again_meet_the_next_server(serve: Serve) -> None:
    """Two servers share a port for a moment; nobody is refused, and nobody cut off."""
    (first,) = bind_sockets(0, "127.0.0.1", family=socket.AF_INET, reuse_port=True)
    site = serve(RULES, sockets=[first])
    load = Load(site.address, again=True)
    async with asyncio.TaskGroup() as clients:
        for target in _targets():
            clients.create_task(load.client(target))
        for _ in range(3):
            wanted = load.answered + BEFORE
            while load.answered < wanted:
                await asyncio.sleep(0)
            (sock,) = bind_sockets(
                site.address[1], "127.0.0.1", family=socket.AF_INET, reuse_port=True
            )
            following = serve(RULES, sockets=[sock])
            site.server.stop()
            await site.server.close_all_connections(timeout=10)
            site = following
        wanted = load.answered + BEFORE
        while load.answered < wanted:
            await asyncio.sleep(0)
        load.stopped = True
    assert not load.failures
    assert load.closing >= 3 * CLIENTS


ROOT = Path(__file__).resolve().parents[2]

#: A server as a program; it says its port, and drains when it is told to end.
PROGRAM = """
import asyncio, signal, sys
from tests.http.test_drain_load import RULES
from tests.loops import FACTORIES
from toolkit.web import Application

async def main():
    server = Application(RULES, log_function=lambda handler: None).listen(0, "127.0.0.1")
    print(server.addresses[0][1], flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.stop()
    await server.close_all_connections(timeout=10)

with asyncio.Runner(loop_factory=FACTORIES[sys.argv[1]]) as runner:
    runner.run(main())
"""

#: Ways to run it: each makes Python stricter, or takes its assertions away.
MODES = {
    "plain": ([], {}),
    "optimized": (["-O"], {}),
    "debug": (["-X", "dev"], {"PYTHONASYNCIODEBUG": "1"}),
    "warnings": (["-W", "error::ResourceWarning"], {}),
}
#: What asyncio in debug mode says of a machine that is busy, and no more.
_BUSY = re.compile(r"^(Executing .* took [0-9.]+ seconds|INFO:.*|DEBUG:.*|Using selector: .*)$")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.asyncio(loop_factories=["asyncio"])  # of the clients
@pytest.mark.parametrize("server_loop", FACTORIES)
async def test_no_request_fails_while_a_process_ends(mode: str, server_loop: str) -> None:
    """SIGTERM under load: every answer is right, the exit status 0, and nothing was said."""
    options, environment = MODES[mode]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *options,
        "-c",
        PROGRAM,
        server_loop,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        load = Load(("127.0.0.1", port), again=False)
        async with asyncio.TaskGroup() as clients:
            for target in _targets():
                clients.create_task(load.client(target))
            while load.answered < BEFORE:
                await asyncio.sleep(0)
            process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert not load.failures
    assert load.closing == CLIENTS
    assert process.returncode == 0
    assert [line for line in said.decode().splitlines() if not _BUSY.match(line)] == []
