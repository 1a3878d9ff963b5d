"""A WebSocket of ours below somebody else's ASGI server.

What handlers speak on is a stream like any other, whose transport turns frames into the messages
of ASGI and back. So all that there is for WebSockets works here as well.
"""

import asyncio
from typing import Any

from toolkit.asgi.guest_exchange import GuestExchange
from toolkit.asgi.messages import Message, Receive, Scope, Send
from toolkit.concurrent import Future
from toolkit.http1connection import Application, Successor
from toolkit.iostream import IOStream
from toolkit.wire.errors import LocalProtocolError
from toolkit.wire.events import RequestHead, ResponseHead
from toolkit.wire.websocket import CLIENT, CLOSED, NEED_DATA, Close, Limits, Machine, Ping, Pong

#: What stands for the key of the client, which the server in between has answered.
_KEY = "dG9vbGtpdC5hc2dpLmd1ZQ=="
#: Fields of the handshake, which the server in between sees to.
_OF_HANDSHAKE = ("sec-websocket-accept", "sec-websocket-protocol", "sec-websocket-extensions")
#: Bytes of messages that may wait for the server before a handler is held up.
HIGH_WATER = 64 * 1024
#: Codes that no frame may carry (RFC 6455 §7.4.1).
_UNSPOKEN = frozenset((1005, 1006, 1015))


