"""The chat passes lines on to all, and whoever does not read is no burden to the others."""

import asyncio
import contextlib
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from demos.chat.__main__ import MAX_LINE
from tests.demos.process import SIGNALS, TIMEOUT, Demo, check_clean, running, serving

#: The demo chooses its loop by itself, so that the client's is the same to it.
one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])


@pytest.fixture
def demo() -> Iterator[Demo]:
    """Run the demo for one test, so that nobody else is there."""
    with serving("chat") as demo:
        yield demo


class Client:
    """Somebody who types lines and reads them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, *lines: str) -> None:
        """Send lines."""
        self.writer.write("".join(f"{line}\n" for line in lines).encode())

    async def hear(self) -> str:
        """Return the next line; "" at the end."""
        return (await self.reader.readline()).decode().removesuffix("\n")

    async def hear_until(self, last: str) -> list[str]:
        """Return the lines up to one."""
        lines = [await self.hear()]
        while lines[-1] != last:
            assert lines[-1], lines
            lines.append(await self.hear())
        return lines


@contextlib.asynccontextmanager
async def visitor(demo: Demo) -> AsyncIterator[Client]:
    """Connect to the demo."""
    client = Client(*await asyncio.open_connection("127.0.0.1", demo.port))
    try:
        yield client
    finally:
        client.writer.close()
        with contextlib.suppress(ConnectionError):
            await client.writer.wait_closed()


@contextlib.asynccontextmanager
async def member(demo: Demo, name: str) -> AsyncIterator[Client]:
    """Connect to the demo and give a name."""
    async with visitor(demo) as client:
        assert await client.hear() == "Your name?"
        client.say(name)
        assert (await client.hear()).startswith(f"Hello {name};")
        yield client


@one_loop
async def test_fifty_members_hear_each_other(demo: Demo) -> None:
    """Each hears what all others say, in the order of the speaker, and nothing of himself."""
    names = [f"m{number:02}" for number in range(50)]
    async with contextlib.AsyncExitStack() as stack:
        members = {name: await stack.enter_async_context(member(demo, name)) for name in names}
        # Each has heard of those who came after him when he hears of the last one.
        for name in names[:-1]:
            await members[name].hear_until("* m49 is here")
        for name, client in members.items():
            client.say(*(f"{name} says {count}" for count in range(5)))
        for name, client in members.items():
            heard = sorted([await client.hear() for _ in range(49 * 5)])
            assert heard == [f"{n}: {n} says {c}" for n in names if n != name for c in range(5)]
        members["m00"].say("/who")
        assert await members["m00"].hear() == "* " + ", ".join(names)


@one_loop
async def test_who_comes_and_goes_is_told(demo: Demo) -> None:
    """Whether he says /quit or just leaves."""
    async with member(demo, "anna") as anna:
        async with member(demo, "bert") as bert:
            bert.say("/quit")
            assert await bert.hear() == ""
        async with member(demo, "carl"):
            pass
        assert [await anna.hear() for _ in range(4)] == [
            "* bert is here",
            "* bert has left",
            "* carl is here",
            "* carl has left",
        ]


@one_loop
async def test_a_name_is_one_word_and_had_by_one(demo: Demo) -> None:
    """Another one is asked for, and a name is free again when its member has left."""
    async with visitor(demo) as client:
        async with member(demo, "anna") as anna:
            client.say("", "two words", "x" * 21, "anna")
            assert await client.hear() == "Your name?"
            rule = "1 to 20 letters or digits."
            assert [await client.hear() for _ in range(4)] == [rule, rule, rule, "It is taken."]
            anna.say("/quit")
            assert await anna.hear() == ""
        client.say("anna")
        assert await client.hear() == "Hello anna; /who tells who is here, /quit leaves."


@one_loop
async def test_what_is_said_cannot_steer_a_terminal(demo: Demo) -> None:
    """Control characters and broken UTF-8 are taken out; an unknown command goes to nobody."""
    async with member(demo, "anna") as anna, member(demo, "bert") as bert:
        await anna.hear()
        bert.say("/nothing here", "a\x1b[2Jb\r\0\x07 ü")
        bert.writer.write(b"\xff\n")
        assert await bert.hear() == "* there is no /nothing"
        assert await anna.hear() == "bert: a[2Jb ü"
        assert await anna.hear() == "bert: \N{REPLACEMENT CHARACTER}"


@one_loop
@pytest.mark.parametrize("line", ["x" * (MAX_LINE + 1), "x" * MAX_LINE + "\n"])
async def test_too_long_a_line_ends_its_connection_alone(demo: Demo, line: str) -> None:
    """The others hear that he left, and nothing of the line."""
    async with member(demo, "anna") as anna:
        async with member(demo, "bert") as bert:
            bert.writer.write(line.encode())
            assert await bert.hear() == ""
        assert [await anna.hear(), await anna.hear()] == ["* bert is here", "* bert has left"]


@one_loop
async def test_who_does_not_read_is_dropped_and_costs_nobody_a_line(demo: Demo) -> None:
    """The others hear all that was said before, at the time and after."""
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(TIMEOUT)
        deaf.connect(("127.0.0.1", demo.port))
        deaf.sendall(b"deaf\n")
        async with member(demo, "anna") as anna, member(demo, "bert") as bert:
            await anna.hear_until("* bert is here")
            count = 0
            dropped = False
            while not dropped:
                anna.say(*(f"{number} {'x' * 1000}" for number in range(count, count + 50)))
                for number in range(count, count + 50):
                    line = await bert.hear()
                    if line == "* deaf has left":
                        dropped = True
                        line = await bert.hear()
                    assert line.startswith(f"anna: {number} x")
                count += 50
            assert await anna.hear() == "* deaf has left"
            anna.say("/who")
            assert await anna.hear() == "* anna, bert"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_with_a_word_to_all(number: signal.Signals) -> None:
    """Also to one who is in the middle of a line; who has no name yet is just closed."""
    with (
        running("chat") as demo,
        demo.connect() as nameless,
        demo.connect() as sock,
        sock.makefile("rb") as stream,
    ):
        assert nameless.recv(100) == b"Your name?\n"
        sock.sendall(b"anna\nhalf a li")
        stream.readline()
        assert re.match(b"Hello anna;", stream.readline())
        demo.signal(number)
        assert stream.read() == b"* the server stops\n"
        assert nameless.recv(100) == b""
        check_clean(demo.ended())
