"""What a case of the battery is: bytes to send, and what may come of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

#: What an attacker hides where two readers see the end of a message in different places.
CANARY = b"GET /canary HTTP/1.1\r\nHost: hostile\r\n\r\n"


class After(Enum):
    """What has become of the connection once all answers of a case were read."""

    OPEN = "the next request on it is answered"
    CLOSED = "the server has closed it, and said so in its last answer"
    ENDED = "the server has closed it, whether or not it could say so"
    EITHER = "open or closed"
    CUT = "the server has closed it, in the middle of an answer"


OPEN, CLOSED, ENDED, EITHER, CUT = After


class Shut:
    """A step: the client sends no more, and still reads."""

    def __repr__(self) -> str:
        return "Shut()"


@dataclass(frozen=True, slots=True)
class Until:
    """A step: wait until so many answers have come, interim ones too."""

    answers: int


Step = bytes | Shut | Until


@dataclass(frozen=True, slots=True)
class Want:
    """What one answer has to be.

    Attributes:
        statuses: one of them.
        method: of the request, which decides whether content follows.
        has: header, value; any value where that is None, one of several where it is a tuple.
        lacks: headers that must not be there.
        body: the content, where it matters.
        lists: header, items that it must have, in any case and order.
    """

    statuses: frozenset[int]
    method: str = "GET"
    has: tuple[tuple[str, str | tuple[str, ...] | None], ...] = ()
    lacks: tuple[str, ...] = ()
    body: bytes | None = None
    lists: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One rule, and the bytes that show whether a server keeps it.

    Attributes:
        name: unique, a few words.
        section: where the rule is written down.
        steps: what the client does, in order.
        wants: the answers, in order, and no other; 1xx ones only where they are wanted.
        after: what becomes of the connection.
        asked: targets that reach a handler; None where that is not looked at.
        fails: whether the handler fails, so that errors in the log are in order.
        may_interim: whether 100 may come before an answer although it is not wanted.
    """

    name: str
    section: str
    steps: tuple[Step, ...]
    wants: tuple[Want, ...]
    after: After = OPEN
    asked: tuple[str, ...] | None = None
    fails: bool = False
    may_interim: bool = False


def want(
    statuses: int | Iterable[int] = 200,
    body: bytes | None = None,
    method: str = "GET",
    *,
    has: dict[str, str | tuple[str, ...] | None] | None = None,
    lacks: Iterable[str] = (),
    lists: dict[str, Iterable[str]] | None = None,
) -> Want:
    """Make a `Want`."""
    allowed = (statuses,) if isinstance(statuses, int) else statuses
    return Want(
        frozenset(allowed),
        method,
        tuple((has or {}).items()),
        tuple(lacks),
        body,
        tuple((name, frozenset(items)) for name, items in (lists or {}).items()),
    )


def case(
    name: str,
    section: str,
    steps: Step | Iterable[Step],
    wants: Want | Iterable[Want],
    after: After = OPEN,
    *,
    asked: Iterable[str] | None = None,
    fails: bool = False,
    may_interim: bool = False,
) -> Case:
    """Make a `Case`; one step and one want need no tuple."""
    return Case(
        name,
        section,
        (steps,) if isinstance(steps, (bytes, Shut, Until)) else tuple(steps),
        (wants,) if isinstance(wants, Want) else tuple(wants),
        after,
        None if asked is None else tuple(asked),
        fails,
        may_interim,
    )


def request(
    line: str | bytes, *fields: str | bytes, host: str | None = "h", body: bytes = b""
) -> bytes:
    """Write a request.

    Args:
        line: method and target; without a version it is of HTTP/1.1.
        fields: header lines without CRLF.
        host: value of the first field; None for no Host.
        body: what follows the head, as it is.
    """
    start = _bytes(line)
    if b" HTTP/" not in start:
        start += b" HTTP/1.1"
    lines = [start, *([] if host is None else [f"Host: {host}".encode()]), *map(_bytes, fields)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def with_length(line: str, body: bytes, *fields: str) -> bytes:
    """Write a request with content of a known length."""
    return request(line, *fields, f"Content-Length: {len(body)}", body=body)


def with_chunks(line: str, body: bytes, *fields: str) -> bytes:
    """Write a request with content in chunks; `body` has them as they are sent."""
    return request(line, *fields, "Transfer-Encoding: chunked", body=body)


def chunks(*pieces: bytes, trailers: bytes = b"") -> bytes:
    """Write pieces of content as chunks, and the last chunk with the trailer section."""
    written = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return written + b"0\r\n" + trailers + b"\r\n"


def _bytes(text: str | bytes) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else text
