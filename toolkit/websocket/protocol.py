"""`WebSocketProtocol` and `WebSocketProtocol13`: a connection by Tornado's names."""

import abc
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from toolkit.concurrent import Future
from toolkit.escape import json_encode, native_str, utf8
from toolkit.iostream import IOStream
from toolkit.netutil import bound_unsent
from toolkit.websocket.connection import Connection
from toolkit.websocket.delegate import Delegate
from toolkit.websocket.options import ConnectionOptions
from toolkit.wire.websocket import CLIENT, SERVER, Agreement, Limits, Machine, accept_key

if TYPE_CHECKING:
    from toolkit.websocket.handler import WebSocketHandler

#: Bytes not yet sent that the kernel takes for a client: a large message, whole. With a quarter of
#: that, as HTTP has it, an echo of 1 MiB took two fifths longer.
MAX_UNSENT = 1024 * 1024


class WebSocketProtocol(abc.ABC):
    """What a version of the protocol has; there is one version.

    Args:
        handler: gets what comes.

    Attributes:
        stream: of the connection, after the handshake.
    """

    handler: Delegate
    stream: IOStream

    def __init__(self, handler: Delegate) -> None:
        self.handler = handler

    @property
    def client_terminated(self) -> bool:
        """Whether the peer is done."""
        return self.is_closing()

    @property
    def server_terminated(self) -> bool:
        """Whether this side is done."""
        return self.is_closing()

    def on_connection_close(self) -> None:
        """Hear that the connection is gone."""
        self.close()

    @abc.abstractmethod
    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Close the connection."""

    @abc.abstractmethod
    def is_closing(self) -> bool:
        """Say whether nothing more can be sent."""

    @abc.abstractmethod
    async def accept_connection(self, handler: "WebSocketHandler") -> None:
        """Answer the handshake of a client."""

    @abc.abstractmethod
    def write_message(
        self, message: str | bytes | dict[str, Any], binary: bool = False
    ) -> "Future[None]":
        """Send a message."""

    @property
    @abc.abstractmethod
    def selected_subprotocol(self) -> str | None:
        """The subprotocol that was agreed on."""

    @abc.abstractmethod
    def write_ping(self, data: bytes) -> None:
        """Send a ping."""

    @abc.abstractmethod
    def start_pinging(self) -> None:
        """Send pings from now on, if the options ask for it."""

    @abc.abstractmethod
    def set_nodelay(self, x: bool) -> None:
        """Send small messages at once (True) or let the kernel gather them."""


class WebSocketProtocol13(Connection, WebSocketProtocol):
    """Speaks version 13, that of RFC 6455.

    Args:
        handler: gets what comes.
        mask_outgoing: whether this is a client.
        params: limits and time-outs.

    Attributes:
        agreement: what the handshake led to.
    """

    # Bits of the first byte of a frame (RFC 6455 §5.2).
    FIN = 0x80
    RSV1 = 0x40
    RSV2 = 0x20
    RSV3 = 0x10
    RSV_MASK = RSV1 | RSV2 | RSV3
    OPCODE_MASK = 0x0F

    __slots__ = ("agreement",)

    def __init__(self, handler: Delegate, mask_outgoing: bool, params: ConnectionOptions) -> None:
        Connection.__init__(self, handler, params, server=not mask_outgoing)
        self.agreement = Agreement()

    def begin(self, stream: IOStream, agreement: Agreement) -> None:
        """Take the stream after the handshake."""
        self.agreement = agreement
        limits = Limits(message=self.options.max_message_size)
        if self.mask_outgoing:
            machine = Machine(CLIENT, limits, agreement.deflate, _mask_keys().__next__)
        else:
            machine = Machine(SERVER, limits, agreement.deflate)
            if stream.socket is not None:
                bound_unsent(stream.socket, MAX_UNSENT)
        self.attach(stream, machine)

    async def accept_connection(self, handler: "WebSocketHandler") -> None:
        """Answer the handshake of a client, which was looked at already."""
        handler.accept(self)

    @staticmethod
    def compute_accept_value(key: str | bytes) -> str:
        """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key."""
        return accept_key(native_str(key))

    @property
    def params(self) -> ConnectionOptions:
        """Limits and time-outs."""
        return self.options

    @property
    def mask_outgoing(self) -> bool:
        """Whether this is a client."""
        return not self._server

    @property
    def selected_subprotocol(self) -> str | None:
        """The subprotocol that was agreed on; None for none."""
        return self.agreement.subprotocol

    @property
    def client_terminated(self) -> bool:
        """Whether the peer is done."""
        return self.machine.close_received is not None or self.stream.closed()

    def write_message(
        self, message: str | bytes | dict[str, Any], binary: bool = False
    ) -> "Future[None]":
        """Send a message; arguments and errors as `WebSocketHandler.write_message`."""
        if binary or type(message) is not str:
            message = encoded(message, binary)
        return self.send(message)

    def write_ping(self, data: bytes) -> None:
        """Send a ping.

        Raises:
            ValueError: more than 125 bytes.
        """
        self.send_ping(data)

    async def periodic_ping(self) -> None:
        """Send pings as the options ask for it, until the connection is closed."""
        self.start_pinging()
        await self.ended()

    def on_connection_close(self) -> None:
        """Close the connection at once."""
        self.stream.abort()

    def set_nodelay(self, x: bool) -> None:
        """Send small messages at once (True) or let the kernel gather them."""
        self.stream.set_nodelay(x)


def _mask_keys() -> Iterator[bytes]:
    """Yield keys that nobody can foresee (RFC 6455 §10.3).

    Chance comes from the system for 64 of them at once, as each call takes longer than all else
    about a short message. Each connection has its own, or processes that fork would share them.
    """
    while True:
        chance = secrets.token_bytes(256)
        for at in range(0, len(chance), 4):
            yield chance[at : at + 4]


def encoded(message: str | bytes | dict[str, Any], binary: bool) -> str | bytes:
    """Return a message as the machine sends it.

    Args:
        message: a dict is sent as JSON.
        binary: whether it is no text; text as bytes has to be UTF-8.
    Raises:
        ValueError: bytes of a text that are not UTF-8.
        TypeError: another type.
    """
    if isinstance(message, dict):
        message = json_encode(message)
    if binary:
        return utf8(message)
    if isinstance(message, str):
        return message
    if not isinstance(message, bytes):
        raise TypeError(f"message of type {type(message)!r}; str, bytes and dict are allowed")
    return message.decode("utf-8")
