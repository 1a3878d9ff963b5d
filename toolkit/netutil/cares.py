"""`CaresResolver`: asks name servers itself, by c-ares (the extra ``cares``)."""

import asyncio
import functools
import socket
from collections.abc import Iterable
from typing import Any

import pycares

from toolkit.concurrent import Future
from toolkit.netutil.resolver import Address, Resolver, check, numeric


class CaresResolver(Resolver):
    """A resolver that neither blocks nor takes threads of an executor, however many it asks.

    It reads ``/etc/hosts`` and ``/etc/resolv.conf`` as the system does, but knows none of the
    other sources that the system may be told to ask.

    Example::

        Resolver.configure("toolkit.platform.caresresolver.CaresResolver", timeout=2.0)

    Args:
        servers: addresses of the name servers; None for those of the system.
        port: UDP and TCP port of the servers; None for 53.
        timeout: seconds for the first try at a server; None for what c-ares has.
        tries: how often each server is asked; None for what c-ares has.
    """

    def initialize(
        self,
        servers: Iterable[str] | None = None,
        port: int | None = None,
        timeout: float | None = None,
        tries: int | None = None,
    ) -> None:
        """Set the resolver up; arguments as those of the class."""
        self._channel = pycares.Channel(
            servers=servers, udp_port=port, tcp_port=port, timeout=timeout, tries=tries
        )

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[Address]:
        check(host, port)
        address = numeric(host, port, family)
        if address is not None:
            return address
        answered: Future[list[Address]] = Future()
        loop = asyncio.get_running_loop()
        try:
            self._channel.getaddrinfo(
                host,
                port,
                family=family,
                type=socket.SOCK_STREAM,
                callback=functools.partial(_heard, loop, answered, host),
            )
        except UnicodeError as error:
            raise socket.gaierror(
                socket.EAI_NONAME, f"host {host[:100]!r} is no name: {error}"
            ) from error
        return await answered

    def close(self) -> None:
        """Give up what was asked and is not answered, and end."""
        self._channel.close()


def _heard(
    loop: asyncio.AbstractEventLoop,
    answered: "Future[list[Address]]",
    host: str,
    result: Any,
    error: int | None,
) -> None:
    """Have the loop take an answer; called in a thread of c-ares, or at once."""
    try:
        loop.call_soon_threadsafe(_settle, answered, host, result, error)
    except RuntimeError:
        return  # the loop was closed, so nobody waits


def _settle(answered: "Future[list[Address]]", host: str, result: Any, error: int | None) -> None:
    if answered.done():  # it was cancelled
        return
    if error is not None:
        said = f"{host[:100]!r}: {pycares.errno.strerror(error)!s} (c-ares, {error})"
        answered.set_exception(socket.gaierror(socket.EAI_NONAME, said))
        return
    answered.set_result(
        [
            (int(node.family), (node.addr[0].decode("ascii"), *node.addr[1:]))
            for node in result.nodes
        ]
    )
