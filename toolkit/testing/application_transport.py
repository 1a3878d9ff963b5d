"""`ApplicationTransport`: the client and an application in one process, without sockets."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from toolkit.httpclient.network import NetworkTransport
from toolkit.httpclient.options import ConnectOptions
from toolkit.httpclient.pool import PoolLimits
from toolkit.httpclient.target import Origin
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httpserver import HTTPServer
from toolkit.iostream import IOStream
from toolkit.testing.memory_streams import NO_FAULTS, Faults, memory_streams
from toolkit.wire.http1 import Limits

#: Of one direction of each connection, or of one connection after the other; the last of them
#: for all after it.
EachFaults = Faults | Sequence[Faults]


class ApplicationTransport(NetworkTransport):
    """A transport whose connections lead to an application, in memory.

    Example::

        transport = ApplicationTransport(Application([(r"/", MainHandler)]))
        async with AsyncHTTPClient(force_instance=True, transport=transport) as client:
            response = await client.fetch("http://any.host/")

    All but the socket is as it is elsewhere: the client's pool and its connections, HTTP/1 with
    its limits and time-outs, the server. Every host leads to the application. No TLS is spoken, be
    it for ``https`` or not: what the application sees is the `protocol` of its server.

    Args:
        application: what `HTTPServer` takes, or an `HTTPServer` that need not listen.
        requests: what goes wrong on the way to the application.
        responses: what goes wrong on the way back.
        pool: how many connections there may be.

    Attributes:
        server: the HTTPServer.
        connections: how many were made.
    """

    def __init__(
        self,
        application: Any,
        *,
        requests: EachFaults = NO_FAULTS,
        responses: EachFaults = NO_FAULTS,
        pool: PoolLimits | None = None,
    ) -> None:
        given = isinstance(application, HTTPServer)
        self.server: HTTPServer = application if given else HTTPServer(application)
        self.connections = 0
        self._requests = requests
        self._responses = responses
        super().__init__(
            asyncio.get_running_loop(),
            connector=self,
            limits=Limits(),
            pool_limits=PoolLimits() if pool is None else pool,
        )

    async def connect(
        self,
        options: ConnectOptions,
        origin: Origin,
        timeouts: Timeouts,
        progress: Callable[[str], None],
    ) -> IOStream:
        """Return the client's end of a new connection; for the transport."""
        number = self.connections
        self.connections += 1
        client, server = memory_streams(_at(self._requests, number), _at(self._responses, number))
        self.server.handle_stream(server, server.peer_address)
        progress("connected")
        return client

    async def aclose(self) -> None:
        """Close the connections, and stop the server."""
        await super().aclose()
        await self.server.shutdown()


def _at(faults: EachFaults, number: int) -> Faults:
    if isinstance(faults, Faults):
        return faults
    return faults[min(number, len(faults) - 1)]
