"""An echo server over TLS: `python -m demos.tlsecho --port=8893 --ca-file=ca.pem`, and then

openssl s_client -connect localhost:8893 -CAfile ca.pem -verify_return_error

With --starttls connections begin in the clear, as those of POP3 do, and the client asks for
TLS: add `-starttls pop3` to the second line.
"""

import argparse
import asyncio
import contextlib
import shutil
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

import toolkit
from demos.tlsecho.certificate import make_certificate
from toolkit.iostream import IOStream, SSLIOStream
from toolkit.log import app_log, enable_pretty_logging
from toolkit.netutil import ssl_options_to_context
from toolkit.tcpserver import TCPServer

#: Longest line, its end included; a longer one closes its connection.
MAX_LINE = 1024
#: Seconds for a client to ask for TLS and shake hands.
TLS_TIMEOUT = 10.0


class EchoServer(TCPServer):
    """Sends each line back, over TLS."""

    #: When it stops, nobody is waited for who is in the middle of a line.
    shutdown_timeout = 0.0

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        # The first read waits for the handshake.
        await echo(stream)


class StartTLSServer(TCPServer):
    """Sends each line back, over TLS that the client has to ask for (RFC 2595 section 4)."""

    shutdown_timeout = 0.0

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._tls = context

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        try:
            async with asyncio.timeout(TLS_TIMEOUT):
                secure = await self.secured(stream)
        except (TimeoutError, ssl.SSLError) as error:
            stream.close()
            app_log.warning("No TLS with %s: %r", address, error)
            return
        # From here on `stream` is of no use, and the other one is to be closed.
        async with secure:
            await echo(secure)

    async def secured(self, stream: IOStream) -> SSLIOStream:
        """Return the stream over TLS, once the client has asked for it."""
        await stream.write(b"+OK say STLS\r\n")
        while (await stream.read_until(b"\n", max_bytes=MAX_LINE)).strip().upper() != b"STLS":
            await stream.write(b"-ERR not in the clear; say STLS\r\n")
        await stream.write(b"+OK\r\n")
        # What came behind the client's line is taken for a part of the handshake, so that
        # nobody on the way can slip in lines of his own.
        return await stream.start_tls(True, self._tls)


async def echo(stream: IOStream) -> None:
    """Send each line back until the client leaves."""
    while True:
        await stream.write(await stream.read_until(b"\n", max_bytes=MAX_LINE))


async def main(port: int, address: str, ca_file: Path, starttls: bool) -> None:
    """Serve until SIGINT or SIGTERM."""
    names = dict.fromkeys(["localhost", "127.0.0.1", "::1", address])
    with tempfile.TemporaryDirectory(prefix="tlsecho-") as folder:
        certificate, key, authority = make_certificate(Path(folder), list(names))
        shutil.copy(authority, ca_file)
        options = {"certfile": certificate, "keyfile": key}
        context = ssl_options_to_context(options, server_side=True)
    async with StartTLSServer(context) if starttls else EchoServer(context) as server:
        server.listen(port, address)
        print(f"TLS echo on {address} port {server.addresses[0][1]}", flush=True)
        # Both signals cancel this wait; after it the server is left in order.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=8893)
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--ca-file",
        type=Path,
        default="ca.pem",
        help="where to write the certificate of the authority that clients have to trust",
    )
    parser.add_argument(
        "--starttls", action="store_true", help="wait for the client to ask for TLS"
    )
    arguments = parser.parse_args()
    enable_pretty_logging()
    try:
        toolkit.run(main(arguments.port, arguments.address, arguments.ca_file, arguments.starttls))
    except (RuntimeError, OSError) as error:
        sys.exit(f"tlsecho: {error}")