class GuestWebSocket(GuestExchange):
    """The handshake of a WebSocket, and its life after that."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self.head = _handshake(self.head, scope)
        self._transport: _Transport | None = None
        self._finished: Future[None] = Future()
        self._refused = False

    async def serve(self, application: Application) -> None:
        """Have an application answer the handshake, and wait for the end of the WebSocket."""
        await self._receive()  # that somebody connects
        await super().serve(application)
        if self._transport is not None:
            await self._transport.end(self._finished)

    def upgrade(self, head: ResponseHead, successor: Successor | None = None) -> IOStream:
        fields = [(name.lower(), value) for name, value in head.fields]
        headers = [
            (name.encode(), value.encode("latin-1"))
            for name, value in fields
            if name not in (*_OF_HANDSHAKE, "upgrade", "connection", "date", "server")
        ]
        protocols = [value for name, value in fields if name == "sec-websocket-protocol"]
        accept: Message = {"type": "websocket.accept", "headers": headers}
        if protocols:
            accept["subprotocol"] = protocols[0]
        self.status = head.status
        self.answer_ended = True
        if successor is not None:
            successor.set_end_callback(lambda _: self._finished.set_result(None))
        streams: list[IOStream] = []
        protocol = IOStream.incoming(streams.append)
        self._transport = _Transport(protocol, self._receive, self._send, successor)
        self._transport.put(accept)
        protocol.connection_made(self._transport)
        return streams[0]

    def _put(self, message: Message) -> None:
        """Send a refusal, with its status and content where the server takes them."""
        if "websocket.http.response" in self._extensions:
            message["type"] = f"websocket.{message['type']}"
            super()._put(message)
        elif not self._refused:
            self._refused = True
            super()._put({"type": "websocket.close"})


class _Transport(asyncio.Transport):
    """Takes the frames of a server's side as messages, and gives it the client's as frames."""

    def __init__(
        self, protocol: IOStream, receive: Receive, send: Send, successor: Successor | None
    ) -> None:
        super().__init__()
        self._protocol = protocol
        self._receive = receive
        self._send = send
        self._successor = successor
        self._loop = asyncio.get_running_loop()
        # The messages were limited on their way, whichever it is.
        self._machine = Machine(CLIENT, Limits(message=1 << 62), mask_key=lambda: b"\0\0\0\0")
        self._outbox: list[tuple[Message, int]] = []
        self._unsent = 0
        self._high = HIGH_WATER
        self._blocked = False
        self._wake: Future[None] = Future()
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._accepted = asyncio.Event()
        self._closing = False
        self._lost = False
        self._tasks = [
            self._loop.create_task(self._bring()),
            self._loop.create_task(self._deliver()),
        ]

    async def end(self, over: "Future[None]") -> None:
        """Wait until the WebSocket is over, and all of it was handed to the server."""
        try:
            await asyncio.wait([over])
            self._close()
            await asyncio.wait([self._tasks[1]])
        finally:
            if not over.done() and self._successor is not None:
                task = self._successor.abort()
                if task is not None:
                    await asyncio.wait([task])
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    # -- what comes ----------------------------------------------------------------------

    async def _bring(self) -> None:
        """Give the protocol what the client sends."""
        while not self._lost:
            # Servers take it ill if messages are asked for before the client was accepted.
            await self._accepted.wait()
            await self._resumed.wait()
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._bring_end(message)
                return
            text = message.get("text")
            data = self._machine.send(message["bytes"] if text is None else text)
            self._protocol.data_received(data)

    def _bring_end(self, message: Message) -> None:
        code = message.get("code") or 1005
        try:
            if self._machine.close_sent is None and code != 1006:
                told = None if code in _UNSPOKEN else code
                close = Close(told, message.get("reason") or "" if told else "")
                self._protocol.data_received(self._machine.send(close))
        except LocalProtocolError:
            pass  # a code that no peer may send
        self._close()

    # -- what goes -----------------------------------------------------------------------

    def put(self, message: Message, size: int = 0) -> None:
        """Have a message handed to the server after those before it."""
        self._outbox.append((message, size))
        self._unsent += size
        if not self._wake.done():
            self._wake.set_result(None)

    async def _deliver(self) -> None:
        while True:
            if not self._outbox:
                if self._lost:
                    return
                self._wake = Future()
                await asyncio.wait([self._wake])
                continue
            message, size = self._outbox.pop(0)
            try:
                await self._send(message)
            except Exception:
                # Whatever a server calls it, nobody is there any more.
                self._outbox.clear()
                self._close()
            if message["type"] == "websocket.accept":
                self._accepted.set()
            self._unsent -= size
            if self._blocked and self._unsent <= self._high // 4:
                self._blocked = False
                self._protocol.resume_writing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take frames."""
        machine = self._machine
        machine.receive(bytes(data))
        while (event := machine.next_event()) is not NEED_DATA and event is not CLOSED:
            if isinstance(event, str):
                self.put({"type": "websocket.send", "text": event}, len(event))
            elif isinstance(event, bytes):
                self.put({"type": "websocket.send", "bytes": event}, len(event))
            elif isinstance(event, Ping):
                # The server in between has pings of its own.
                self._loop.call_soon(self._answer, event.payload)
            elif isinstance(event, Close):
                self._put_close(event)
        if self._unsent > self._high and not self._blocked:
            self._blocked = True
            self._protocol.pause_writing()

    def _answer(self, payload: bytes) -> None:
        if not self._lost and self._machine.close_sent is None:
            self._protocol.data_received(self._machine.send(Pong(payload)))

    def _put_close(self, close: Close) -> None:
        if self._machine.close_sent is not None:
            return
        reply = self._machine.send(Close(close.code))
        self.put(
            {"type": "websocket.close", "code": close.code or 1000, "reason": close.reason or ""}
        )
        self._loop.call_soon(self._reply, reply)

    def _reply(self, data: bytes) -> None:
        if not self._lost:
            self._protocol.data_received(data)

    # -- as a transport ------------------------------------------------------------------

    def _close(self) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)
            if not self._wake.done():
                self._wake.set_result(None)

    def close(self) -> None:
        self._close()

    def abort(self) -> None:
        self._close()

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_WATER if high is None else high

    def pause_reading(self) -> None:
        self._resumed.clear()

    def resume_reading(self) -> None:
        self._resumed.set()

    def is_reading(self) -> bool:
        return self._resumed.is_set()


def _handshake(head: RequestHead, scope: Scope) -> RequestHead:
    """Return the request as a client sends it to a server of its own."""
    protocols = ", ".join(scope.get("subprotocols", ()))
    fields = [field for field in head.fields if not field[0].startswith("sec-websocket-")]
    fields += [
        ("upgrade", "websocket"),
        ("sec-websocket-key", _KEY),
        ("sec-websocket-version", "13"),
    ]
    if protocols:
        fields.append(("sec-websocket-protocol", protocols))
    return RequestHead("GET", head.target, fields, "HTTP/1.1", head.host, upgrade="websocket")
