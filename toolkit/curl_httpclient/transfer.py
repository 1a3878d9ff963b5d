"""A request under way, and how it fails."""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from toolkit.httpclient.errors import HTTPClientError
from toolkit.httpclient.request import EffectiveRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httputil import HTTPHeaders

Callback = Callable[[HTTPResponse], None]


class CurlError(HTTPClientError):
    """A request that libcurl could not do; code 599.

    Attributes:
        errno: the number of libcurl's error.
    """

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(599, message)
        self.errno = errno


@dataclass
class Transfer:
    """A request under way.

    Attributes:
        pending: calls of the program's callbacks that are still to be made, with pieces of the
            body of `pending_size` bytes.
        paused: the handle that waits until it has got them; None for no wait.
        queued: when it came, and `started` when its turn was, by the loop's clock.
        error: what a callback of the program, or a limit, ended it with.
    """

    request: EffectiveRequest
    callback: Callback
    queued: float
    start_time: float
    started: float
    buffer: BytesIO = field(default_factory=BytesIO)
    headers: HTTPHeaders = field(default_factory=HTTPHeaders)
    reason: str = ""
    header_size: int = 0
    size: int = 0
    pending: list[tuple[Callable[[Any], None], str | bytes]] = field(default_factory=list)
    pending_size: int = 0
    paused: Any = None
    error: BaseException | None = None
