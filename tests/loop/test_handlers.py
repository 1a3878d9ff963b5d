"""Handlers of file descriptors: `IOLoop.add_handler` and its company."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loops import expect_log
from toolkit.ioloop import IOLoop

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Make two sockets connected to each other."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        left = socket.create_connection(listener.getsockname())
        right, _ = listener.accept()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


def nothing(fd: Any, events: int) -> None:
    """Handle nothing."""


async def turns(count: int = 3) -> None:
    """Let the loop look at its sockets a few times."""
    for _ in range(count):
        turn = asyncio.Event()
        # A timer of its own has the loop go through its selector.
        asyncio.get_running_loop().call_later(0.001, turn.set)
        await turn.wait()


@pytest.mark.feature("A04")
@pytest.mark.parametrize("as_number", [False, True])
async def test_a_handler_is_called_for_what_it_waits_for(pair: Pair, as_number: bool) -> None:
    """It gets the same thing that was added, and one event at a time."""
    loop = IOLoop.current()
    left, right = pair
    added = left.fileno() if as_number else left
    seen: asyncio.Queue[tuple[Any, int]] = asyncio.Queue()

    def handler(fd: Any, events: int) -> None:
        seen.put_nowait((fd, events))
        if events == IOLoop.READ:
            left.recv(100)
        else:
            loop.update_handler(added, IOLoop.READ)

    loop.add_handler(added, handler, IOLoop.READ)
    await turns()
    assert seen.empty()
    right.send(b"a")
    assert await seen.get() == (added, IOLoop.READ)
    await turns()
    assert seen.empty()
    loop.update_handler(added, IOLoop.READ | IOLoop.WRITE)
    assert await seen.get() == (added, IOLoop.WRITE)
    await turns()
    assert seen.empty()
    right.send(b"b")
    assert await seen.get() == (added, IOLoop.READ)
    loop.remove_handler(added)
    right.send(b"c")
    await turns()
    assert seen.empty()
    assert loop.handlers == {}
    assert loop.readers == loop.writers == set()


@pytest.mark.feature("A04")
@pytest.mark.parametrize("events", [IOLoop.READ, IOLoop.WRITE])
async def test_an_error_comes_as_the_event_that_is_waited_for(pair: Pair, events: int) -> None:
    loop = IOLoop.current()
    left, right = pair
    seen: asyncio.Future[int] = asyncio.Future()

    def handler(fd: socket.socket, events: int) -> None:
        loop.remove_handler(fd)
        seen.set_result(events)

    right.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    right.close()
    loop.add_handler(left, handler, events | IOLoop.ERROR)
    assert await seen == events
    assert left.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


async def test_error_alone_waits_for_nothing(pair: Pair) -> None:
    loop = IOLoop.current()
    left, right = pair
    loop.add_handler(left, lambda fd, events: pytest.fail("called"), IOLoop.ERROR)
    right.close()
    await turns()
    assert list(loop.handlers) == [left.fileno()]
    loop.remove_handler(left)


async def test_what_a_handler_raises_is_logged_and_it_is_called_again(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    loop = IOLoop.current()
    left, right = pair
    calls = 0
    enough = asyncio.Event()

    def fail(fd: socket.socket, events: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            loop.remove_handler(fd)
            enough.set()
        raise ZeroDivisionError

    loop.add_handler(left, fail, IOLoop.READ)
    right.send(b"a")
    await enough.wait()
    assert len(expect_log(caplog, "toolkit.application", "Exception in callback .*fail")) == 2


async def test_a_handler_may_remove_another_that_is_due(pair: Pair) -> None:
    loop = IOLoop.current()
    left, right = pair
    chunks = []

    def handler(fd: socket.socket, events: int) -> None:
        chunks.append(fd.recv(100))
        loop.remove_handler(left if fd is right else right)

    left.send(b"x")
    right.send(b"x")
    loop.add_handler(left, handler, IOLoop.READ)
    loop.add_handler(right, handler, IOLoop.READ)
    await turns()
    assert chunks == [b"x"]
    loop.remove_handler(left)
    loop.remove_handler(right)


async def test_a_handler_that_removes_itself_has_no_second_event(pair: Pair) -> None:
    """The socket can be both read and written in the same turn."""
    loop = IOLoop.current()
    left, right = pair
    calls = []

    def handler(fd: socket.socket, events: int) -> None:
        calls.append(events)
        loop.remove_handler(fd)

    right.send(b"x")
    loop.add_handler(left, handler, IOLoop.READ | IOLoop.WRITE)
    await turns()
    assert len(calls) == 1


@pytest.mark.parametrize("second", [lambda sock: sock, lambda sock: sock.fileno()])
async def test_a_descriptor_has_one_handler(
    pair: Pair, second: Callable[[socket.socket], Any]
) -> None:
    loop = IOLoop.current()
    loop.add_handler(pair[0], nothing, IOLoop.READ)
    with pytest.raises(ValueError, match="added twice"):
        loop.add_handler(second(pair[0]), nothing, IOLoop.READ)
    loop.remove_handler(second(pair[0]))
    assert loop.handlers == {}


async def test_without_a_handler_update_and_remove_do_nothing(pair: Pair) -> None:
    loop = IOLoop.current()
    for fd in pair[0], pair[0].fileno(), -1:
        loop.update_handler(fd, IOLoop.READ)
        loop.remove_handler(fd)
    assert loop.handlers == {}
    assert loop.readers == set()


async def test_a_closed_socket_is_refused_and_leaves_no_trace(pair: Pair) -> None:
    loop = IOLoop.current()
    pair[0].close()
    with pytest.raises(ValueError, match="Invalid file descriptor: -1"):
        loop.add_handler(pair[0], nothing, IOLoop.READ)
    assert loop.handlers == {}


async def test_what_cannot_be_waited_for_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    loop = IOLoop.current()
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb") as file, pytest.raises(OSError):
        loop.add_handler(file, nothing, IOLoop.READ)
    assert loop.handlers == {}
    assert loop.readers == set()


async def test_a_socket_closed_before_its_handler_is_removed_is_found(pair: Pair) -> None:
    """Its number, which it does not know any more, can be given out and added again."""
    loop = IOLoop.current()
    left, right = pair
    number = left.fileno()
    loop.add_handler(left, nothing, IOLoop.READ)
    left.close()
    loop.remove_handler(left)
    assert loop.handlers == {}
    os.dup2(right.fileno(), number)
    seen: asyncio.Future[int] = asyncio.Future()

    def handler(fd: int, events: int) -> None:
        loop.remove_handler(fd)
        seen.set_result(events)

    loop.add_handler(number, handler, IOLoop.READ)
    assert await seen == IOLoop.READ  # the end, since the other side was closed
    loop.close_fd(number)


async def test_a_socket_closed_with_a_handler_has_no_more_calls(pair: Pair) -> None:
    """At the latest with what the peer sends the connection is gone."""
    loop = IOLoop.current()
    left, right = pair
    ended: asyncio.Future[None] = asyncio.Future()

    def handler(fd: socket.socket, events: int) -> None:
        loop.remove_handler(fd)
        ended.set_result(None)

    loop.add_handler(left, lambda fd, events: pytest.fail("called"), IOLoop.READ)
    loop.add_handler(right, handler, IOLoop.READ)
    left.close()
    right.send(b"x")
    await ended
    loop.remove_handler(left)
    assert loop.handlers == {}


@pytest.mark.parametrize("all_fds", [False, True])
@pytest.mark.parametrize("closed_before", [False, True])
def test_close_closes_what_was_added_only_if_asked(
    loop_name: str, pair: Pair, all_fds: bool, closed_before: bool
) -> None:
    loop = IOLoop(make_current=False, uvloop=loop_name == "uvloop")
    left, right = pair
    number = os.dup(right.fileno())

    def add() -> None:
        loop.add_handler(left, nothing, IOLoop.READ)
        loop.add_handler(number, nothing, IOLoop.READ)

    loop.run_sync(add)
    if closed_before:
        loop.asyncio_loop.close()
    loop.close(all_fds=all_fds)
    assert (left.fileno() == -1) is all_fds
    if all_fds:
        with pytest.raises(OSError):
            os.fstat(number)
    else:
        os.close(number)


async def test_split_fd_and_close_fd_take_numbers_and_objects(pair: Pair) -> None:
    loop = IOLoop.current()
    left, right = pair
    assert loop.split_fd(left) == (left.fileno(), left)
    assert loop.split_fd(7) == (7, 7)
    number = right.detach()
    for _ in range(2):
        loop.close_fd(left)
        loop.close_fd(number)
    assert left.fileno() == -1
    with pytest.raises(OSError):
        os.fstat(number)
