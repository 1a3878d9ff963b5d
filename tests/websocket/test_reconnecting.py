"""`connect`: clients that come back, on a clock that jumps."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.websocket.test_time import now, run
from toolkit.httpclient import HTTPClientError
from toolkit.iostream import IOStream
from toolkit.testing import MemoryServer
from toolkit.web import Application, HTTPError
from toolkit.websocket import (
    Backoff,
    WebSocketClientConnection,
    WebSocketError,
    WebSocketHandler,
    connect,
)


class Feed(WebSocketHandler):
    """Sends numbers from where the client left off, and drops it after three."""

    async def open(self) -> None:
        begin = int((await self.read_message()) or 0)
        for number in range(begin, begin + 3):
            await self.write_message(str(number))
        self.close(1012, "restart")


class Refusing(WebSocketHandler):
    """Refuses as often as it is told to."""

    def initialize(self, answers: list[Any]) -> None:
        self.answers = answers

    def prepare(self) -> None:
        if self.answers:
            status, after = self.answers.pop(0)
            if after:
                self.set_header("Retry-After", after)
                self.set_status(status)
                self.finish()
            else:
                raise HTTPError(status)

    def open(self) -> None:
        self.write_message("hello")


def serving(*rules: Any) -> MemoryServer:
    """Return a server in memory."""
    return MemoryServer(Application(list(rules), log_function=lambda _: None))


@pytest.mark.feature("E06")
def test_a_client_comes_back_and_goes_on_where_it_was() -> None:
    """By a hook that tells the server how far it has come."""
    seen: list[int] = []
    resumed: list[int] = []

    async def resume(connection: WebSocketClientConnection) -> None:
        resumed.append(len(seen))
        await connection.write_message(str(len(seen)))

    async def main() -> None:
        async with serving(("/", Feed)) as server:
            backoff = Backoff(first=1.0, chance=lambda: 1.0)
            async for connection in server.websocket(resume=resume, backoff=backoff):
                if not seen:
                    await connection.write_message("0")
                async for message in connection:
                    seen.append(int(message))
                assert connection.close_code == 1012
                if len(seen) == 9:
                    break

    run(main)
    assert seen == list(range(9))
    assert resumed == [3, 6]


@pytest.mark.feature("E06")
def test_waits_grow_up_to_a_limit_and_begin_anew() -> None:
    """Once a connection has lasted."""
    times: list[float] = []
    reachable = False

    async def main() -> None:
        nonlocal reachable
        async with serving(("/", Refusing, {"answers": []})) as server:

            async def dial(origin: Any, request: Any) -> IOStream:
                times.append(now())
                if not reachable:
                    raise ConnectionRefusedError("nobody is there")
                return server.stream()

            backoff = Backoff(first=1.0, longest=10.0, chance=lambda: 1.0)
            rounds = 0
            async for connection in connect("ws://h/", dial=dial, backoff=backoff):
                rounds += 1
                assert await connection.read_message() == "hello"
                if rounds == 2:
                    break
                await asyncio.sleep(60)
                reachable = False
                asyncio.get_running_loop().call_later(2.5, switch)
                connection.stream.abort()

    def switch() -> None:
        nonlocal reachable
        reachable = True

    async def begin() -> None:
        asyncio.get_running_loop().call_later(26, switch)
        await main()

    run(begin)
    waits = [round(later - sooner) for sooner, later in itertools.pairwise(times)]
    assert waits == [1, 2, 4, 8, 10, 10, 61, 2]


@pytest.mark.parametrize("status", [500, 503, 408, 429])
def test_some_refusals_are_tried_again_when_the_server_says_so(status: int) -> None:
    async def main() -> None:
        rule = ("/", Refusing, {"answers": [(status, "77")]})
        async with serving(rule) as server:
            began = now()
            async for connection in server.websocket(backoff=Backoff(chance=lambda: 1.0)):
                assert await connection.read_message() == "hello"
                break
            assert now() - began == pytest.approx(77, abs=0.1)

    run(main)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_other_refusals_are_raised(status: int) -> None:
    async def main() -> None:
        async with serving(("/", Refusing, {"answers": [(status, "")]})) as server:
            with pytest.raises(HTTPClientError) as caught:
                await anext(aiter(server.websocket()))
            assert caught.value.code == status

    run(main)


def test_a_server_of_something_else_is_an_error() -> None:
    async def main() -> None:
        async with serving(("/", Refusing, {"answers": [(204, "1")]})) as server:
            with pytest.raises(WebSocketError):
                await anext(aiter(server.websocket()))

    run(main)


def test_attempts_may_have_a_limit() -> None:
    async def main() -> None:
        async def dial(origin: Any, request: Any) -> IOStream:
            nonlocal attempts
            attempts += 1
            raise ConnectionRefusedError("nobody is there")

        with pytest.raises(ConnectionRefusedError):
            await anext(aiter(connect("ws://h/", dial=dial, backoff=Backoff(attempts=4))))

    attempts = 0
    run(main)
    assert attempts == 4


def test_a_connection_that_the_program_closes_is_the_last() -> None:
    async def main() -> None:
        async with serving(("/", Refusing, {"answers": []})) as server:
            rounds = 0
            async for connection in server.websocket():
                rounds += 1
                async for message in connection:
                    assert message == "hello"
                    connection.close()
            assert rounds == 1

    run(main)


async def test_awaited_it_is_one_connection() -> None:
    async with serving(("/", Refusing, {"answers": []})) as server:
        connection = await server.websocket()
        assert await connection.read_message() == "hello"
        connection.close()
        await connection.wait_closed()


def test_waits_are_taken_by_chance() -> None:
    """From nothing up to the limit, which does not overflow."""
    chances = iter([0.0, 0.5, 1.0])
    backoff = Backoff(first=2.0, longest=1e6, chance=lambda: next(chances))
    assert [backoff.delay(n) for n in (1, 2, 10**9)] == [0.0, 2.0, 1e6]
    with pytest.raises(ValueError, match="allowed"):
        Backoff(first=5, longest=1)
