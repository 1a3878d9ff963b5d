"""Resolvers: from the name of a host to its addresses."""

import asyncio
import concurrent.futures
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from toolkit.netutil import (
    BlockingResolver,
    DefaultExecutorResolver,
    DefaultLoopResolver,
    ExecutorResolver,
    OverrideResolver,
    Resolver,
    ThreadedResolver,
)

#: What makes each resolver that asks the system.
MAKERS: list[Callable[[], Resolver]] = [
    DefaultLoopResolver,
    DefaultExecutorResolver,
    ExecutorResolver,
    BlockingResolver,
    ThreadedResolver,
    lambda: ExecutorResolver(concurrent.futures.ThreadPoolExecutor(1)),
    lambda: OverrideResolver(DefaultLoopResolver(), {}),
]


@pytest.fixture(params=MAKERS, ids=lambda make: getattr(make, "__name__", ""))
def resolver(request: pytest.FixtureRequest) -> Iterator[Resolver]:
    """Return a resolver of each kind."""
    made = request.param()
    yield made
    made.close()
    if ThreadedResolver._threadpool is not None:
        ThreadedResolver._threadpool.shutdown()
        ThreadedResolver._threadpool = None


class Recorder(Resolver):
    """A resolver that says what it was asked."""

    def initialize(self) -> None:
        self.closed = False

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, Any]]:
        """Return the question."""
        return [(family, (host, port))]

    def close(self) -> None:
        """Take note."""
        self.closed = True


# -- the system's answers ----------------------------------------------------------------


async def test_a_name_has_addresses(resolver: Resolver) -> None:
    found = await resolver.resolve("localhost", 80)
    assert found
    assert set(found) <= {(socket.AF_INET, ("127.0.0.1", 80)), (socket.AF_INET6, ("::1", 80, 0, 0))}


async def test_a_family_can_be_chosen(resolver: Resolver) -> None:
    found = await resolver.resolve("localhost", 80, socket.AF_INET)
    assert found == [(socket.AF_INET, ("127.0.0.1", 80))]


@pytest.mark.parametrize(
    ("host", "family", "address"),
    [
        ("192.0.2.1", socket.AF_INET, ("192.0.2.1", 443)),
        ("2001:0DB8::0:1", socket.AF_INET6, ("2001:db8::1", 443, 0, 0)),
        ("::ffff:192.0.2.1", socket.AF_INET6, ("::ffff:192.0.2.1", 443, 0, 0)),
    ],
)
@pytest.mark.parametrize("chosen", [True, False])
async def test_an_ip_address_is_its_own_in_the_usual_form(
    resolver: Resolver,
    host: str,
    family: socket.AddressFamily,
    address: tuple[object, ...],
    chosen: bool,
) -> None:
    found = await resolver.resolve(host, 443, family if chosen else socket.AF_UNSPEC)
    assert found == [(family, address)]


@pytest.mark.parametrize(
    ("host", "port", "family"),
    [
        ("an invalid domain", 80, socket.AF_UNSPEC),
        ("a" * 64 + ".example", 80, socket.AF_UNSPEC),  # a label too long
        ("a..example", 80, socket.AF_UNSPEC),
        ("localhost\0.example", 80, socket.AF_UNSPEC),
        ("\ud800", 80, socket.AF_UNSPEC),
        ("127.0.0.1", 80, socket.AF_INET6),
        ("::1", 80, socket.AF_INET),
        ("127.0.0.1", 65536, socket.AF_UNSPEC),  # the system would take port 0
        ("localhost", 65536 + 80, socket.AF_UNSPEC),
        ("localhost", -1, socket.AF_UNSPEC),
    ],
)
async def test_what_cannot_be_resolved_is_an_oserror(
    resolver: Resolver, host: str, port: int, family: socket.AddressFamily
) -> None:
    """Whatever the system, Python's codecs or the loop say of it."""
    with pytest.raises(OSError):
        await resolver.resolve(host, port, family)


async def test_an_ip_address_needs_no_thread() -> None:
    """It is found without a turn of the loop."""
    looking_up = DefaultLoopResolver().resolve("127.0.0.1", 80)
    with pytest.raises(StopIteration) as end:
        looking_up.__await__().send(None)  # type: ignore[attr-defined]
    assert end.value.value == [(socket.AF_INET, ("127.0.0.1", 80))]


async def test_looking_up_can_be_cancelled(resolver: Resolver) -> None:
    looking_up = asyncio.ensure_future(resolver.resolve("localhost", 80))
    await asyncio.sleep(0)
    looking_up.cancel()
    await asyncio.wait([looking_up])
    assert await resolver.resolve("localhost", 80, socket.AF_INET)


# -- executors ---------------------------------------------------------------------------


