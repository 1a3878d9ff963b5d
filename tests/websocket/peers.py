"""Clients that say whatever they are told to, frame by frame, and handlers that note it."""

import asyncio
from typing import Any, Self

from tests.http.client import Answer, Client, Site
from toolkit.websocket import WebSocketHandler
from toolkit.wire.events import RequestHead, ResponseHead
from toolkit.wire.http1 import Machine as HTTPMachine
from toolkit.wire.websocket import CLIENT, CLOSED, NEED_DATA, Event, Machine

#: A key as RFC 6455 §1.3 has it.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ASKING = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
)


def asking(target: str = "/", fields: str = "", handshake: str = ASKING) -> bytes:
    """Write the request for a WebSocket."""
    return f"GET {target} HTTP/1.1\r\nHost: h\r\n{handshake}{fields}\r\n".encode("latin-1")


def masked(first: int, payload: bytes = b"", size: int | None = None) -> bytes:
    """Write a frame with a mask that changes nothing.

    Args:
        first: its first byte.
        size: length that it tells; None for the true one.
    """
    size = len(payload) if size is None else size
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65536:
        head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


async def answer_to(client: Client) -> Answer:
    """Read the answer to a handshake, 101 or another one without its content."""
    machine = HTTPMachine(CLIENT)
    fields = [("Host", "h"), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    machine.send_head(RequestHead("GET", "/", fields), b"", True)
    while (head := machine.next_event()) is NEED_DATA:
        machine.receive(await client.read())
    assert isinstance(head, ResponseHead), head
    client.rest = machine.take_rest()
    return Answer(head.status, head.reason or "", list(head.fields), b"", [], True)


class Peer:
    """A client after its handshake.

    Attributes:
        answer: of the server to that.
    """

    def __init__(self, client: Client, answer: Answer) -> None:
        self.client = client
        self.answer = answer
        self.machine = Machine(CLIENT, mask_key=lambda: b"\x01\x02\x03\x04")
        if client.rest:
            self.machine.receive(client.rest)

    @classmethod
    async def connect(
        cls,
        site: Site,
        target: str = "/",
        fields: str = "",
        then: bytes = b"",
        receive_buffer: int | None = None,
    ) -> Self:
        """Shake hands.

        Args:
            fields: further header lines, each ended by CRLF.
            then: sent together with the request.
            receive_buffer: bytes that the kernel may keep for this client.
        """
        client = await site.client(receive_buffer)
        await client.send(asking(target, fields) + then)
        answer = await answer_to(client)
        assert answer.status == 101, answer
        return cls(client, answer)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self.client.send(data)

    async def say(self, event: Event) -> None:
        """Send a message, or another event."""
        await self.send(self.machine.send(event))

    async def event(self) -> Any:
        """Return what the server says next; CLOSED at the end."""
        while (event := self.machine.next_event()) is NEED_DATA:
            self.machine.receive(await self.client.read())
        return event

    async def expect_close(self, code: int | None, reason: str = "") -> None:
        """Check that the server closes with a code, and then the connection."""
        event = await self.event()
        assert (event.code, event.reason) == (code, reason), event
        assert await self.client.read() == b""
        assert self.machine.next_event() is CLOSED


class Noting(WebSocketHandler):
    """Notes what happens to it in a list that the route gives."""

    def initialize(self, seen: list[Any]) -> None:
        self.seen = seen

    def open(self) -> None:
        self.seen.append("open")

    def on_message(self, message: Any) -> Any:
        self.seen.append(message)

    def on_ping(self, data: bytes) -> None:
        self.seen.append(("ping", data))

    def on_pong(self, data: bytes) -> None:
        self.seen.append(("pong", data))

    def on_close(self) -> None:
        self.seen.append(("close", self.close_code, self.close_reason))


class Echo(WebSocketHandler):
    """Sends back what comes."""

    def on_message(self, message: Any) -> None:
        self.write_message(message, binary=isinstance(message, bytes))


async def until(condition: Any) -> None:
    """Let the loop turn until something is true; the bound of the test ends it else."""
    while not condition():
        await asyncio.sleep(0.001)
