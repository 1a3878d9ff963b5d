"""The client's side of a handshake, and the redirects before it."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from toolkit.httpclient import HTTPClientError, HTTPResponse
from toolkit.httpclient.authorization import basic_authorization
from toolkit.httpclient.defaults import USER_AGENT
from toolkit.httpclient.redirects import FOR_ORIGIN, followed
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.target import Target
from toolkit.httputil import HTTPHeaders, ResponseStartLine
from toolkit.iostream import IOStream
from toolkit.websocket.dialling import Asking, Dial
from toolkit.websocket.errors import WebSocketError
from toolkit.wire.errors import RemoteProtocolError
from toolkit.wire.events import Data, EndOfMessage, RequestHead, ResponseHead
from toolkit.wire.websocket import (
    Agreement,
    DeflateOptions,
    HandshakeError,
    read_response,
    request_fields,
)
from toolkit.wire.websocket.handshake import values_of

#: The schemes of WebSockets, by those of HTTP that they are opened by.
SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
#: Fields that the handshake itself has.
_OF_HANDSHAKE = frozenset(
    """
    upgrade connection sec-websocket-key sec-websocket-version sec-websocket-protocol
    sec-websocket-extensions content-length transfer-encoding
    """.split()
)


@dataclass(slots=True)
class Opened:
    """What a handshake leads to.

    Attributes:
        stream: what follows the answer is read from it.
        start_line, headers: of the answer.
        key: what it answers.
    """

    stream: IOStream
    agreement: Agreement
    start_line: ResponseStartLine
    headers: HTTPHeaders
    key: str


@dataclass(frozen=True, slots=True)
class Hop:
    """A handshake as one server gets it.

    Attributes:
        fields: of the user, that this server may see; names as `HTTPHeaders` has them.
        credentials: user and password for it; None for none.
    """

    url: str
    target: Target
    fields: tuple[tuple[str, str], ...]
    credentials: tuple[str, str] | None

    @classmethod
    def first(cls, request: EffectiveRequest) -> "Hop":
        """Return what a request begins with.

        Raises:
            ValueError: a URL that cannot be opened, or credentials that cannot be sent.
        """
        url = http_url(request.url)
        target = Target.parse(url)
        credentials = target.credentials
        if credentials is None and request.auth_username is not None:
            credentials = request.auth_username, request.auth_password or ""
        if credentials is not None and request.auth_mode not in (None, "basic"):
            raise ValueError(f"auth_mode {request.auth_mode!r}; 'basic' is allowed")
        fields = tuple(
            (name, value)
            for name, value in HTTPHeaders(request.headers).get_all()
            if name.lower() not in _OF_HANDSHAKE
        )
        return cls(url, target, fields, credentials)

    def head(self, request: EffectiveRequest, handshake: list[tuple[str, str]]) -> RequestHead:
        """Return the head as it is sent."""
        fields = list(self.fields)
        names = {name.lower() for name, _ in fields}
        if "host" not in names:
            fields.insert(0, ("Host", self.target.origin.authority))
        if "user-agent" not in names:
            fields.append(("User-Agent", request.user_agent or USER_AGENT))
        if self.credentials is not None:
            fields = [field for field in fields if field[0].lower() != "authorization"]
            fields.append(("Authorization", basic_authorization(*self.credentials)))
        return RequestHead("GET", self.target.path, [*fields, *handshake])

    def after(self, head: ResponseHead) -> "Hop | None":
        """Return where an answer redirects to; None where it does not.

        What is secret goes to no other origin than the one that it was for.

        Raises:
            ValueError: to a URL that cannot be opened.
        """
        location = followed(self.url, head.status, values_of(head, "location"))
        if location is None:
            return None
        url = http_url(location)
        target = Target.parse(url)
        if target.origin == self.target.origin:
            return Hop(url, target, self.fields, target.credentials or self.credentials)
        fields = tuple(field for field in self.fields if field[0] not in FOR_ORIGIN)
        return Hop(url, target, fields, target.credentials)


def http_url(url: str) -> str:
    """Return the URL by which a WebSocket is opened.

    Raises:
        ValueError: another scheme than ws, wss, http and https.
    """
    scheme, colon, rest = url.partition(":")
    known = SCHEMES.get(scheme.lower()) if colon else None
    if known is None:
        raise ValueError(f"Unsupported url scheme: {url[:100]!r}; ws and wss are allowed")
    return f"{known}:{rest}"


async def open_websocket(
    request: EffectiveRequest,
    dial: Dial,
    subprotocols: Sequence[str],
    deflate: DeflateOptions | None,
    max_redirects: int,
) -> Opened:
    """Connect and shake hands.

    Raises:
        HTTPClientError: the server answers with an error, or redirects too often.
        WebSocketError: it answers with something else, or breaks the protocol.
        ValueError: the request cannot be sent.
        OSError: there is no connection.
    """
    hop = Hop.first(request)
    while True:
        stream = await dial(hop.target.origin, request)
        try:
            result = await _shake_hands(
                stream, hop, request, subprotocols, deflate, follow=max_redirects > 0
            )
        except BaseException as error:
            stream.abort()
            if isinstance(error, Exception):
                await stream.wait_closed()
            raise
        if isinstance(result, Opened):
            return result
        stream.abort()
        await stream.wait_closed()
        hop = result
        max_redirects -= 1


async def _shake_hands(
    stream: IOStream,
    hop: Hop,
    request: EffectiveRequest,
    subprotocols: Sequence[str],
    deflate: DeflateOptions | None,
    follow: bool,
) -> Opened | Hop:
    key = base64.b64encode(secrets.token_bytes(16)).decode("ascii")
    asking = Asking(stream)
    asking.ask(hop.head(request, request_fields(key, subprotocols, deflate)))
    try:
        head = await asking.head()
        if head.status == 101:
            agreement = read_response(head, key, subprotocols, deflate)
            asking.give_back()
            start_line = ResponseStartLine(head.version, head.status, head.reason or "")
            headers = HTTPHeaders.received(head.fields)
            return Opened(stream, agreement, start_line, headers, key)
        if follow and (following := hop.after(head)) is not None:
            return following
        body = await _body(asking)
    except HandshakeError as error:
        raise WebSocketError(str(error)) from error
    except RemoteProtocolError as error:
        raise WebSocketError(f"the server does not speak HTTP: {error}") from error
    if 200 <= head.status < 300:
        raise WebSocketError(f"Non-websocket response: status {head.status}")
    response = HTTPResponse(
        request,
        head.status,
        headers=HTTPHeaders.received(head.fields),
        buffer=BytesIO(body),
        effective_url=hop.url,
        reason=head.reason,
    )
    raise HTTPClientError(head.status, response.reason, response)


async def _body(asking: Asking) -> bytes:
    """Return the content of an answer that is no WebSocket."""
    pieces = []
    while not isinstance(event := await asking.next_event(), EndOfMessage):
        assert isinstance(event, Data)
        pieces.append(event.data)
    return b"".join(pieces)
