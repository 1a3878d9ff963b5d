"""What takes its time: pings, closes and rates, in memory and on a clock that jumps."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.loops import expect_log
from tests.websocket.peers import Noting, asking, masked
from toolkit.iostream import IOStream, StreamClosedError
from toolkit.testing import MemoryServer
from toolkit.testing.clock import VirtualClockLoop
from toolkit.web import Application
from toolkit.websocket import RateLimit, WebSocketHandler
from toolkit.wire.websocket import CLIENT, NEED_DATA, Close, Machine, Ping, Pong


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test on a clock of its own, on which an hour is nothing."""

    async def bounded() -> None:
        async with asyncio.timeout(3600):
            await main()

    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        runner.run(bounded())


def now() -> float:
    """Return the time on that clock."""
    return asyncio.get_running_loop().time()


class Silent:
    """A client that answers nothing by itself."""

    def __init__(self, stream: IOStream) -> None:
        self.stream = stream
        self.machine = Machine(CLIENT, mask_key=lambda: bytes(4))

    @classmethod
    async def connect(cls, server: MemoryServer) -> "Silent":
        """Shake hands."""
        stream = server.stream()
        await stream.write(asking())
        assert (await stream.read_until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        return cls(stream)

    async def event(self) -> Any:
        """Return what the server says next."""
        while (event := self.machine.next_event()) is NEED_DATA:
            try:
                self.machine.receive(await self.stream.read_bytes(65536, partial=True))
            except StreamClosedError:
                self.machine.receive(b"")
        return event


def noting(seen: list[Any], **settings: Any) -> Application:
    """Return an application with one handler that notes what happens."""
    return Application([("/", Noting, {"seen": seen})], log_function=lambda _: None, **settings)


@pytest.mark.feature("D04")
@pytest.mark.parametrize(
    ("settings", "timeout"),
    [({}, 10.0), ({"websocket_ping_timeout": 4}, 4.0)],
    ids=["of the interval", "its own"],
)
def test_a_peer_that_answers_no_ping_is_closed(settings: dict[str, Any], timeout: float) -> None:
    """After the interval and the time-out, and cut off when it does not answer that either."""

    async def main() -> None:
        seen: list[Any] = []
        async with MemoryServer(noting(seen, websocket_ping_interval=10, **settings)) as server:
            client = await Silent.connect(server)
            began = now()
            assert isinstance(await client.event(), Ping)
            assert now() - began == pytest.approx(10)
            close = await client.event()
            assert (close.code, close.reason) == (1000, "ping timed out")
            assert now() - began == pytest.approx(10 + timeout)
            while len(seen) < 2:
                await asyncio.sleep(0.01)
            assert now() - began == pytest.approx(15 + timeout, abs=0.02)
            assert seen == ["open", ("close", None, None)]

    run(main)


@pytest.mark.feature("D04")
def test_pings_go_on_while_they_are_answered() -> None:
    async def main() -> None:
        seen: list[Any] = []
        async with MemoryServer(noting(seen, websocket_ping_interval=10)) as server:
            client = await Silent.connect(server)
            began = now()
            for number in range(1, 100):
                ping = await client.event()
                assert now() - began == pytest.approx(10 * number)
                await asyncio.sleep(9)
                await client.stream.write(client.machine.send(Pong(ping.payload)))
            assert seen == ["open"] + [("pong", b"")] * 99

    run(main)


def test_without_an_interval_there_are_no_pings() -> None:
    async def main() -> None:
        async with MemoryServer(noting([])) as server:
            client = await Silent.connect(server)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3000):
                    await client.event()

    run(main)


def test_a_time_out_of_0_never_closes() -> None:
    async def main() -> None:
        settings = {"websocket_ping_interval": 10, "websocket_ping_timeout": 0}
        async with MemoryServer(noting([], **settings)) as server:
            client = await Silent.connect(server)
            for _ in range(20):
                assert isinstance(await client.event(), Ping)

    run(main)


