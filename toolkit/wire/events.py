"""What protocol machines take and give: message heads, data, ends and three signals."""

from collections.abc import Collection
from enum import Enum
from typing import Self

_new = object.__new__

#: A field line: name in lower case when received, value without outer whitespace.
Field = tuple[str, str]
#: Field lines in order.
Fields = Collection[Field]

#: `RequestHead.length` of a body in chunks.
CHUNKED = -1
#: `ResponseHead.length` of a body that ends where the connection does.
UNTIL_CLOSE = -2


class Signal(Enum):
    """What `next_event` says when there is no event."""

    NEED_DATA = "feed `receive` first"
    PAUSED = "the peer's message is whole; ours has to end before the next one is read"
    CLOSED = "nothing will be read from this peer any more"

    def __repr__(self) -> str:
        return self.name


NEED_DATA = Signal.NEED_DATA
PAUSED = Signal.PAUSED
CLOSED = Signal.CLOSED


class RequestHead:
    """The start line and fields of a request, with what they say of the connection.

    Attributes:
        method: as sent; methods are case-sensitive.
        target: as sent: origin, absolute, authority or asterisk form (RFC 9112 §3.2).
        fields: names in lower case.
        version: ``"HTTP/1.1"`` or ``"HTTP/1.0"``.
        host: authority that the request is for, without userinfo; may be empty.
        length: bytes of the body; 0 for none, `CHUNKED` when unknown beforehand.
        keep_alive: whether the peer wants to go on after this message.
        expect_continue: whether the peer waits for a 100 before it sends the body.
        upgrade: value of the Upgrade field when the peer asks to switch protocols, else "".

    Once received it is not changed: heads that repeat on a connection are one object.
    """

    __slots__ = (
        "_names",
        "_raw",
        "expect_continue",
        "fields",
        "host",
        "keep_alive",
        "length",
        "method",
        "target",
        "upgrade",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        fields: Fields = (),
        version: str = "HTTP/1.1",
        host: str = "",
        length: int = 0,
        keep_alive: bool = True,
        expect_continue: bool = False,
        upgrade: str = "",
    ) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.version = version
        self.host = host
        self.length = length
        self.keep_alive = keep_alive
        self.expect_continue = expect_continue
        self.upgrade = upgrade
        self._names: frozenset[str] | None = None
        self._raw: list[tuple[bytes, bytes]] | None = None

    @property
    def raw_fields(self) -> list[tuple[bytes, bytes]]:
        """The fields as bytes, made once for all heads that repeat them; not to be changed."""
        raw = self._raw
        if raw is None:
            self._raw = raw = [
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in self.fields
            ]
        return raw

    @property
    def names(self) -> frozenset[str]:
        """Names of the fields, for a quick look whether one is there."""
        names = self._names
        if names is None:
            self._names = names = frozenset([name for name, _ in self.fields])
        return names

    def has(self, name: str) -> bool:
        """Say whether there is a field of this name, which is in lower case."""
        names = self._names
        return name in (self.names if names is None else names)

    def replace(self, method: str, target: str) -> "RequestHead":
        """Return the head of a request that differs from this one in its start line alone."""
        head = RequestHead(
            method,
            target,
            self.fields,
            self.version,
            self.host,
            self.length,
            self.keep_alive,
            self.expect_continue,
            self.upgrade,
        )
        head._names = self._names
        head._raw = self._raw
        return head

    def __repr__(self) -> str:
        return f"<RequestHead {self.method} {self.target!r} {self.version}>"


class ResponseHead:
    """The status line and fields of a response; a status below 200 is an interim one.

    Attributes:
        status: 100 to 999.
        reason: the phrase of the status line; None chooses the usual one when sent.
        fields: names in lower case when received.
        version: ``"HTTP/1.1"`` or ``"HTTP/1.0"``.
        length: bytes of the body, `CHUNKED` or `UNTIL_CLOSE`; set when received.
        keep_alive: whether the peer will go on after this message; set when received.
        checked: whether names, values and reason hold nothing that may not stand in a head,
            as is known of `HTTPHeaders`, so that they need no second look when sent.
    """

    __slots__ = ("checked", "fields", "keep_alive", "length", "reason", "status", "version")

    def __init__(
        self,
        status: int,
        fields: Fields = (),
        reason: str | None = None,
        version: str = "HTTP/1.1",
        length: int = 0,
        keep_alive: bool = True,
        checked: bool = False,
    ) -> None:
        self.status = status
        self.fields = fields
        self.reason = reason
        self.version = version
        self.length = length
        self.keep_alive = keep_alive
        self.checked = checked

    @classmethod
    def trusted(cls, status: int, fields: Fields, reason: str | None) -> Self:
        """Take what needs no check, to be sent; half as many steps as a call of the class."""
        head = _new(cls)
        head.status = status
        head.fields = fields
        head.reason = reason
        head.version = "HTTP/1.1"
        head.length = 0
        head.keep_alive = head.checked = True
        return head

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} {self.version}>"


class Data:
    """A piece of a body; where one piece ends and the next begins means nothing."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"<Data {len(self.data)} bytes>"


class EndOfMessage:
    """The message is whole.

    Attributes:
        trailers: fields after the last chunk; those that change framing, routing or
            authentication are left out (RFC 9110 §6.5.1).
    """

    __slots__ = ("trailers",)

    def __init__(self, trailers: Fields = ()) -> None:
        self.trailers = trailers

    def __repr__(self) -> str:
        return "<EndOfMessage>"


Event = RequestHead | ResponseHead | Data | EndOfMessage
