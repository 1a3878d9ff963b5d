"""Watching sockets from a thread, for loops that cannot."""

import asyncio
import contextvars
import gc
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.loops import FACTORIES, expect_log
from toolkit.ioloop import AddThreadSelectorEventLoop, IOLoop, SelectorThread

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Make two sockets connected to each other."""
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        yield left, right


@pytest.fixture
async def selector(pair: Pair) -> AsyncIterator[SelectorThread]:
    """Make a selector thread for the running loop, and close it before the sockets."""
    thread = SelectorThread(asyncio.get_running_loop())
    yield thread
    thread.close()
    assert selector_threads() == []


def selector_threads() -> list[threading.Thread]:
    """Return the threads that watch."""
    return [thread for thread in threading.enumerate() if thread.name == "selector"]


async def test_callbacks_run_on_the_real_loop_as_long_as_there_is_something(
    selector: SelectorThread, pair: Pair
) -> None:
    left, right = pair
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    def callback(sock: socket.socket) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.put_nowait(sock.recv(1))

    selector.add_reader(left, callback, left)
    right.send(b"abc")
    assert [await seen.get() for _ in range(3)] == [b"a", b"b", b"c"]
    right.send(b"d")
    assert await seen.get() == b"d"
    assert selector.remove_reader(left) is True
    assert selector.remove_reader(left) is False


async def test_a_socket_is_watched_for_writing_and_reading_at_once(
    selector: SelectorThread, pair: Pair
) -> None:
    left, right = pair
    written, read = asyncio.Event(), asyncio.Event()

    def write() -> None:
        assert selector.remove_writer(left.fileno()) is True
        left.send(b"question")
        written.set()

    def answer() -> None:
        right.send(right.recv(100))

    def receive() -> None:
        assert left.recv(100) == b"question"
        read.set()

    selector.add_reader(right, answer)
    selector.add_reader(left, receive)
    selector.add_writer(left, write)
    await written.wait()
    await read.wait()
    assert selector.remove_writer(left) is False


async def test_a_second_callback_takes_the_place_of_the_first(
    selector: SelectorThread, pair: Pair
) -> None:
    left, right = pair
    called = asyncio.Event()
    selector.add_reader(left, pytest.fail, "the first was called")
    selector.add_reader(left, lambda: (left.recv(100), called.set()))
    right.send(b"x")
    await called.wait()


async def test_no_callback_comes_after_its_removal(selector: SelectorThread, pair: Pair) -> None:
    """Even if the event is on its way already."""
    left, right = pair
    both = asyncio.Event()
    seen = []

    def callback(sock: socket.socket) -> None:
        seen.append(sock)
        selector.remove_reader(left)
        selector.remove_reader(right)
        both.set()

    left.send(b"x")
    right.send(b"x")
    selector.add_reader(left, callback, left)
    selector.add_reader(right, callback, right)
    await both.wait()
    turn = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, turn.set)
    await turn.wait()
    assert len(seen) == 1


async def test_a_socket_may_be_closed_after_its_removal_and_its_number_used_again(
    selector: SelectorThread,
) -> None:
    for _ in range(20):
        left, right = socket.socketpair()
        with left, right:
            called = asyncio.Event()
            selector.add_reader(left, lambda sock, done: (sock.recv(9), done.set()), left, called)
            right.send(b"x")
            await called.wait()
            assert selector.remove_reader(left)


async def test_a_callback_has_the_context_of_who_added_it(
    selector: SelectorThread, pair: Pair
) -> None:
    left, right = pair
    variable = contextvars.ContextVar("variable", default="default")
    seen: asyncio.Future[str] = asyncio.Future()
    variable.set("ours")
    selector.add_reader(left, lambda: (left.recv(9), seen.set_result(variable.get())))
    variable.set("another")
    right.send(b"x")
    assert await seen == "ours"


async def test_what_a_callback_raises_goes_to_the_real_loop_and_watching_goes_on(
    selector: SelectorThread, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    left, right = pair
    enough = asyncio.Event()

    def fail() -> None:
        if left.recv(1) == b"b":
            enough.set()
        raise ZeroDivisionError

    selector.add_reader(left, fail)
    right.send(b"ab")
    await enough.wait()
    await asyncio.sleep(0)
    assert len(expect_log(caplog, "asyncio", "Exception in callback")) == 2


async def test_what_cannot_be_watched_is_an_error_at_once(
    selector: SelectorThread, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        with pytest.raises(PermissionError):
            selector.add_reader(file, pytest.fail)
        assert selector.remove_reader(file) is False


async def test_a_socket_closed_without_removal_does_not_stop_the_others(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`select`, which Windows has nothing better than, fails for all of them."""
    monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)
    selector = SelectorThread(asyncio.get_running_loop())
    left, right = pair
    called = asyncio.Event()
    closed, other = socket.socketpair()
    with other:
        # Linux may call it once: to a `select` under way the closed socket looks readable.
        selector.add_reader(closed, int)
        closed.close()
        selector.add_reader(left, lambda: (left.recv(9), called.set()))
        right.send(b"x")
        await called.wait()
        selector.close()