def test_a_time_out_longer_than_the_interval_is_the_interval(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And is said to be so, once."""

    async def main() -> None:
        settings = {"websocket_ping_interval": 7, "websocket_ping_timeout": 70}
        async with MemoryServer(noting([], **settings)) as server:
            for _ in range(2):
                client = await Silent.connect(server)
                began = now()
                assert isinstance(await client.event(), Ping)
                assert isinstance(await client.event(), Close)
                assert now() - began == pytest.approx(14)

    run(main)
    assert len(expect_log(caplog, "toolkit.general", "cannot be longer")) == 1


def test_a_busy_handler_does_not_make_its_peer_seem_dead() -> None:
    """The pong may wait behind the message that it works on."""

    class Busy(WebSocketHandler):
        async def on_message(self, message: str) -> None:
            await asyncio.sleep(100)
            self.write_message("done")

    async def main() -> None:
        application = Application(
            [("/", Busy)], log_function=lambda _: None, websocket_ping_interval=10
        )
        async with MemoryServer(application) as server, server.websocket() as connection:
            await connection.write_message("x")
            assert await connection.read_message() == "done"

    run(main)


@pytest.mark.feature("E04")
def test_a_client_closes_to_a_server_that_answers_no_ping() -> None:
    async def main() -> None:
        class Stuck(WebSocketHandler):
            def open(self) -> None:
                self._reading().stream.pause_reading()

        application = Application([("/", Stuck)], log_function=lambda _: None)
        async with MemoryServer(application) as server:
            began = now()
            connection = await server.websocket(ping_interval=10)
            assert await connection.read_message() is None
            assert now() - began == pytest.approx(25)
            assert connection.close_code is None

    run(main)


@pytest.mark.parametrize("settings", [{}, {"websocket_close_timeout": 50.0}])
def test_a_peer_that_does_not_answer_a_close_is_cut_off(settings: dict[str, Any]) -> None:
    """After five seconds, or what the settings say; whatever else it sends."""

    class Closing(Noting):
        def open(self) -> None:
            self.close(4000)

    async def main() -> None:
        seen: list[Any] = []
        application = Application(
            [("/", Closing, {"seen": seen})], log_function=lambda _: None, **settings
        )
        async with MemoryServer(application) as server:
            client = await Silent.connect(server)
            began = now()
            assert (await client.event()).code == 4000
            for _ in range(3):
                await asyncio.sleep(1)
                await client.stream.write(masked(0x81, b"still"))
            await client.stream.read_until_close()
            assert now() - began == pytest.approx(settings.get("websocket_close_timeout", 5))
        assert seen == ["still"] * 3 + [("close", None, None)]

    run(main)


def test_a_peer_that_goes_on_after_an_error_is_cut_off() -> None:
    """It gets two seconds, or 256 KiB, to read what was wrong."""

    async def main() -> None:
        async with MemoryServer(noting([])) as server:
            for piece, most in ((1, 2.0), (65536, 0.5)):
                client = await Silent.connect(server)
                began = now()
                await client.stream.write(b"\x81\x00")  # without a mask
                assert (await client.event()).code == 1002
                with contextlib.suppress(StreamClosedError):
                    while not client.stream.closed():
                        await client.stream.write(bytes(piece))
                        await asyncio.sleep(0.1)
                assert now() - began <= most + 0.2

    run(main)


@pytest.mark.feature("D17")
def test_messages_beyond_a_rate_come_later() -> None:
    """A burst is taken at once, the rest as time goes by, each in its turn."""
    times: list[tuple[str, float]] = []

    class Limited(WebSocketHandler):
        rate_limit = RateLimit(messages=5, seconds=1.0)

        def on_message(self, message: str) -> None:
            times.append((message, now()))
            self.write_message(message)

    async def main() -> None:
        application = Application([("/", Limited)], log_function=lambda _: None)
        async with MemoryServer(application) as server, server.websocket() as connection:
            began = now()
            for number in range(20):
                await connection.write_message(str(number))
            for number in range(20):
                assert await connection.read_message() == str(number)
            assert now() - began == pytest.approx(3.0, rel=0.01)
        assert [message for message, _ in times] == [str(number) for number in range(20)]
        assert times[4][1] == began

    run(main)


@pytest.mark.feature("D17")
def test_a_rate_may_close_instead() -> None:
    class Limited(Noting):
        rate_limit = RateLimit(messages=5, seconds=1.0, action="close")

    async def main() -> None:
        seen: list[Any] = []
        application = Application([("/", Limited, {"seen": seen})], log_function=lambda _: None)
        async with MemoryServer(application) as server:
            connection = await server.websocket()
            for number in range(9):
                await connection.write_message(str(number))
            assert await connection.read_message() is None
            assert (connection.close_code, connection.close_reason) == (1008, "too many messages")
            await connection.wait_closed()
        assert seen == ["open", *"01234", ("close", 1008, "too many messages")]

    run(main)


@pytest.mark.parametrize(
    "options",
    [{"messages": 0}, {"messages": 1, "seconds": 0}, {"messages": 1, "action": "shout"}],
)
def test_a_rate_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        RateLimit(**options)
