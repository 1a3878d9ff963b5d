"""How a server stops: no new connections, idle ones closed, the rest answered or cut off."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.http.client import Client, Serve, get, post, turns
from tests.loops import FACTORIES
from toolkit.httpserver import HTTPServer
from toolkit.web import Application, RequestHandler

MEBIBYTE = 1024 * 1024


class Hello(RequestHandler):
    """Answers at once."""

    def get(self) -> None:
        self.write("hello")

    def post(self) -> None:
        self.write(str(len(self.request.body)))


class Gate:
    """A handler class that waits until it is let go, and what became of its requests."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self.cancelled = asyncio.Event()
        gate = self

        class Waiting(RequestHandler):
            async def get(self) -> None:
                gate.begun.set()
                try:
                    await gate.release.wait()
                except asyncio.CancelledError:
                    gate.cancelled.set()
                    raise
                self.write("done")

        self.handler = Waiting


@pytest.mark.feature("B19")
async def test_a_stopped_server_takes_no_new_connections(serve: Serve) -> None:
    """Those that are open go on as before."""
    site = serve([("/", Hello)])
    client = await site.client()
    assert (await client.get()).text == "hello"
    site.server.stop()
    with pytest.raises(ConnectionRefusedError):
        await Client.connect(site.address)
    answer = await client.get()
    assert (answer.text, answer.keep_alive) == ("hello", True)
    site.server.stop()


@pytest.mark.feature("B19")
async def test_idle_connections_are_closed_at_once(serve: Serve) -> None:
    """Those that have not asked anything yet, and those between two requests."""
    site = serve([("/", Hello)])
    fresh, used = await site.client(), await site.client()
    assert (await used.get()).text == "hello"
    site.server.stop()
    await site.server.close_all_connections()
    await fresh.expect_end()
    await used.expect_end()


@pytest.mark.feature("B19")
async def test_a_request_under_way_is_answered(serve: Serve) -> None:
    """The answer says that the connection ends, and it ends; nothing behind is answered."""
    gate = Gate()
    site = serve([("/", Hello), ("/wait", gate.handler)])
    client = await site.client()
    await client.send(get("/wait") + get())
    await gate.begun.wait()
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    assert not closing.done()
    gate.release.set()
    answer = await client.answer()
    assert (answer.text, answer.get("connection")) == ("done", "close")
    await client.expect_end()
    await closing


@pytest.mark.feature("B19")
async def test_at_the_deadline_what_is_left_is_cancelled(serve: Serve) -> None:
    gate = Gate()
    site = serve([("/", Hello), ("/wait", gate.handler)])
    clients = [await site.client() for _ in range(3)]
    for client in clients:
        await client.send(get("/wait"))
        await gate.begun.wait()
        gate.begun.clear()
    site.server.stop()
    await site.server.close_all_connections(timeout=0.1)
    await gate.cancelled.wait()
    for client in clients:
        await client.expect_end()


async def test_a_handler_that_refuses_to_be_cancelled_does_not_hold_the_server(
    serve: Serve,
) -> None:
    begun, stubborn, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Stubborn(RequestHandler):
        async def get(self) -> None:
            begun.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    stubborn.set()

    site = serve([("/", Stubborn)])
    client = await site.client()
    await client.send(get())
    await begun.wait()
    await site.server.close_all_connections(timeout=0.1)
    await stubborn.wait()
    await client.expect_end()
    release.set()


async def test_a_stream_under_way_is_sent_to_its_end(serve: Serve) -> None:
    """Its head is out already and cannot say so, yet the connection ends with it."""
    begun, release = asyncio.Event(), asyncio.Event()

    class Streamed(RequestHandler):
        async def get(self) -> None:
            self.write("one ")
            await self.flush()
            begun.set()
            await release.wait()
            self.write("two")

    site = serve([("/", Streamed)])
    client = await site.client()
    await client.send(get() + get())
    await begun.wait()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    release.set()
    # The client was told that the connection goes on, so that its next request is answered.
    assert (await client.answer()).text == "one two"
    assert (await client.answer()).get("connection") == "close"
    await client.expect_end()
    await closing


async def test_a_request_that_has_begun_to_come_is_answered(serve: Serve) -> None:
    """In its head or in its content, it was on its way when the server stopped."""
    site = serve([("/", Hello)])
    head, body = await site.client(), await site.client()
    await head.send(get()[:10])
    await body.send(post("/", b"hello")[:-2])
    assert (await site.get()).text == "hello"
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    await head.send(get()[10:])
    await body.send(b"lo")
    for client, text in ((head, "hello"), (body, "5")):
        answer = await client.answer()
        assert (answer.text, answer.get("connection")) == (text, "close")
        await client.expect_end()
    await closing


