"""Resolvers: from the name of a host to its addresses."""

import asyncio
import concurrent.futures
import os
import socket
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar

from toolkit.ioloop import IOLoop
from toolkit.util import Configurable

#: A family and what `socket.connect` takes in it.
Address = tuple[int, Any]


class Resolver(Configurable):
    """From the name of a host to its addresses; the constructor makes the one configured.

    Example::

        Resolver.configure("toolkit.netutil.ThreadedResolver", num_threads=4)

        addresses = await Resolver().resolve("example.com", 443)

    On offer are `DefaultLoopResolver`, which is what there is without `configure`,
    `OverrideResolver`, and for programs that name them `DefaultExecutorResolver`,
    `ExecutorResolver`, `BlockingResolver` and `ThreadedResolver`.
    """

    @classmethod
    def configurable_base(cls) -> type["Resolver"]:
        return Resolver

    @classmethod
    def configurable_default(cls) -> type["Resolver"]:
        return DefaultLoopResolver

    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[list[Address]]:
        """Return the addresses of a host as (family, address), the best one first.

        Args:
            host: name or IP address.
            family: AF_INET or AF_INET6 to have only that; AF_UNSPEC for both.
        Raises:
            OSError: there are none.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what the resolver holds."""


def numeric(host: str, port: int, family: int) -> list[Address] | None:
    """Return the address that an IP address is, which needs no look-up; None for a name."""
    for kind, rest in ((socket.AF_INET, ()), (socket.AF_INET6, (0, 0))):
        if family not in (socket.AF_UNSPEC, kind):
            continue
        try:
            packed = socket.inet_pton(kind, host)
        except (OSError, ValueError):
            continue
        return [(kind, (socket.inet_ntop(kind, packed), port, *rest))]
    return None


def check(host: str, port: int) -> None:
    """Refuse what the system would take a part of: up to a NUL, the lower bits of a port."""
    if "\0" in host:
        raise socket.gaierror(socket.EAI_NONAME, f"host {host[:100]!r} holds a NUL")
    if not 0 <= port <= 65535:
        raise socket.gaierror(socket.EAI_SERVICE, f"port {port}; 0 to 65535 are allowed")


def _bad_name(host: str, error: ValueError) -> socket.gaierror:
    """Return the error for a name that cannot even be asked for."""
    return socket.gaierror(socket.EAI_NONAME, f"host {host[:100]!r} is no name: {error}")


def _look_up(host: str, port: int, family: int = socket.AF_UNSPEC) -> list[Address]:
    """Return the addresses of a host, and block until they are known."""
    check(host, port)
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except ValueError as error:  # such as a label too long or empty
        raise _bad_name(host, error) from error
    return [(kind, address) for kind, _, _, _, address in found]


class DefaultLoopResolver(Resolver):
    """A resolver that asks the system by way of the loop (`asyncio.loop.getaddrinfo`)."""

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[Address]:
        check(host, port)
        address = numeric(host, port, family)
        if address is not None:
            return address
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        except ValueError as error:
            raise _bad_name(host, error) from error
        return [(kind, address) for kind, _, _, _, address in found]


class DefaultExecutorResolver(Resolver):
    """A resolver that asks the system in a thread of the loop's executor.

    Use `DefaultLoopResolver` instead.
    """

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[Address]:
        return await IOLoop.current().run_in_executor(None, _look_up, host, port, family)


class ExecutorResolver(Resolver):
    """A resolver that asks the system in an executor of the user's choice.

    Use `DefaultLoopResolver` instead.

    Attributes:
        executor: where to ask; None to ask in place, which blocks the loop.
        close_executor: whether to shut the executor down when the resolver is closed.
    """

    executor: concurrent.futures.Executor | None
    close_executor: bool

    def initialize(
        self,
        executor: concurrent.futures.Executor | None = None,
        close_executor: bool = True,
    ) -> None:
        self.executor = executor
        self.close_executor = close_executor and executor is not None
        self._closed = False

    def close(self) -> None:
        if self.close_executor and self.executor is not None:
            self.executor.shutdown()
        self.executor = None
        self._closed = True

    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> "asyncio.Future[list[Address]]":
        if self._closed:
            raise RuntimeError("the resolver is closed")
        loop = IOLoop.current().asyncio_loop
        if self.executor is not None:
            return loop.run_in_executor(self.executor, _look_up, host, port, family)
        future = loop.create_future()
        try:
            future.set_result(_look_up(host, port, family))
        except OSError as error:
            future.set_exception(error)
        return future


class BlockingResolver(ExecutorResolver):
    """A resolver that blocks the loop while it asks the system.

    Use `DefaultLoopResolver` instead.
    """

    def initialize(self) -> None:  # type: ignore[override]  # it has no executor to choose
        super().initialize()


class ThreadedResolver(ExecutorResolver):
    """A resolver that asks in threads, which all resolvers of this class share.

    The first one to be made says how many: ``num_threads``. Use `DefaultLoopResolver` instead.
    """

    _threadpool: ClassVar[concurrent.futures.ThreadPoolExecutor | None] = None
    _threadpool_pid: ClassVar[int | None] = None

    def initialize(self, num_threads: int = 10) -> None:  # type: ignore[override]  # as above
        super().initialize(self._shared_pool(num_threads), close_executor=False)

    @staticmethod
    def _shared_pool(num_threads: int) -> concurrent.futures.ThreadPoolExecutor:
        # Threads do not come along when a process forks.
        pid = os.getpid()
        if ThreadedResolver._threadpool is None or ThreadedResolver._threadpool_pid != pid:
            ThreadedResolver._threadpool = concurrent.futures.ThreadPoolExecutor(
                num_threads, thread_name_prefix="resolver"
            )
            ThreadedResolver._threadpool_pid = pid
        return ThreadedResolver._threadpool


class OverrideResolver(Resolver):
    """A resolver that asks another one, for some hosts by another name.

    Example::

        OverrideResolver(
            Resolver(),
            {
                "example.com": "127.0.0.1",
                ("login.example.com", 443): ("localhost", 1443),
                ("login.example.com", 443, socket.AF_INET6): ("::1", 1443),
            },
        )

    Args:
        resolver: the one to ask; it is closed together with this one.
        mapping: what to ask for instead of a host, a (host, port) or a (host, port, family);
            the most precise one counts.
    """

    resolver: Resolver
    mapping: Mapping[Any, Any]

    def initialize(self, resolver: Resolver, mapping: Mapping[Any, Any]) -> None:
        self.resolver = resolver
        self.mapping = mapping

    def close(self) -> None:
        self.resolver.close()

    def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> Awaitable[list[Address]]:
        for key in ((host, port, family), (host, port)):
            if key in self.mapping:
                host, port = self.mapping[key]
                break
        else:
            host = self.mapping.get(host, host)
        return self.resolver.resolve(host, port, family)