async def test_a_callback_may_close_its_socket(selector: SelectorThread) -> None:
    left, right = socket.socketpair()
    closed = asyncio.Event()
    with right:
        selector.add_reader(left, lambda: (left.close(), closed.set()))
        right.send(b"x")
        await closed.wait()


async def test_after_close_nothing_can_be_added(pair: Pair) -> None:
    selector = SelectorThread(asyncio.get_running_loop())
    selector.close()
    selector.close()
    with pytest.raises(RuntimeError, match="closed"):
        selector.add_reader(pair[0], pytest.fail)
    assert selector.remove_reader(pair[0]) is False


async def test_close_stops_a_callback_that_is_due(pair: Pair) -> None:
    left, right = pair
    selector = SelectorThread(asyncio.get_running_loop())
    selector.add_reader(left, lambda: (selector.close(), closed.set()))
    closed = asyncio.Event()
    right.send(b"x")
    await closed.wait()
    assert selector_threads() == []


def test_the_thread_ends_with_asyncio_run(loop_name: str, pair: Pair) -> None:
    selectors = []

    async def main() -> None:
        selectors.append(SelectorThread(asyncio.get_running_loop()))
        selectors[0].add_reader(pair[0], pytest.fail)
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=FACTORIES[loop_name]) as runner:
        runner.run(main())
    assert selector_threads() == []
    selectors[0].close()


def test_the_thread_ends_when_it_is_forgotten(loop_name: str, pair: Pair) -> None:
    """Without a socket to watch nothing holds it."""
    loop = FACTORIES[loop_name]()
    selector = SelectorThread(loop)
    selector.add_reader(pair[0], pytest.fail)
    selector.remove_reader(pair[0])
    assert len(selector_threads()) == 1
    loop.close()
    del selector
    gc.collect()
    assert selector_threads() == []


def test_the_interpreter_can_exit_while_it_watches() -> None:
    program = (
        "import asyncio, socket\n"
        "from toolkit.ioloop import SelectorThread\n"
        "left, right = socket.socketpair()\n"
        "loop = asyncio.new_event_loop()\n"
        "selector = SelectorThread(loop)\n"
        "selector.add_reader(left, print)\n"
        "loop.run_until_complete(asyncio.sleep(0))\n"
    )
    command = [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# -- a loop with a selector thread -------------------------------------------------------


class NoSockets(asyncio.SelectorEventLoop):
    """A loop that watches no sockets for its users, as the proactor loop of Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader
    add_writer = asyncio.AbstractEventLoop.add_writer
    remove_reader = asyncio.AbstractEventLoop.remove_reader
    remove_writer = asyncio.AbstractEventLoop.remove_writer


def test_the_loop_does_all_as_the_real_one_and_watches_sockets(pair: Pair) -> None:
    left, right = pair
    real = NoSockets()
    loop = AddThreadSelectorEventLoop(real)
    loop.set_debug(True)
    loop.mark = 1
    assert real.get_debug()
    assert real.mark == 1
    with pytest.raises(NotImplementedError):
        real.add_reader(left, pytest.fail)

    async def main() -> bytes:
        assert asyncio.get_running_loop() is real
        received: asyncio.Future[bytes] = asyncio.Future()
        loop.add_reader(left, lambda: received.set_result(left.recv(100)))
        loop.add_writer(right, lambda: (right.send(b"sent"), loop.remove_writer(right)))
        try:
            return await received
        finally:
            assert loop.remove_reader(left)

    assert loop.run_until_complete(main()) == b"sent"
    loop.close()
    loop.close()
    assert real.is_closed()
    assert selector_threads() == []


def test_an_ioloop_uses_it_where_the_loop_watches_no_sockets(pair: Pair) -> None:
    left, right = pair
    loop = IOLoop(asyncio_loop=NoSockets(), make_current=False)

    async def main() -> bytes:
        received: asyncio.Future[bytes] = asyncio.Future()

        def handler(fd: socket.socket, events: int) -> None:
            assert events == IOLoop.READ
            loop.remove_handler(fd)
            received.set_result(fd.recv(100))

        loop.add_handler(left, handler, IOLoop.READ)
        right.send(b"sent")
        return await received

    assert loop.run_sync(main) == b"sent"
    assert isinstance(loop.selector_loop, AddThreadSelectorEventLoop)
    assert len(selector_threads()) == 1
    loop.close()
    assert loop.asyncio_loop.is_closed()
    assert selector_threads() == []


async def test_an_ioloop_needs_no_thread_where_the_loop_watches_sockets() -> None:
    loop = IOLoop.current()
    assert loop.selector_loop is loop.asyncio_loop
