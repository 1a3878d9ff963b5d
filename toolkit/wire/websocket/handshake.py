"""The opening handshake over HTTP/1.1 (RFC 6455 §4)."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from toolkit.wire.events import Field, RequestHead, ResponseHead
from toolkit.wire.grammar import is_token, list_items
from toolkit.wire.websocket.deflate import (
    Deflate,
    DeflateOptions,
    Extension,
    answer_offer,
    offer,
    parse_extensions,
    read_answer,
)
from toolkit.wire.websocket.errors import HandshakeError

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#: The one version that is spoken (RFC 6455 §4.4).
VERSION: Final = "13"


def accept_key(key: str) -> str:
    """Return the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2).

    >>> accept_key("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client asks for.

    Attributes:
        key: its Sec-WebSocket-Key.
        subprotocols: in its order of preference; as sent, they are case-sensitive.
        extensions: its offers.
    """

    key: str
    subprotocols: list[str]
    extensions: list[Extension]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides agreed on.

    Attributes:
        subprotocol: None for none.
        deflate: None where messages are not compressed.
    """

    subprotocol: str | None = None
    deflate: Deflate | None = None


def values_of(head: RequestHead | ResponseHead, name: str) -> list[str]:
    """Return the values of all fields called `name` (in lower case)."""
    return [value for field, value in head.fields if field.lower() == name]


def is_upgrade(head: RequestHead) -> bool:
    """Say whether a request asks for WebSocket; token by token (RFC 6455 §4.2.1)."""
    return "websocket" in list_items(head.upgrade)


def read_request(head: RequestHead) -> Opening:
    """Check a client's handshake.

    Raises:
        HandshakeError: with the answer's status and fields: 426 where it does not ask for
            WebSocket, or for another version of it than 13; else 400.

    RFC 6455 §4.2.1
    """
    if head.method != "GET" or head.version != "HTTP/1.1":
        raise HandshakeError(
            f"{head.method[:100]} of {head.version}; a WebSocket is opened by GET of HTTP/1.1"
        )
    if not is_upgrade(head):
        raise HandshakeError(
            'needs "Upgrade: websocket" and "Connection: Upgrade"',
            426,
            (("Upgrade", "websocket"), ("Connection", "Upgrade")),
        )
    if head.length:
        raise HandshakeError("the request for a WebSocket has content; none is allowed")
    versions = values_of(head, "sec-websocket-version")
    if versions != [VERSION]:
        raise HandshakeError(
            f"Sec-WebSocket-Version {str(versions)[:100]}; {VERSION} is spoken",
            426,
            (("Sec-WebSocket-Version", VERSION),),
        )
    keys = values_of(head, "sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise HandshakeError(f"Sec-WebSocket-Key {str(keys)[:100]}; 16 bytes in base64 are allowed")
    return Opening(
        keys[0],
        _read_subprotocols(values_of(head, "sec-websocket-protocol")),
        parse_extensions(values_of(head, "sec-websocket-extensions")),
    )


def _is_key(key: str) -> bool:
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _read_subprotocols(values: Sequence[str]) -> list[str]:
    names = [name for name in (item.strip(" \t") for item in ",".join(values).split(",")) if name]
    for name in names:
        if not is_token(name):
            raise HandshakeError(f"Sec-WebSocket-Protocol {name[:100]!r}; tokens are allowed")
    if len(set(names)) != len(names):
        raise HandshakeError("Sec-WebSocket-Protocol names a protocol twice")
    return names


def answer_request(
    opening: Opening,
    subprotocol: str | None = None,
    options: DeflateOptions | None = None,
) -> tuple[list[Field], Agreement]:
    """Return the fields of the 101 that accepts, and what was agreed on by it.

    Raises:
        ValueError: a subprotocol that the client did not offer.

    RFC 6455 §4.2.2
    """
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(opening.key)),
    ]
    if subprotocol is not None:
        if subprotocol not in opening.subprotocols:
            raise ValueError(
                f"subprotocol {subprotocol!r}; {opening.subprotocols} are offered by the client"
            )
        fields.append(("Sec-WebSocket-Protocol", subprotocol))
    deflate, extension = answer_offer(opening.extensions, options)
    if extension is not None:
        fields.append(("Sec-WebSocket-Extensions", extension))
    return fields, Agreement(subprotocol, deflate)


def request_fields(
    key: str, subprotocols: Sequence[str] = (), options: DeflateOptions | None = None
) -> list[Field]:
    """Return the fields by which a client asks; Host and what else it sends are not among them.

    Args:
        key: 16 bytes of chance in base64, others for each connection.
    Raises:
        ValueError: a key that is none, or subprotocols that are no tokens or come twice.

    RFC 6455 §4.1
    """
    if not _is_key(key):
        raise ValueError(f"key {key[:100]!r}; 16 bytes in base64 are allowed")
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Version", VERSION),
    ]
    for name in subprotocols:
        if not is_token(name):
            raise ValueError(f"subprotocol {name[:100]!r}; a token is allowed")
    if len(set(subprotocols)) != len(subprotocols):
        raise ValueError(f"subprotocols {list(subprotocols)}; each is allowed once")
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(subprotocols)))
    if options is not None:
        fields.append(("Sec-WebSocket-Extensions", offer(options)))
    return fields


def read_response(
    head: ResponseHead,
    key: str,
    subprotocols: Sequence[str] = (),
    options: DeflateOptions | None = None,
) -> Agreement:
    """Check a server's 101 against what was asked for by `request_fields`.

    Raises:
        HandshakeError: it is no answer to that.

    RFC 6455 §4.1
    """
    if head.status != 101:
        raise HandshakeError(f"status {head.status}; 101 opens a WebSocket", head.status)
    if [value.lower() for value in values_of(head, "upgrade")] != ["websocket"]:
        raise HandshakeError('the answer lacks "Upgrade: websocket"')
    if "upgrade" not in list_items(",".join(values_of(head, "connection"))):
        raise HandshakeError('the answer lacks "Connection: Upgrade"')
    accepts = values_of(head, "sec-websocket-accept")
    if accepts != [accept_key(key)]:
        raise HandshakeError(
            f"Sec-WebSocket-Accept {str(accepts)[:100]}; {accept_key(key)!r} answers our key"
        )
    chosen = values_of(head, "sec-websocket-protocol")
    if len(chosen) > 1 or (chosen and chosen[0] not in subprotocols):
        raise HandshakeError(
            f"the server chose subprotocol {str(chosen)[:100]}; {list(subprotocols)} were offered"
        )
    extensions = parse_extensions(values_of(head, "sec-websocket-extensions"))
    return Agreement(chosen[0] if chosen else None, read_answer(extensions, options))
