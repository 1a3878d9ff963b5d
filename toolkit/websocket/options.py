"""How a connection is treated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from toolkit.wire.websocket import DeflateOptions

#: Bytes of a message that a peer may send.
DEFAULT_MAX_MESSAGE_SIZE = 10 * 1024 * 1024
#: Seconds for a peer to answer a Close.
CLOSE_TIMEOUT = 5.0

#: What is done with a message for a peer that does not keep up.
Policy = Literal["wait", "drop_old", "drop_new", "close"]
_POLICIES = ("wait", "drop_old", "drop_new", "close")


@dataclass(frozen=True, slots=True)
class SendQueue:
    """What happens to messages for a peer that reads them more slowly than they are made.

    Messages go to the transport until that has 64 KiB of them waiting. Then they queue here,
    and once one of the limits is reached the policy decides.

    Attributes:
        policy: ``"wait"``: whoever awaits `write_message` is held up, and if nobody heeds that
            until a limit is reached, the connection is aborted; ``"drop_old"``: the oldest
            message of the queue goes; ``"drop_new"``: the new message is not taken;
            ``"close"``: the connection is aborted.
        messages: how many may wait.
        size: bytes of messages that may wait, but one message always may.
    """

    policy: Policy = "wait"
    messages: int = 65536
    size: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.policy not in _POLICIES:
            raise ValueError(f"policy {self.policy!r}; one of {', '.join(_POLICIES)} is allowed")
        if self.messages < 1 or self.size < 0:
            raise ValueError(f"{self!r}; one message and more are allowed")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many messages a peer may send.

    Attributes:
        messages: in a row, after a time in which none came.
        seconds: in which so many come on the average.
        action: ``"wait"``: faster ones are read later, so that the peer is held up by the
            network; ``"close"``: the connection is closed with 1008.
    """

    messages: int
    seconds: float = 1.0
    action: Literal["wait", "close"] = "wait"

    def __post_init__(self) -> None:
        if self.messages < 1 or self.seconds <= 0:
            raise ValueError(f"{self!r}; one message and more, in some time, are allowed")
        if self.action not in ("wait", "close"):
            raise ValueError(f"action {self.action!r}; 'wait' and 'close' are allowed")


@dataclass(slots=True)
class ConnectionOptions:
    """How one connection is treated; times in seconds.

    Attributes:
        ping_interval: between pings; None or 0 for none.
        ping_timeout: for the answer to a ping, at most the interval; None for as much, 0 for
            no limit.
        max_message_size: bytes of a message that the peer sends, once inflated.
        compression_options: as `WebSocketHandler.get_compression_options` returns them.
        send_queue: for messages that the peer does not take.
        rate_limit: of messages that the peer sends; None for no limit.
        receive_queue: messages that may wait to be read.
        close_timeout: for the peer to answer a Close.
        decode: turns a message into what is handed on; ValueError closes with 1008.
    """

    ping_interval: float | None = None
    ping_timeout: float | None = None
    max_message_size: int = DEFAULT_MAX_MESSAGE_SIZE
    compression_options: Mapping[str, Any] | None = None
    send_queue: SendQueue = field(default_factory=SendQueue)
    rate_limit: RateLimit | None = None
    receive_queue: int = 16
    close_timeout: float = CLOSE_TIMEOUT
    decode: Callable[[str | bytes], Any] | None = None


#: Tornado's names of options, by ours.
_RENAMED = {"compression_level": "level"}
_KNOWN = tuple(option.name for option in fields(DeflateOptions))


def deflate_options(options: Mapping[str, Any] | None) -> DeflateOptions | None:
    """Return what compression options say; None for no compression.

    Raises:
        ValueError: an unknown one, or a value that is not possible.
    """
    if options is None:
        return None
    given = {_RENAMED.get(name, name): value for name, value in options.items()}
    for name in given:
        if name not in _KNOWN:
            allowed = ", ".join(("compression_level", *_KNOWN[1:]))
            raise ValueError(f"compression option {name!r}; {allowed} are allowed")
    return DeflateOptions(**given)
