"""An HTTP client, asynchronous or blocking.

Example::

    async def main() -> None:
        client = AsyncHTTPClient()
        response = await client.fetch("http://www.example.com/")
        print(response.code, response.body)

`AsyncHTTPClient` makes an instance of the implementation that was configured. Without that it
is `simple_httpclient.SimpleAsyncHTTPClient`.

``toolkit fetch URL...`` does it from the command line.
"""

from toolkit.httpclient.base import AsyncHTTPClient, HTTPClient
from toolkit.httpclient.circuit_breaker import (
    CircuitBreaker,
    CircuitOpenError,
    TooManyRequestsError,
)
from toolkit.httpclient.content import Content
from toolkit.httpclient.cookies import CookieJar
from toolkit.httpclient.download import download
from toolkit.httpclient.encoding import Part, Reported, file_content
from toolkit.httpclient.errors import HTTPClientError, HTTPError
from toolkit.httpclient.event_source import EventSource, EventStreamError
from toolkit.httpclient.options import ConnectOptions, Proxy
from toolkit.httpclient.pool import PoolLimits
from toolkit.httpclient.program import main
from toolkit.httpclient.rate_limit import Rate, RateLimit
from toolkit.httpclient.request import HTTPRequest
from toolkit.httpclient.response import HTTPResponse
from toolkit.httpclient.retry import Retry, RetryBudget
from toolkit.httpclient.timeouts import Timeouts
from toolkit.httpclient.trace import Trace
from toolkit.httpclient.transport import CallNext, OutgoingRequest, StreamedResponse, Transport

__all__ = [
    "AsyncHTTPClient",
    "CallNext",
    "CircuitBreaker",
    "CircuitOpenError",
    "ConnectOptions",
    "Content",
    "CookieJar",
    "EventSource",
    "EventStreamError",
    "HTTPClient",
    "HTTPClientError",
    "HTTPError",
    "HTTPRequest",
    "HTTPResponse",
    "OutgoingRequest",
    "Part",
    "PoolLimits",
    "Proxy",
    "Rate",
    "RateLimit",
    "Reported",
    "Retry",
    "RetryBudget",
    "StreamedResponse",
    "Timeouts",
    "TooManyRequestsError",
    "Trace",
    "Transport",
    "download",
    "file_content",
    "main",
]
