"""What the two sides of ASGI hand to each other, and how servers say that something is wrong."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, MutableMapping
from typing import Any

from toolkit.wire.errors import excerpt
from toolkit.wire.events import Field

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

#: What only concerns the connection, which is the server's business.
OF_THE_CONNECTION = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    )
)


class ClientDisconnected(OSError):
    """What `send` raises once the client is gone."""


def text_fields(headers: Iterable[Iterable[bytes]]) -> list[Field]:
    """Return headers of a message as text, their names in lower case."""
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


def unexpected(message: Message, allowed: str) -> RuntimeError:
    """Return the error of an application that sends what is not its turn."""
    return RuntimeError(
        f"the application sends {excerpt(str(message.get('type')))}; {allowed} is allowed"
    )