async def test_an_answer_is_with_its_client_before_the_server_is_empty(serve: Serve) -> None:
    """A program may end as soon as the connections are closed, and would take the rest along."""
    size = 32 * MEBIBYTE
    release, begun = asyncio.Event(), asyncio.Event()

    class Large(RequestHandler):
        async def get(self) -> None:
            begun.set()
            await release.wait()
            self.write(b"z" * size)

    site = serve([("/", Large)])
    client = await site.client(receive_buffer=65_536)
    await client.send(get())
    await begun.wait()
    site.server.stop()
    closing = asyncio.create_task(site.server.close_all_connections())
    await turns()
    release.set()
    received = 0
    while received < size // 2:
        received += len(await client.read())
    assert not closing.done()
    while received < size:
        received += len(await client.read())
    await closing


async def test_all_who_wait_for_the_end_are_told(serve: Serve) -> None:
    gate = Gate()
    site = serve([("/", gate.handler)])
    client = await site.client()
    await client.send(get())
    await gate.begun.wait()
    waiters = [asyncio.create_task(site.server.close_all_connections()) for _ in range(3)]
    await turns()
    gate.release.set()
    assert (await client.answer()).text == "done"
    done, pending = await asyncio.wait(waiters, timeout=5)
    for waiter in pending:
        waiter.cancel()
    assert len(done) == 3


async def test_a_server_without_connections_is_closed_at_once() -> None:
    server = HTTPServer(Application())
    server.listen(0, "127.0.0.1")
    server.stop()
    await server.close_all_connections()
    await server.close_all_connections(timeout=0)


async def test_a_server_can_listen_again(serve: Serve) -> None:
    site = serve([("/", Hello)])
    site.server.stop()
    await site.server.close_all_connections()
    site.server.listen(0, "127.0.0.1")
    site.address = site.server.addresses[0]
    answer = await site.get()
    assert (answer.text, answer.keep_alive) == ("hello", True)


@pytest.mark.feature("P07")
async def test_a_server_in_a_running_program_leaves_its_signals_alone(serve: Serve) -> None:
    """It starts, serves and stops in a loop that runs already."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    site = serve([("/", Hello)])
    assert [signal.getsignal(number) for number in numbers] == before
    assert (await site.get()).text == "hello"
    site.server.stop()
    await site.server.close_all_connections(timeout=1)
    assert [signal.getsignal(number) for number in numbers] == before


# -- a whole program ---------------------------------------------------------------------

PROGRAM = """
import asyncio, signal, sys
from toolkit.web import Application, RequestHandler

stopping = asyncio.Event()

class Hello(RequestHandler):
    def get(self):
        self.write("hello")

class Slow(RequestHandler):
    async def get(self):
        print("begun", flush=True)
        await stopping.wait()
        await asyncio.sleep(0)
        self.write("z" * 3_000_000)

class Endless(RequestHandler):
    async def get(self):
        print("begun", flush=True)
        await asyncio.Event().wait()

async def main():
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    rules = [("/", Hello), ("/slow", Slow), ("/endless", Endless)]
    server = Application(rules).listen(0, "127.0.0.1")
    print(server.addresses[0][1], flush=True)
    await stopping.wait()
    server.stop()
    await server.close_all_connections(timeout=float(sys.argv[2]))
    print("stopped", flush=True)

if sys.argv[1] == "uvloop":
    import uvloop
    factory = uvloop.new_event_loop
else:
    factory = asyncio.new_event_loop
with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(main())
"""


async def start_program(loop_name: str, timeout: float) -> tuple[asyncio.subprocess.Process, Any]:
    """Run the program in a process of its own; return it and the address that it serves."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", PROGRAM, loop_name, str(timeout)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    assert program.stdout is not None
    line = await program.stdout.readline()
    if not line:
        _, errors = await program.communicate()
        pytest.fail(errors.decode())
    return program, ("127.0.0.1", int(line))


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("name", FACTORIES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_program_answers_what_is_under_way_and_ends(
    name: str, number: signal.Signals
) -> None:
    program, address = await start_program(name, timeout=20)
    assert program.stdout is not None
    slow, idle = await Client.connect(address), await Client.connect(address)
    try:
        assert (await idle.get()).text == "hello"
        await slow.send(get("/slow"))
        assert await program.stdout.readline() == b"begun\n"
        program.send_signal(number)
        answer = await slow.answer()
        assert (answer.get("connection"), len(answer.body)) == ("close", 3_000_000)
        await idle.expect_end()
        await slow.expect_end()
        output, errors = await program.communicate()
        assert (output, errors, program.returncode) == (b"stopped\n", b"", 0)
    finally:
        slow.close()
        idle.close()
        if program.returncode is None:
            program.kill()
            await program.communicate()


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("name", FACTORIES)
async def test_a_program_ends_at_its_deadline(name: str) -> None:
    """Although a handler never ends by itself."""
    program, address = await start_program(name, timeout=0.1)
    assert program.stdout is not None
    client = await Client.connect(address)
    try:
        await client.send(get("/endless"))
        assert await program.stdout.readline() == b"begun\n"
        program.send_signal(signal.SIGTERM)
        await client.expect_end()
        output, errors = await program.communicate()
        assert (output, errors, program.returncode) == (b"stopped\n", b"", 0)
    finally:
        client.close()
        if program.returncode is None:
            program.kill()
            await program.communicate()
