"""`toolkit.platform.asyncio`: Tornado's names for the bridge to asyncio."""

import asyncio
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from toolkit import ioloop
from toolkit.ioloop import IOLoop
from toolkit.platform import asyncio as door
from toolkit.platform.asyncio import (
    AsyncIOLoop,
    AsyncIOMainLoop,
    BaseAsyncIOLoop,
    to_asyncio_future,
    to_tornado_future,
)


@pytest.fixture
def clean() -> Iterator[None]:
    """Have no loop set for this thread, before and after."""
    asyncio.set_event_loop(None)
    yield
    asyncio.set_event_loop(None)


def test_it_is_a_door_to_the_loops() -> None:
    for name in door.__all__:
        assert hasattr(door, name)
        if hasattr(ioloop, name):
            assert getattr(door, name) is getattr(ioloop, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = door.nothing


def test_the_classes_tell_who_made_the_loop(clean: None) -> None:
    assert type(IOLoop.current()) is AsyncIOMainLoop
    IOLoop.current().close()
    loop = IOLoop()
    assert type(loop) is AsyncIOLoop
    assert IOLoop.current() is loop
    loop.close()

    async def running() -> type[IOLoop]:
        return type(IOLoop.current())

    assert asyncio.run(running()) is AsyncIOMainLoop
    for kind in AsyncIOLoop, AsyncIOMainLoop:
        assert issubclass(kind, BaseAsyncIOLoop)
    assert issubclass(BaseAsyncIOLoop, IOLoop)


def test_a_main_loop_wraps_the_loop_of_the_thread(clean: None) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    main = AsyncIOMainLoop(make_current=False)
    assert main.asyncio_loop is loop
    assert IOLoop.current() is main
    with pytest.raises(RuntimeError, match="wrapped already"):
        AsyncIOMainLoop()
    main.close()
    made = AsyncIOMainLoop()
    assert IOLoop.current() is made
    made.close()


def test_a_base_loop_wraps_what_it_is_given(clean: None) -> None:
    loop = asyncio.new_event_loop()
    wrapper = BaseAsyncIOLoop(loop)
    assert wrapper.asyncio_loop is loop
    assert IOLoop.current(instance=False) is None
    wrapper.close()
    assert loop.is_closed()
    with pytest.raises(TypeError, match="asyncio_loop"):
        BaseAsyncIOLoop()


async def test_futures_of_both_worlds_are_the_same() -> None:
    future: asyncio.Future[int] = asyncio.Future()
    assert to_tornado_future(future) is future
    assert to_asyncio_future(future) is future

    async def answer() -> int:
        return 42

    assert await to_asyncio_future(answer()) == 42
    assert await to_asyncio_future([answer(), answer()]) == [42, 42]


# -- a loop for every thread -------------------------------------------------------------


def loop_of_another_thread() -> asyncio.AbstractEventLoop | None:
    """Return what asyncio gives a new thread that asks for a loop, closed."""
    found: list[asyncio.AbstractEventLoop] = []

    def ask() -> None:
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            return
        assert asyncio.get_event_loop() is loop
        loop.close()
        found.append(loop)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0] if found else None


def test_the_policy_makes_a_loop_in_any_thread(clean: None) -> None:
    policy = door.AnyThreadEventLoopPolicy
    assert policy is door.AnyThreadEventLoopPolicy
    before = asyncio.get_event_loop_policy()
    assert loop_of_another_thread() is None
    with pytest.warns(DeprecationWarning, match="AnyThreadEventLoopPolicy is deprecated"):
        asyncio.set_event_loop_policy(policy())
    try:
        assert isinstance(loop_of_another_thread(), asyncio.AbstractEventLoop)
    finally:
        asyncio.set_event_loop_policy(before)


def test_the_policy_is_not_looked_at_when_the_door_is_imported() -> None:
    """Python 3.14 warns of it."""
    program = (
        "import asyncio\n"
        "del asyncio.DefaultEventLoopPolicy\n"
        "import toolkit.platform.asyncio, toolkit.ioloop\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=20)


def test_current_gives_any_thread_a_loop(clean: None) -> None:
    seen = []

    def ask() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loop = IOLoop.current()
        seen.append(loop)
        assert IOLoop.current() is loop
        loop.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 2
