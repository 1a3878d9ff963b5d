"""A TCP proxy: `python -m demos.tcpproxy --port=8892 --target=127.0.0.1:8889`."""

import argparse
import asyncio
import contextlib
from typing import Any
from urllib.parse import urlsplit

import toolkit
from toolkit.iostream import IOStream, StreamClosedError, relay
from toolkit.log import app_log, enable_pretty_logging
from toolkit.tcpclient import TCPClient
from toolkit.tcpserver import TCPServer
from toolkit.wire.proxy_protocol import Family, Header, serialize

#: Seconds for the target to accept a connection.
CONNECT_TIMEOUT = 10.0


class Proxy(TCPServer):
    """Connects each client with the target.

    Args:
        host, port: of the target.
        version: of the PROXY protocol, by which the target is told who the client is; None
            tells it nothing.
    """

    #: Connections last as long as they like; who stops the proxy does not want to wait for that.
    shutdown_timeout = 0.0

    def __init__(self, host: str, port: int, version: int | None = None) -> None:
        super().__init__()
        self.target = host, port
        self._version = version
        self._connector = TCPClient()

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        async with stream:
            try:
                target = await self._connector.connect(*self.target, timeout=CONNECT_TIMEOUT)
            except OSError as error:
                app_log.warning("%s", error)
                return
            async with target:
                if self._version is not None:
                    target.write_nowait(introduction(self._version, stream, address))
                await join(stream, target)


async def join(one: IOStream, other: IOStream) -> None:
    """Pass on what each of two streams receives to the other one, until both have ended.

    What ends one of them early ends both.
    """
    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(forward(one, other))
            ways.create_task(forward(other, one))
    except* StreamClosedError:
        pass  # a peer is gone, which is its right


async def forward(source: IOStream, target: IOStream) -> None:
    """Pass on what comes, no faster than the target takes it, and then that no more comes."""
    await relay(source, target)
    target.write_eof()


def introduction(version: int, stream: IOStream, address: Any) -> bytes:
    """Return the header that tells the target who connected to whom."""
    source, destination = address[:2], stream.socket.getsockname()[:2]
    family: Family = "TCP6" if ":" in source[0] else "TCP4"
    return serialize(Header("PROXY", family, source, destination, version=version))


def host_and_port(text: str) -> tuple[str, int]:
    """Read ``host:port``, where an IPv6 address stands in brackets."""
    parts = urlsplit(f"//{text}")
    try:
        if parts.hostname and parts.port and parts.netloc == text and parts.username is None:
            return parts.hostname, parts.port
    except ValueError:
        pass  # of a port out of range
    raise argparse.ArgumentTypeError(f"{text!r}; host:port is allowed")


async def main(port: int, address: str, target: tuple[str, int], version: int | None) -> None:
    """Serve until SIGINT or SIGTERM."""
    async with Proxy(*target, version) as server:
        server.listen(port, address)
        print(f"proxy on {address} port {server.addresses[0][1]}", flush=True)
        # Both signals cancel this wait; after it the server is left in order.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8892)
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--target",
        type=host_and_port,
        default="127.0.0.1:8889",
        metavar="HOST:PORT",
        help="address to connect to",
    )
    parser.add_argument(
        "--proxy-protocol",
        type=int,
        choices=(1, 2),
        help="tell the target who the client is, by a header of this version",
    )
    arguments = parser.parse_args()
    enable_pretty_logging()
    toolkit.run(main(arguments.port, arguments.address, arguments.target, arguments.proxy_protocol))