class Watched(concurrent.futures.ThreadPoolExecutor):
    """A pool that tells whether it was used and whether it was shut down."""

    submitted = 0
    closed = False

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Count."""
        self.submitted += 1
        return super().submit(*args, **kwargs)

    def shutdown(self, *args: Any, **kwargs: Any) -> None:
        """Take note."""
        self.closed = True
        super().shutdown(*args, **kwargs)


@pytest.mark.parametrize("close", [True, False])
async def test_an_executor_is_used_and_shut_down_unless_it_shall_stay(close: bool) -> None:
    with Watched(1) as pool:
        resolver = ExecutorResolver(pool, close_executor=close)
        assert resolver.executor is pool
        assert resolver.close_executor is close
        assert await resolver.resolve("localhost", 80, socket.AF_INET)
        assert pool.submitted == 1
        resolver.close()
        assert pool.closed is close
        with pytest.raises(RuntimeError, match="the resolver is closed"):
            resolver.resolve("localhost", 80)


@pytest.mark.parametrize("make", [BlockingResolver, ExecutorResolver])
async def test_without_an_executor_there_is_no_thread(make: Callable[[], Resolver]) -> None:
    threads = threading.active_count()
    resolver = make()
    looking_up = resolver.resolve("localhost", 80, socket.AF_INET)
    assert isinstance(looking_up, asyncio.Future)
    assert looking_up.done()
    assert await looking_up
    assert threading.active_count() == threads
    resolver.close()


@pytest.fixture
def no_shared_pool() -> Iterator[None]:
    """Start and end without the pool that `ThreadedResolver` keeps."""
    ThreadedResolver._threadpool = None
    yield
    if ThreadedResolver._threadpool is not None:
        ThreadedResolver._threadpool.shutdown()
        ThreadedResolver._threadpool = None


async def test_threaded_resolvers_share_a_pool_which_outlives_them(no_shared_pool: None) -> None:
    first, second = ThreadedResolver(num_threads=1), ThreadedResolver(num_threads=5)
    assert first.executor is second.executor
    pool = first.executor
    assert pool is not None
    first.close()
    assert await second.resolve("localhost", 80, socket.AF_INET)
    second.close()
    third = ThreadedResolver()
    assert third.executor is pool
    assert await third.resolve("localhost", 80, socket.AF_INET)
    third.close()


def test_a_forked_process_has_a_pool_of_its_own(
    no_shared_pool: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads do not come along."""
    parent = ThreadedResolver()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    child = ThreadedResolver()
    assert child.executor is not parent.executor
    assert parent.executor is not None
    parent.executor.shutdown()


# -- the choice --------------------------------------------------------------------------


@pytest.fixture
def configured() -> Iterator[None]:
    """Undo what a test configures."""
    yield
    Resolver.configure(None)


def test_the_loops_way_is_the_default() -> None:
    assert type(Resolver()) is DefaultLoopResolver


@pytest.mark.parametrize("chosen", [Recorder, "toolkit.netutil.BlockingResolver"])
def test_another_resolver_can_be_configured(configured: None, chosen: Any) -> None:
    Resolver.configure(chosen)
    assert type(Resolver()) is (BlockingResolver if isinstance(chosen, str) else chosen)


def test_its_arguments_can_be_configured_too(configured: None, no_shared_pool: None) -> None:
    Resolver.configure("toolkit.netutil.ThreadedResolver", num_threads=3)
    resolver = Resolver()
    assert type(resolver) is ThreadedResolver
    assert resolver.executor._max_workers == 3  # type: ignore[union-attr]


def test_the_interface_alone_resolves_nothing() -> None:
    class Empty(Resolver):
        pass

    with pytest.raises(NotImplementedError):
        Empty().resolve("localhost", 80)
    Empty().close()


# -- overrides ---------------------------------------------------------------------------

MAPPING = {
    "host.example": "192.0.2.1",
    ("port.example", 443): ("other.example", 1443),
    ("family.example", 443, socket.AF_INET6): ("::1", 2443),
    ("family.example", 443): ("192.0.2.2", 3443),
    "family.example": "192.0.2.3",
}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("host.example", 80), ("192.0.2.1", 80)),
        (("host.example", 80, socket.AF_INET), ("192.0.2.1", 80)),
        (("port.example", 443), ("other.example", 1443)),
        (("port.example", 443, socket.AF_INET), ("other.example", 1443)),
        (("port.example", 80), ("port.example", 80)),
        (("family.example", 443, socket.AF_INET6), ("::1", 2443)),
        (("family.example", 443), ("192.0.2.2", 3443)),
        (("family.example", 80, socket.AF_INET6), ("192.0.2.3", 80)),
        (("unknown.example", 80), ("unknown.example", 80)),
        (("other.example", 1443), ("other.example", 1443)),
    ],
)
async def test_the_most_precise_override_counts(
    asked: tuple[Any, ...], expected: tuple[str, int]
) -> None:
    resolver = OverrideResolver(Recorder(), MAPPING)
    family = asked[2] if len(asked) == 3 else socket.AF_UNSPEC
    answer: Awaitable[list[tuple[int, Any]]] = resolver.resolve(*asked)
    assert await answer == [(family, expected)]


def test_an_override_is_closed_with_what_it_overrides() -> None:
    inner = Recorder()
    resolver = OverrideResolver(inner, MAPPING)
    assert resolver.resolver is inner
    assert resolver.mapping is MAPPING
    resolver.close()
    assert inner.closed
