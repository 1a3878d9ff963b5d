"""Echo of WebSocket messages with a bare protocol: what Python itself costs, and zlib.

It takes every message to be one frame, checks nothing, and holds nobody back.
"""

import asyncio
import zlib
from typing import cast

from websockets.speedups import apply_mask

from benchmarks.servers.startup import ADDRESS, BACKLOG, LOOPS, arguments, run

DEFLATE = b"permessage-deflate"
#: To the key that the load sends.
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Echo(asyncio.Protocol):
    """Send each message back."""

    def __init__(self) -> None:
        self.rest = b""
        self.opened = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)

    def open(self, head: bytes) -> None:
        """Answer the handshake."""
        answer = b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        if DEFLATE in head:
            answer += b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
            self.inflater = zlib.decompressobj(-15)
            self.deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.transport.write(answer + b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n")
        self.opened = True

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data, self.rest = self.rest + data, b""
        if not self.opened:
            self.open(data)
            return
        while len(data) >= 6:
            size, start = data[1] & 0x7F, 6
            if size > 125:
                start = 8 if size == 126 else 14
                size = int.from_bytes(data[2 : start - 4])
            end = start + size
            if len(data) < end:
                break
            payload = apply_mask(data[start:end], data[start - 4 : start])
            if data[0] & 0x40:
                text = self.inflater.decompress(payload + b"\x00\x00\xff\xff")
                packed = self.deflater.compress(text) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
                payload = packed[:-4]
            self.transport.write(head(data[0], len(payload)) + payload)
            data = data[end:]
        self.rest = data


def head(first: int, size: int) -> bytes:
    """Return the head of a frame."""
    if size < 126:
        return bytes((first, size))
    if size < 0x10000:
        return bytes((first, 126)) + size.to_bytes(2)
    return bytes((first, 127)) + size.to_bytes(8)


async def main(port: int) -> None:
    """Listen."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Echo, ADDRESS, port, backlog=BACKLOG)


if __name__ == "__main__":
    options = arguments(__doc__, LOOPS)
    run(main(options.port), options.loop)
