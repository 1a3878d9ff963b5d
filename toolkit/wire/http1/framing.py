"""How a message's body ends: the one place that decides it, for requests and responses.

A message whose end two readers could see in different places is refused, never repaired
(RFC 9112 §6.1, §6.3, §11.2).
"""

from collections.abc import Iterable

from toolkit.wire.errors import RemoteProtocolError, excerpt
from toolkit.wire.events import CHUNKED, UNTIL_CLOSE, Field
from toolkit.wire.grammar import CONTENT_LENGTH, is_token, list_items

#: Fields that decide on framing, connection or routing; the functions below are given these.
FRAMING_FIELDS = frozenset(
    ("connection", "content-length", "expect", "host", "transfer-encoding", "upgrade")
)


def by_name(fields: Iterable[Field]) -> dict[str, list[str]]:
    """Gather the values of fields by name, those of a name in their order."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def declared_length(
    found: dict[str, list[str]], version: str, *, repeated: bool = False
) -> int | None:
    """Read the length of a body from its fields.

    Args:
        repeated: whether Content-Length may give the same number several times.
    Returns:
        Bytes, `CHUNKED`, or None when the fields say nothing.
    Raises:
        RemoteProtocolError: malformed, more than one, or a transfer coding not known here.

    RFC 9112 §6.1 to §6.3
    """
    codings = found.get("transfer-encoding")
    lengths = found.get("content-length")
    if codings is not None:
        if lengths is not None:
            raise RemoteProtocolError(
                "Message with both Transfer-Encoding and Content-Length; one is allowed"
            )
        if version == "HTTP/1.0":
            raise RemoteProtocolError("Transfer-Encoding in HTTP/1.0, which does not know it")
        check_transfer_encoding(codings)
        return CHUNKED
    if lengths is None:
        return None
    return parse_repeated_length(lengths) if repeated else parse_length(lengths)


def parse_length(values: list[str]) -> int:
    """Read the one length that the Content-Length fields of a message give.

    Raises:
        RemoteProtocolError: more than one field, or not one number of at most 18 digits.

    RFC 9110 §8.6
    """
    if len(values) == 1 and CONTENT_LENGTH.fullmatch(values[0]):
        return int(values[0].lstrip("0") or "0")
    items = [item.strip(" \t") for item in ",".join(values).split(",")]
    if len(items) > 1:
        kind = "unequal" if len(set(items)) > 1 else "equal"
        seen = excerpt(", ".join(values))
        raise RemoteProtocolError(f"Multiple {kind} Content-Lengths {seen}; one is allowed")
    raise RemoteProtocolError(
        f"Content-Length {excerpt(values[0])}. Only integer Content-Length is allowed, of at "
        "most 18 decimal digits"
    )


def parse_repeated_length(values: list[str]) -> int:
    """Read a length that may be given several times, in one field or in more.

    Raises:
        RemoteProtocolError: as `parse_length`, or numbers that differ.

    RFC 9112 §6.3, item 5
    """
    items = ",".join(values).split(",")
    if len(items) == 1:
        return parse_length(values)
    lengths = {parse_length([item.strip(" \t")]) for item in items}
    if len(lengths) > 1:
        seen = excerpt(", ".join(values))
        raise RemoteProtocolError(f"Multiple unequal Content-Lengths {seen}; one is allowed")
    return lengths.pop()


def check_transfer_encoding(values: list[str]) -> None:
    """Return when the one coding is chunked (RFC 9112 §6.1, §7).

    Raises:
        RemoteProtocolError: otherwise.
    """
    seen = excerpt(",".join(values))[1:-1]
    codings = [item.strip(" \t").lower() for item in ",".join(values).split(",")]
    if codings == ["chunked"]:
        return
    if not all(is_token(coding) for coding in codings):
        raise RemoteProtocolError(
            f"Unsupported Transfer-Encoding {seen}; only 'chunked' is allowed"
        )
    if codings[-1] != "chunked" or codings.count("chunked") > 1:
        raise RemoteProtocolError(
            f"Unsupported Transfer-Encoding {seen}; 'chunked' has to come last, and once"
        )
    raise RemoteProtocolError(f"Unsupported Transfer-Encoding {seen}; only 'chunked' is known")


def request_length(found: dict[str, list[str]], version: str) -> int:
    """Return the bytes of a request's body, or `CHUNKED`; without a word there is none."""
    return declared_length(found, version) or 0


def response_length(
    found: dict[str, list[str]], version: str, status: int, request_method: str
) -> int:
    """Return the bytes of a response's body, `CHUNKED` or `UNTIL_CLOSE`.

    A length that is given twice alike is taken, unlike that of a request: servers that
    do so are many, and nobody is served by a client that cannot read their answers.

    Raises:
        RemoteProtocolError: as `declared_length`.

    RFC 9112 §6.3
    """
    if not may_have_body(status, request_method):
        return 0
    length = declared_length(found, version, repeated=True)
    return UNTIL_CLOSE if length is None else length


def may_have_body(status: int, request_method: str) -> bool:
    """Say whether a response of this status to this method is followed by content.

    RFC 9110 §6.4.1
    """
    if status < 200 or status in (204, 304) or request_method == "HEAD":
        return False
    return not (request_method == "CONNECT" and status < 300)


def wants_keep_alive(found: dict[str, list[str]], version: str) -> bool:
    """Say whether the sender wants the connection to go on (RFC 9112 §9.3)."""
    options = list_items(",".join(found.get("connection", ())))
    if "close" in options:
        return False
    return version == "HTTP/1.1" or "keep-alive" in options


def upgrade_offer(found: dict[str, list[str]], version: str) -> str:
    """Return the protocols that the sender would switch to, "" for none (RFC 9110 §7.8)."""
    offer = ", ".join(found.get("upgrade", ()))
    if not offer or version == "HTTP/1.0":
        return ""
    return offer if "upgrade" in list_items(",".join(found.get("connection", ()))) else ""
